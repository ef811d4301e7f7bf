"""`glassplate volume open|close|move|balance|cancel`: volumes of the volume map."""

import asyncio
from typing import Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import Failure
from glassplate.cli.map_changes import (
    MOVES_MAX,
    Edited,
    begun,
    change_map,
    propose,
    show_change,
    wait_option,
)
from glassplate.cli.options.parameter_types import VOLUME, VOLUME_RANGES
from glassplate.cli.options.volume_arguments import apply_option
from glassplate.cli.views.output import json_option
from glassplate.client import Client
from volumes.cluster import NodeId
from volumes.config.map_tables import MapTables
from volumes.map.edits import (
    RefusedEdit,
    known_volume,
    require_target,
    with_closed_volumes,
    with_open_volumes,
    without_moves,
)
from volumes.map.measurements import Measurements
from volumes.map.plan import WITHIN, plan_move, plan_moves
from volumes.photo_path import VolumeId

Ranges = tuple[tuple[int, int], ...]

OPEN_PAUSE_SECONDS = 1.0
OPEN_SECONDS_MAX = 60.0


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

    New volumes are on two nodes each, the ones with the fewest volumes for their share. They open
    by themselves once every edge knows them; --apply waits for that.

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
        if is_applied:
            await _wait_until_open(client, numbers)
            state = await client.volume_map()
            document |= {name: state[name] for name in ("version", "digest")}
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


@click.command()
@click.argument("number", metavar="VOLUME", type=VOLUME)
@click.option("--from", "source", metavar="NODE", required=True, help="Mirror that leaves.")
@click.option("--to", "target", metavar="NODE", required=True, help="Node that joins.")
@apply_option
@wait_option
@json_option
@click.pass_obj
def move(
    connection: Connection,
    number: int,
    *,
    source: str,
    target: str,
    is_applied: bool,
    wait: bool,
    as_json: bool,
) -> None:
    r"""Move a volume from one node to another.

    The target is filled, becomes a mirror, and only then the source leaves. Photos are served and
    uploaded meanwhile. URLs do not change.

    \b
    Examples:
      glassplate volume move 42 --from east-1 --to east-3
      glassplate volume move 42 --from east-1 --to east-3 --apply --wait
    """

    def edit(tables: MapTables, measured: Measurements) -> Edited:
        volume = known_volume(tables, VolumeId(number))
        if target in volume.mirrors_after and source not in volume.mirrors_after:
            return begun(tables, plan_moves(tables, measured, within=None, moves_max=0))
        if source not in volume.mirrors:
            mirrors = ", ".join(volume.mirrors)
            raise RefusedEdit(f"{source} is not a mirror of volume {number}; mirrors: {mirrors}")
        require_target(tables, volume, NodeId(target))
        plan = plan_move(tables, measured, volume.number, NodeId(source), NodeId(target))
        return begun(tables, plan)

    why = f"move volume {number} from {source} to {target}"
    change_map(connection, edit, why=why, is_applied=is_applied, wait=wait, as_json=as_json)


@click.command()
@click.option(
    "--within",
    type=click.FloatRange(0.1, 100.0),
    default=WITHIN * 100,
    show_default=True,
    help="Tolerance, in percent of a colo's fill.",
)
@apply_option
@wait_option
@json_option
@click.pass_obj
def balance(
    connection: Connection, *, within: float, is_applied: bool, wait: bool, as_json: bool
) -> None:
    r"""Give each node its share of the bytes of its colo.

    The share is the size of its disk, times its weight. As few bytes as possible move, a few
    volumes at a time: run it again, or use --wait.

    \b
    Examples:
      glassplate volume balance
      glassplate volume balance --within 10 --apply --wait
    """

    def edit(tables: MapTables, measured: Measurements) -> Edited:
        plan = plan_moves(tables, measured, within=within / 100, moves_max=MOVES_MAX)
        return begun(tables, plan)

    change_map(connection, edit, why="balance", is_applied=is_applied, wait=wait, as_json=as_json)


@click.command()
@click.argument("ranges", metavar="VOLUMES", type=VOLUME_RANGES)
@apply_option
@json_option
@click.pass_obj
def cancel(connection: Connection, ranges: Ranges, *, is_applied: bool, as_json: bool) -> None:
    r"""Cancel the moves of volumes: their present mirrors stay.

    \b
    Examples:
      glassplate volume cancel 42 --apply
    """

    def edit(tables: MapTables, _: Measurements) -> Edited:
        return Edited(tables=without_moves(tables, numbers_in(ranges)))

    change_map(connection, edit, why="cancel moves", is_applied=is_applied, as_json=as_json)


def numbers_in(ranges: Ranges) -> list[VolumeId]:
    """Return the volumes of ranges."""
    return [VolumeId(each) for first, last in ranges for each in range(first, last + 1)]


async def _wait_until_open(client: Client, numbers: list[VolumeId]) -> None:
    """Return when all volumes are open: new ones are when every edge knows them.

    Raises:
        Failure: An edge does not follow.
    """
    waited = 0.0
    while True:
        status = await client.status()
        new = {each["number"] for each in status["volumes"] if each["state"] == "new"}
        if not new.intersection(numbers):
            return
        if waited >= OPEN_SECONDS_MAX:
            behind = [each["id"] for each in status["edges"] if "map" in each["disagrees_on"]]
            raise Failure(
                f"the new volumes take no photos yet: edges {', '.join(behind)} do not know them; "
                "render their configs, and the volumes open by themselves"
            )
        await asyncio.sleep(OPEN_PAUSE_SECONDS)
        waited += OPEN_PAUSE_SECONDS
