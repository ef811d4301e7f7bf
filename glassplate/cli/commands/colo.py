"""`glassplate colo`: stop and start the processes of one colo of a local cluster."""

import click

from glassplate.cli.commands.node_changes import drained
from glassplate.cli.connection import Connection
from glassplate.cli.local_control import control_processes
from glassplate.cli.map_changes import Edited, change_map, wait_option
from glassplate.cli.options.volume_arguments import apply_option
from glassplate.cli.views.output import json_option
from volumes.config.map_tables import MapTables
from volumes.map.edits import RefusedEdit
from volumes.map.measurements import Measurements


@click.group()
def colo() -> None:
    r"""Stop, start, and drain colos.

    To stop and start one, the cluster must be running with `glassplate up`. `glassplate node`
    stops and starts a single node.

    \b
    Examples:
      glassplate colo stop east
      glassplate colo start east
      glassplate colo list
    """


@colo.command()
@click.argument("name", metavar="COLO")
@json_option
def stop(name: str, *, as_json: bool) -> None:
    r"""Stop every process of a colo.

    \b
    Example:
      glassplate colo stop east
    """
    control_processes({"do": "stop", "colo": name}, as_json=as_json)


@colo.command()
@click.argument("name", metavar="COLO")
@json_option
def start(name: str, *, as_json: bool) -> None:
    r"""Start every process of a colo.

    A process that does not start stops no other. The exit status is then 1.

    \b
    Example:
      glassplate colo start east
    """
    control_processes({"do": "start", "colo": name}, as_json=as_json)


@colo.command()
@click.argument("name", metavar="COLO")
@apply_option
@wait_option
@json_option
@click.pass_obj
def drain(
    connection: Connection, name: str, *, is_applied: bool, wait: bool, as_json: bool
) -> None:
    r"""Move all volumes of a colo to other colos, of any cluster.

    Each volume stays in as many colos, so that a third colo must have the space.

    \b
    Examples:
      glassplate colo drain west
      glassplate colo drain west --apply --wait
    """

    def edit(tables: MapTables, measured: Measurements) -> Edited:
        nodes = [node.id for node in tables.nodes.values() if node.colo == name]
        if not nodes:
            known = ", ".join(sorted({node.colo for node in tables.nodes.values()}))
            raise RefusedEdit(f"unknown colo {name!r}; known colos: {known}")
        return drained(tables, measured, nodes)

    why = f"drain colo {name}"
    change_map(connection, edit, why=why, is_applied=is_applied, wait=wait, as_json=as_json)


@colo.command("list")
@json_option
def list_processes(*, as_json: bool) -> None:
    r"""List all processes with their colos and process ids.

    \b
    Examples:
      glassplate colo list
      glassplate colo list --json | jq '.[] | select(.pid == null).name'
    """
    control_processes({"do": "list"}, as_json=as_json)
