"""`glassplate moves`: the volumes that move between nodes."""

import time
from collections.abc import Iterator
from typing import Any

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

    A node that joins a volume is filled first. Then it is a mirror, and the node that leaves stays
    until all mirrors have its files.

    \b
    Examples:
      glassplate moves
      glassplate moves --watch
      glassplate moves --json | jq '.[] | .waits_for'
    """
    from glassplate.cli.views.move_tables import moves_view

    while True:
        status = connection.run(lambda client: client.status())
        found = list(moves_of(status))
        if as_json:
            print_json(found)
        else:
            print_parts(*moves_view(found))
        if not (watch and found):
            return
        time.sleep(WATCH_SECONDS)


def moves_of(status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the moves under way that a status has, with what each waits for."""
    down = {each["id"] for each in status["nodes"] if not each["up"]}
    for volume in status["volumes"]:
        joining, leaving = volume["joining"], volume["leaving"]
        if not (joining or leaving):
            continue
        stored = {each["node"]: each["bytes"] for each in volume["mirror_contents"]}
        missing = [node for node in (*volume["mirrors"], *joining) if node in down]
        copied = min((stored.get(node, 0) for node in joining), default=volume["bytes"] or 0)
        if missing:
            waits_for = f"{', '.join(missing)}, down"
        elif joining:
            waits_for = "copies" if copied < (volume["bytes"] or 0) else "proof of equal files"
        else:
            waits_for = "proof of equal files"
        yield {
            "volume": volume["number"],
            "state": "joining" if joining else "leaving",
            "joining": joining,
            "leaving": leaving,
            "bytes": volume["bytes"],
            "copied_bytes": copied,
            "waits_for": waits_for,
        }
