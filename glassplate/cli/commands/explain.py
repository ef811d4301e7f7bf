"""`glassplate explain`: the reason for the response to a photo URL."""

import sys

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED
from glassplate.cli.views.output import json_option, print_json, print_parts


@click.command()
@click.argument("photo", metavar="URL|REFERENCE")
@json_option
@click.pass_obj
def explain(connection: Connection, photo: str, *, as_json: bool) -> None:
    r"""Explain the response to a photo URL.

    The first line has the status of a GET and its reason. Then follow the permission, the volume
    and its mirrors, every copy with its size and digest, tombstones, hints, and the sizes with
    their job. A reference means its original. MACs are never printed. The exit status is 0 if a
    GET returns the photo.

    \b
    Examples:
      glassplate explain "$URL"
      glassplate explain 3/01jd3x8m2c9qp4k7/3fz8qd --json | jq .answer
    """
    document = connection.run(lambda client: client.explain(photo))
    if as_json:
        print_json(document)
    else:
        from glassplate.cli.views.copy_tables import explanation_view

        print_parts(*explanation_view(document))
    sys.exit(0 if document["answer"]["status"] == 200 else EXIT_FAILED)
