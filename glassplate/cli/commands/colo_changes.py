"""`glassplate colo add|drain`: the machines of a colo in the volume map."""

import click

from glassplate.cli.commands.node_changes import drained
from glassplate.cli.connection import Connection
from glassplate.cli.map_changes import Edited, change_map, wait_option
from glassplate.cli.options.parameter_types import ADDRESS
from glassplate.cli.options.volume_arguments import apply_option
from glassplate.cli.views.output import json_option
from volumes.address import Address
from volumes.cluster import Colo, Edge, Master, Node, NodeId
from volumes.config.map_tables import MapTables
from volumes.map.edits import RefusedEdit, with_colo
from volumes.map.measurements import Measurements
from volumes.map.obstacles import Hindrance

_IMPOSSIBLE = {Hindrance.NO_COLO, Hindrance.NO_SPACE, Hindrance.LAST_MIRROR}
"""Obstacles that no waiting removes."""


@click.command()
@click.argument("name", metavar="COLO")
@click.option(
    "--node",
    "nodes",
    type=(str, ADDRESS, ADDRESS, str),
    metavar="ID READ WRITE STORE",
    multiple=True,
    required=True,
    help="A node: read and write port, and disk. Repeatable.",
)
@click.option(
    "--master",
    "masters",
    type=(str, ADDRESS),
    metavar="ID ADDRESS",
    multiple=True,
    help="A storagemaster. Repeatable.",
)
@click.option(
    "--edge",
    "edges",
    type=(str, click.Choice(["nginx", "varnish"]), ADDRESS, ADDRESS),
    metavar="ID KIND LISTEN PURGE",
    multiple=True,
    help="An edge, nginx or varnish. Repeatable.",
)
@apply_option
@json_option
@click.pass_obj
def add(
    connection: Connection,
    name: str,
    *,
    nodes: tuple[tuple[str, Address, Address, str], ...],
    masters: tuple[tuple[str, Address], ...],
    edges: tuple[tuple[str, str, Address, Address], ...],
    is_applied: bool,
    as_json: bool,
) -> None:
    r"""Add a colo with its nodes to the volume map.

    No volume moves to it: open new volumes on its nodes, or drain another colo. Then run
    `glassplate node init` on the machines of its nodes, and start all: docs/operations.md.

    \b
    Examples:
      glassplate colo add north \
        --node north-1 10.3.0.1:7101 10.3.0.1:7201 /srv/disk1 \
        --node north-2 10.3.0.2:7101 10.3.0.2:7201 /srv/disk1 \
        --master north-m 10.3.0.9:8090 \
        --edge north-nginx nginx 10.3.0.8:80 10.3.0.8:8081 --apply
    """
    colo = Colo(name)

    def edit(tables: MapTables, _: Measurements) -> Edited:
        changed = with_colo(
            tables,
            colo,
            nodes=[
                Node(id=NodeId(id_), colo=colo, read=read, write=write, store=store)
                for id_, read, write, store in nodes
            ],
            masters=[Master(id=id_, colo=colo, address=address) for id_, address in masters],
            edges=[
                Edge(id=id_, colo=colo, kind=kind, listen=listen, purge=purge)
                for id_, kind, listen, purge in edges
            ],
        )
        return Edited(tables=changed)

    change_map(connection, edit, why=f"add colo {name}", is_applied=is_applied, as_json=as_json)


@click.command()
@click.argument("name", metavar="COLO")
@click.option("--undo", is_flag=True, help="Keep the volumes that have not begun to move.")
@apply_option
@wait_option
@json_option
@click.pass_obj
def drain(
    connection: Connection, name: str, *, undo: bool, is_applied: bool, wait: bool, as_json: bool
) -> None:
    r"""Move all volumes of a colo to other colos, of any cluster.

    Each volume stays in as many colos, so that a third colo must have the space: without it,
    nothing is changed. A few volumes move at a time: run it again, or use --wait. When nothing is
    left, remove its nodes.

    \b
    Examples:
      glassplate colo drain west
      glassplate colo drain west --apply --wait
      glassplate colo drain west --undo --apply
    """

    def edit(tables: MapTables, measured: Measurements) -> Edited:
        nodes = [node.id for node in tables.nodes.values() if node.colo == name]
        if not nodes:
            known = ", ".join(sorted({node.colo for node in tables.nodes.values()}))
            raise RefusedEdit(f"unknown colo {name!r}; known colos: {known}")
        edited = drained(tables, measured, nodes, undo=undo)
        found = edited.plan.obstacles if edited.plan else ()
        if reasons := [str(each) for each in found if each.hindrance in _IMPOSSIBLE]:
            raise RefusedEdit(f"colo {name} cannot be drained: {'; '.join(reasons)}")
        return edited

    why = f"{'keep' if undo else 'drain'} colo {name}"
    change_map(connection, edit, why=why, is_applied=is_applied, wait=wait, as_json=as_json)
