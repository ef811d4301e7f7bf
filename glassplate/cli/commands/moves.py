"""`glassplate moves`: the volumes that move between nodes."""

import time

import click

from glassplate.cli.connection import Connection
from glassplate.cli.views.output import json_option, print_json, print_parts

WATCH_SECONDS = 2.0


@click.command()
@click.option("--watch", is_flag=True, help="Show them again until none is left.")
@json_option
@click.pass_obj
def moves(connection: Connection, *, watch: bool, as_json: bool) -> None:
    r"""Show volumes that move between nodes.

    A node that joins a volume is filled first, at limits.move_bytes_per_second. Then it is a
    mirror, and the node that leaves stays until all mirrors have its files.

    \b
    Examples:
      glassplate moves
      glassplate moves --watch
      glassplate moves --json | jq '.[] | {volume, seconds_left, waits_for}'
    """
    from glassplate.cli.views.move_tables import moves_view

    while True:
        status = connection.run(lambda client: client.status())
        found = status["moves"]
        if as_json:
            print_json(found)
        else:
            print_parts(*moves_view(found))
        if not (watch and found):
            return
        time.sleep(WATCH_SECONDS)
