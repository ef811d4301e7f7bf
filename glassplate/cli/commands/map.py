"""`glassplate map`: the volume map in force, and the next one."""

import sys
from pathlib import Path
from typing import Any

import click

from glassplate.cli.connection import Connection
from glassplate.cli.failures import EXIT_FAILED, WrongUsage
from glassplate.cli.map_changes import (
    MOVES_MAX,
    measurements,
    operator_name,
    plan_document,
    read_map,
    read_tables,
)
from glassplate.cli.views.map_tables import change_lines, log_lines, map_lines
from glassplate.cli.views.output import json_option, print_json, print_parts
from glassplate.client import Client
from volumes.config.cluster_config import parse_cluster
from volumes.map.map_text import render_map, version_of
from volumes.map.plan import WITHIN, plan_moves
from volumes.map.volume_map import map_of


@click.group(name="map")
def map_() -> None:
    r"""Show and change the volume map.

    It has the nodes, edges, ingests, storagemasters, and volumes. The first map is `cluster.toml`.
    Each later one is in force when more than half of the nodes keep it, and every process follows
    it without a restart.

    \b
    Examples:
      glassplate map show > map.toml
      glassplate map diff map.toml
      glassplate map apply map.toml --why "a third mirror for volumes 1-8"
      glassplate map log
    """


@map_.command()
@json_option
@click.pass_obj
def show(connection: Connection, *, as_json: bool) -> None:
    r"""Print the volume map in force, to edit it.

    Nodes that do not follow it yet, and votes for the next map, go to standard error.

    \b
    Examples:
      glassplate map show > map.toml
      glassplate map show --json
    """
    state = connection.run(lambda client: client.volume_map())
    if as_json:
        print_json(state)
        return
    click.echo(state["text"] or _first_text(connection), nl=False)
    for line in map_lines(state):
        click.echo(line, err=True)


@map_.command("log")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Most versions."
)
@json_option
@click.pass_obj
def log_(connection: Connection, *, limit: int, as_json: bool) -> None:
    r"""Show the versions of the volume map, the newest first.

    Each has its time, who made it, why, and what it changed. Nodes keep all versions. The exit
    status is 1 if no node that responds has a version.

    \b
    Examples:
      glassplate map log
      glassplate map log --json | jq '.versions[] | {version, by, why}'
    """
    document = connection.run(lambda client: client.map_log(limit))
    if as_json:
        print_json(document)
    else:
        for line in log_lines(document):
            click.echo(line)
    if not document["is_complete"]:
        sys.exit(EXIT_FAILED)


@map_.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@click.pass_obj
def diff(connection: Connection, file: Path, *, as_json: bool) -> None:
    r"""Show what an edited map changes.

    FILE is an edited copy of what `glassplate map show` prints. Nothing is changed. A map that
    would put photos out of reach is refused, with the reason.

    \b
    Examples:
      glassplate map diff map.toml
      glassplate map diff map.toml --json
    """
    _print_change(_change(connection, file, why="", apply=False), as_json=as_json)


@map_.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--why", required=True, help="Reason, which the map keeps.")
@json_option
@click.pass_obj
def apply(connection: Connection, file: Path, *, why: str, as_json: bool) -> None:
    r"""Put an edited map in force.

    It is in force when more than half of the nodes with a disk keep it. If two maps are applied at
    once, one is refused.

    \b
    Examples:
      glassplate map apply map.toml --why "east-3 replaces east-1"
      glassplate map apply map.toml --why "new edge" --json
    """
    _print_change(_change(connection, file, why=why, apply=True), as_json=as_json)


@map_.command()
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--within",
    type=click.FloatRange(0.1, 100.0),
    default=WITHIN * 100,
    show_default=True,
    help="Tolerance of the balance, in percent of a colo's fill.",
)
@json_option
@click.pass_obj
def plan(connection: Connection, file: Path | None, *, within: float, as_json: bool) -> None:
    r"""Show the moves that drains and a balance need.

    FILE is an edited copy of what `glassplate map show` prints; without it, the map in force
    counts. Nothing is changed. `volume balance` and `node drain` carry such plans out. The exit
    status is 1 if something stands against the plan.

    \b
    Examples:
      glassplate map plan
      glassplate map plan map.toml --json | jq .bytes
    """
    from glassplate.cli.views.move_tables import plan_view

    async def run(client: Client) -> dict[str, Any]:
        _, tables = await read_map(connection, client)
        if file is not None:
            tables = read_tables(file)
        measured = measurements(await client.status())
        made = plan_moves(tables, measured, within=within / 100, moves_max=MOVES_MAX)
        return plan_document(made, tables, measured)

    document = connection.run(run)
    if as_json:
        print_json(document)
    else:
        print_parts(*plan_view(document))
    if document["obstacles"]:
        sys.exit(EXIT_FAILED)


def _change(connection: Connection, file: Path, *, why: str, apply: bool) -> dict[str, Any]:
    state = connection.run(lambda client: client.volume_map())
    try:
        tables = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise WrongUsage(f"{file} is not UTF-8 text: {error}") from error
    change = {
        "tables": tables,
        # A file without a version is a part of cluster.toml.
        "after_version": version_of(tables) or state["version"],
        "why": why,
        "by": operator_name(),
        "apply": apply,
    }
    return connection.run(lambda client: client.volume_map(change))


def _print_change(change: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(change)
    else:
        for line in change_lines(change):
            click.echo(line)


def _first_text(connection: Connection) -> str:
    """Return the map of this machine's `cluster.toml`, with paths as they are written there."""
    text = connection.cluster_path.read_text(encoding="utf-8")
    return render_map(map_of(parse_cluster(text)))
