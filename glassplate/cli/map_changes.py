"""Changes of the volume map by commands: read it, edit it, show the plan, put it in force."""

import asyncio
import getpass
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED, Failure
from glassplate.cli.options.volume_arguments import NOT_APPLIED
from glassplate.cli.views.map_tables import changed_lines
from glassplate.cli.views.output import print_json, print_parts
from glassplate.client import Client
from glassplate.errors import Refused
from runtime.quantities import quantity
from volumes.cluster import NodeId, Volume
from volumes.config.cluster_config import parse_cluster
from volumes.config.config_reader import InvalidConfig
from volumes.config.map_tables import MapTables
from volumes.map.edits import RefusedEdit
from volumes.map.map_text import parse_tables, render_map
from volumes.map.measurements import Measurements, NodeSpace
from volumes.map.moves import with_moves
from volumes.map.plan import Plan
from volumes.map.volume_map import VolumeMap, tables_of
from volumes.photo_path import VolumeId

MOVES_MAX = 100
"""Moves under way at once in a cluster."""
WAIT_SECONDS = 5.0

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The next tables of a map, and the plan of moves that they begin."""

    tables: MapTables
    plan: Plan | None = None


Edit = Callable[[MapTables, Measurements], Edited]


def begun(tables: MapTables, plan: Plan) -> Edited:
    """Return the tables with the first moves of a plan begun."""
    return Edited(tables=with_moves(tables, plan.first), plan=plan)


wait_option = click.option(
    "--wait", is_flag=True, help="With --apply: return when all moves have ended."
)


def change_map(
    connection: Connection,
    edit: Edit,
    *,
    why: str,
    is_applied: bool,
    as_json: bool,
    wait: bool = False,
) -> None:
    """Show what an edit of the map changes and, if applied, put it in force.

    Exit with status 1 if the plan has an obstacle.
    """

    async def run(client: Client) -> Document:
        document = await propose(connection, client, edit, why=why, is_applied=is_applied)
        if wait and is_applied:
            ended = await carry_out(connection, client, edit, why=why)
            document |= {key: ended[key] for key in ("plan", "version", "digest")}
        return document

    document = connection.run(run)
    show_change(document, is_applied=is_applied, as_json=as_json, has_waited=wait)


def show_change(
    document: Document, *, is_applied: bool, as_json: bool, has_waited: bool = False
) -> None:
    """Print a change and its plan; exit with status 1 if the plan has an obstacle.

    A command that has waited has the plan of what is left, which is nothing or obstacles.
    """
    from glassplate.cli.views.move_tables import plan_view

    if as_json:
        print_json(document)
    else:
        for line in changed_lines(document):
            click.echo(line)
        if has_waited and document["applied"] and not document["plan"]["obstacles"]:
            click.echo("All moves have ended.")
        elif "plan" in document:
            print_parts(*plan_view(document["plan"]))
        if document["applied"]:
            click.echo(f"Map {document['version']} ({document['digest']}) is in force.")
        elif not document["changes"]:
            click.echo("Nothing to change.")
        elif not is_applied:
            click.echo(NOT_APPLIED, err=True)
    if document.get("plan", {}).get("obstacles"):
        sys.exit(EXIT_FAILED)


async def propose(
    connection: Connection, client: Client, edit: Edit, *, why: str, is_applied: bool
) -> Document:
    """Return the change that an edit makes; put it in force if it is applied."""
    state, tables = await read_map(connection, client)
    measured = measurements(await client.status())
    try:
        edited = edit(tables, measured)
    except RefusedEdit as error:
        raise Failure(str(error)) from error
    next_map = VolumeMap(version=state["version"], after="", why=why, tables=edited.tables)
    document = await client.volume_map(
        {
            "tables": render_map(next_map),
            "after_version": state["version"],
            "why": why,
            "by": operator_name(),
            "apply": is_applied,
        }
    )
    if edited.plan is not None:
        document["plan"] = plan_document(edited.plan, tables, measured)
    document["moving"] = len(moving_volumes(edited.tables))
    return document


async def carry_out(connection: Connection, client: Client, edit: Edit, *, why: str) -> Document:
    """Put the moves of a plan in force, a few at a time, until all have ended.

    It waits for volumes that cannot move yet, such as those whose mirrors are being repaired.
    """
    while True:
        try:
            document = await propose(connection, client, edit, why=why, is_applied=True)
        except Refused as error:
            # A storagemaster advances a move at the same time.
            if error.problem is None or error.problem.status != HTTPStatus.PRECONDITION_FAILED:
                raise
        else:
            plan, moving = document["plan"], document["moving"]
            left, passing = len(plan["moves"]), plan["passing"]
            if not left and not moving and not passing:
                return document
            click.echo(f"{quantity(left, 'move')} left, {moving} under way", err=True)
            for obstacle in passing if not left and not moving else ():
                click.echo(obstacle, err=True)
        await asyncio.sleep(WAIT_SECONDS)


def operator_name() -> str:
    """Return the name of the person at this terminal, for the log of the map."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return ""


