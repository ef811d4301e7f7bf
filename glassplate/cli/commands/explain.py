"""`glassplate explain`: why a URL is answered as it is."""

import sys

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_NOT_DONE


@click.command()
@click.argument("photo", metavar="URL|REFERENCE")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def explain(connection: Connection, photo: str, *, as_json: bool) -> None:
    r"""Explain what a URL is answered.

    In one sentence first, then all there is to know: what its permission is worth, the volume and
    its mirrors, every copy with size and digest on each node, tombstones, owed work, and the sizes
    with their job. A reference stands for its original. MACs are never printed. The exit status is
    0 if a GET would be answered with the photo.

    \b
    Examples:
      glassplate explain http://photos.example/3/k7/01jd3x8m2c9qp4k7_3fz8qd_m.a.0.9RfLN[...].jpg
      glassplate explain 3/01jd3x8m2c9qp4k7/3fz8qd --json | jq .answer
    """
    document = connection.run(lambda client: client.explain(photo))
    if as_json:
        import json

        click.echo(json.dumps(document, indent=2))
    else:
        from glassplate.cli.views.consoles import stdout_console
        from glassplate.cli.views.copy_tables import explanation_view

        for part in explanation_view(document):
            stdout_console().print(part)
    sys.exit(0 if document["answer"]["status"] == 200 else EXIT_NOT_DONE)
