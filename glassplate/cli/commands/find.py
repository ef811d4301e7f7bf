"""`glassplate find`: every file of a photo, on every node, in every part of it."""

import sys

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_NOT_DONE


@click.command()
@click.argument("photo", metavar="PHOTO")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def find(connection: Connection, photo: str, *, as_json: bool) -> None:
    r"""Find a photo on all nodes.

    Every file that carries the photo's id is listed: at home, owed to another node, in the trash or
    in quarantine. PHOTO is an id or a reference. The exit status is 1 if nothing was found, or a
    node could not be asked.

    \b
    Examples:
      glassplate find 01jd3x8m2c9qp4k7
      glassplate find 3/01jd3x8m2c9qp4k7 --json | jq -r '.found[].path'
    """
    document = connection.run(lambda client: client.find(photo))
    found, unknown = document["files"], document["unreachable"]
    if as_json:
        import json

        click.echo(json.dumps(document, indent=2))
    else:
        from glassplate.cli.views.consoles import stdout_console
        from glassplate.cli.views.copy_tables import found_table

        if found:
            stdout_console().print(found_table(found))
        elif not unknown:
            click.echo(f"No node has anything of photo {document['photo']}.", err=True)
        for node, reason in unknown.items():
            click.echo(f"{node} could not be asked: {reason}", err=True)
    sys.exit(0 if found and not unknown else EXIT_NOT_DONE)
