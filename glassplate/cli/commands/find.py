"""`glassplate find`: every file of a photo on every node."""

import sys

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.views.output import json_option, print_json, print_parts


@click.command()
@click.argument("photo", metavar="PHOTO")
@json_option
@click.pass_obj
def find(connection: Connection, photo: str, *, as_json: bool) -> None:
    r"""Find a photo on all nodes.

    The output lists every file with the photo's id: live, a hint for another node, in the trash,
    or in quarantine. PHOTO is an id or a reference. The exit status is 1 if no file was found, or
    a node is unreachable.

    \b
    Examples:
      glassplate find 01jd3x8m2c9qp4k7
      glassplate find 3/01jd3x8m2c9qp4k7 --json | jq -r '.files[].path'
    """
    document = connection.run(lambda client: client.find(photo))
    files, unreachable = document["files"], document["unreachable"]
    if as_json:
        print_json(document)
    else:
        from glassplate.cli.views.copy_tables import files_table

        if files:
            print_parts(files_table(files))
        elif not unreachable:
            click.echo(f"No node has a file of photo {document['photo']}.", err=True)
        for node, reason in unreachable.items():
            click.echo(f"{node} is unreachable: {reason}", err=True)
    sys.exit(0 if files and not unreachable else EXIT_FAILED)
