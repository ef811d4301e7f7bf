"""`glassplate volume open|close`: volumes of the volume map."""

import asyncio
from typing import Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import Failure
from glassplate.cli.map_changes import (
    Edited,
    change_map,
    propose,
    show_change,
)
from glassplate.cli.options.parameter_types import VOLUME_RANGES
from glassplate.cli.options.volume_arguments import apply_option
from glassplate.cli.views.output import json_option
from glassplate.client import Client
from volumes.cluster import NodeId
from volumes.config.map_tables import MapTables
from volumes.map.edits import (
    with_closed_volumes,
    with_open_volumes,
)
from volumes.map.measurements import Measurements
from volumes.photo_path import VolumeId

Ranges = tuple[tuple[int, int], ...]

# A difference of maps is reported when it lasts five seconds.
EDGES_FOLLOW_SECONDS = 6.0
EDGES_FOLLOW_SECONDS_MAX = 60.0


@click.command("open")
@click.argument("ranges", metavar="VOLUMES", type=VOLUME_RANGES)
@click.option("--on", "mirrors", metavar="NODES", default="", help="Mirrors of new volumes.")
@apply_option
@json_option
@click.pass_obj
def open_(
    connection: Connection, ranges: Ranges, *, mirrors: str, is_applied: bool, as_json: bool
) -> None:
    r"""Open new or closed volumes for new photos.

    New volumes are on two nodes each, the ones with the fewest volumes for their share. They take
    photos once every edge knows them; --apply waits for that.

    \b
    Examples:
      glassplate volume open 321-384 --apply
      glassplate volume open 321-384 --on east-3,west-3 --apply
      glassplate volume open 42 --apply
    """
    numbers = numbers_in(ranges)
    nodes = [NodeId(each.strip()) for each in mirrors.split(",") if each.strip()]

    def edit(tables: MapTables, measured: Measurements) -> Edited:
        return Edited(tables=with_open_volumes(tables, measured, numbers, nodes))

    async def run(client: Client) -> dict[str, Any]:
        why = "open volumes"
        document = await propose(connection, client, edit, why=why, is_applied=is_applied)
        if document["applied"]:
            await _wait_for_edges(client)
            opened = await propose(connection, client, edit, why=why, is_applied=True)
            document |= {name: opened[name] for name in ("version", "digest")}
        return document

    show_change(connection.run(run), is_applied=is_applied, as_json=as_json)


@click.command()
@click.argument("ranges", metavar="VOLUMES", type=VOLUME_RANGES)
@apply_option
@json_option
@click.pass_obj
def close(connection: Connection, ranges: Ranges, *, is_applied: bool, as_json: bool) -> None:
    r"""Close volumes for new photos.

    Their photos are served, deleted, and given new sizes as before.

    \b
    Examples:
      glassplate volume close 1-16 --apply
    """

    def edit(tables: MapTables, _: Measurements) -> Edited:
        return Edited(tables=with_closed_volumes(tables, numbers_in(ranges)))

    change_map(connection, edit, why="close volumes", is_applied=is_applied, as_json=as_json)


def numbers_in(ranges: Ranges) -> list[VolumeId]:
    """Return the volumes of ranges."""
    return [VolumeId(each) for first, last in ranges for each in range(first, last + 1)]


async def _wait_for_edges(client: Client) -> None:
    """Return when no edge has another map; it has had the time to be seen.

    Raises:
        Failure: An edge does not follow.
    """
    waited = 0.0
    while True:
        await asyncio.sleep(EDGES_FOLLOW_SECONDS)
        waited += EDGES_FOLLOW_SECONDS
        edges = (await client.status())["edges"]
        behind = [each["id"] for each in edges if "map" in each["disagrees_on"]]
        if not behind:
            return
        if waited > EDGES_FOLLOW_SECONDS_MAX:
            raise Failure(
                f"the new volumes take no photos yet: edges {', '.join(behind)} do not know them; "
                "render their configs, and run the command again"
            )