def moving_volumes(tables: MapTables) -> list[Volume]:
    """Return the volumes with moves under way."""
    return [each for each in tables.volumes.values() if each.joining or each.leaving]


async def read_map(connection: Connection, client: Client) -> tuple[Document, MapTables]:
    """Return the state of the map, and its tables."""
    state = await client.volume_map()
    try:
        if state["text"] is not None:
            return state, parse_tables(state["text"])
        # Paths as they are written there.
        text = await asyncio.to_thread(connection.cluster_path.read_text, encoding="utf-8")
        return state, tables_of(parse_cluster(text))
    except (InvalidConfig, OSError) as error:
        raise Failure(str(error)) from error


def read_tables(file: Path) -> MapTables:
    """Return the tables of an edited map."""
    try:
        return parse_tables(file.read_text(encoding="utf-8"))
    except (InvalidConfig, OSError, UnicodeError) as error:
        raise Failure(str(error)) from error


def measurements(status: Document) -> Measurements:
    """Return the facts for plans that a status has."""
    volumes = status["volumes"]
    return Measurements(
        bytes_of={
            VolumeId(each["number"]): each["bytes"]
            for each in volumes
            if each["mirrors_equal"] is not None
        },
        space_of={
            NodeId(each["id"]): NodeSpace(
                total_bytes=each["total_bytes"],
                free_bytes=each["free_bytes"],
                reserve_bytes=each["reserve_bytes"],
            )
            for each in status["nodes"]
            if each["up"] and each["total_bytes"] is not None
        },
        unequal={
            VolumeId(each["number"])
            for each in volumes
            if each["mirrors_equal"] is False and not each["cold_nodes"]
        },
        cold_nodes={VolumeId(each["number"]): each["cold_nodes"] for each in volumes},
    )


def plan_document(plan: Plan, tables: MapTables, measured: Measurements) -> Document:
    """Return a plan as JSON."""
    after = with_moves(tables, plan.moves)
    return {
        "moves": [
            {
                "volume": move.volume,
                "source": move.source,
                "target": move.target,
                "bytes": move.bytes,
            }
            for move in plan.moves
        ],
        "first": len(plan.first),
        "bytes": plan.bytes,
        "nodes": [
            {
                "id": node,
                "bytes_before": _stored_bytes(tables, measured, node),
                "bytes_after": _stored_bytes(after, measured, node),
            }
            for node in tables.nodes
        ],
        "obstacles": [str(obstacle) for obstacle in plan.obstacles],
        "passing": [str(each) for each in plan.obstacles if each.hindrance.passes],
    }


def _stored_bytes(tables: MapTables, measured: Measurements, node: NodeId) -> int:
    return sum(
        measured.bytes_of.get(number, 0)
        for number, volume in tables.volumes.items()
        if node in volume.mirrors_after
    )
