"""`glassplate node add|drain|weight|replace|remove`: nodes of the volume map."""

import click

from glassplate.cli.connection import Connection
from glassplate.cli.map_changes import MOVES_MAX, Edited, begun, change_map, wait_option
from glassplate.cli.options.parameter_types import ADDRESS
from glassplate.cli.options.volume_arguments import apply_option
from glassplate.cli.views.output import json_option
from volumes.address import Address
from volumes.cluster import Colo, Node, NodeId, NodeState
from volumes.config.map_tables import WEIGHT_MAX, WEIGHT_MIN, MapTables
from volumes.map.edits import RefusedEdit, known_node, with_changed_nodes, with_node, without_node
from volumes.map.measurements import Measurements
from volumes.map.moves import with_moves
from volumes.map.plan import plan_moves

WEIGHT = click.FloatRange(WEIGHT_MIN, WEIGHT_MAX)


@click.command()
@click.argument("id_", metavar="NODE")
@click.option("--colo", required=True, help="Its colo, a known or a new one.")
@click.option("--read", type=ADDRESS, required=True, help="Address of its read port.")
@click.option("--write", type=ADDRESS, required=True, help="Address of its write port.")
@click.option("--store", required=True, help="Directory of its disk, or s3://BUCKET/PREFIX.")
@click.option("--weight", type=WEIGHT, default=1.0, show_default=True, help="As `node weight`.")
@apply_option
@json_option
@click.pass_obj
def add(
    connection: Connection,
    id_: str,
    *,
    colo: str,
    read: Address,
    write: Address,
    store: str,
    weight: float,
    is_applied: bool,
    as_json: bool,
) -> None:
    r"""Add a node to the volume map.

    No volume moves to it before `glassplate volume balance`, and no photo before it is a mirror.
    Then run `glassplate node init` on its machine, and start it: docs/operations.md.

    \b
    Examples:
      glassplate node add east-3 --colo east --store /srv/disk1 \
        --read 10.1.0.3:7101 --write 10.1.0.3:7201 --apply
    """

    def edit(tables: MapTables, _: Measurements) -> Edited:
        node = Node(
            id=NodeId(id_), colo=Colo(colo), read=read, write=write, store=store, weight=weight
        )
        return Edited(tables=with_node(tables, node))

    change_map(connection, edit, why=f"add node {id_}", is_applied=is_applied, as_json=as_json)


@click.command()
@click.argument("id_", metavar="NODE")
@click.argument("value", metavar="WEIGHT", type=WEIGHT)
@apply_option
@json_option
@click.pass_obj
def weight(
    connection: Connection, id_: str, value: float, *, is_applied: bool, as_json: bool
) -> None:
    r"""Change the share of volumes and photos of a node.

    The weight is a factor of the size of its disk: at 0.5, it gets half as many volumes and new
    photos. No volume moves before `glassplate volume balance`.

    \b
    Examples:
      glassplate node weight east-3 0.5 --apply
    """

    def edit(tables: MapTables, _: Measurements) -> Edited:
        return Edited(tables=with_changed_nodes(tables, [NodeId(id_)], weight=value))

    why = f"weight of node {id_}"
    change_map(connection, edit, why=why, is_applied=is_applied, as_json=as_json)


@click.command()
@click.argument("id_", metavar="NODE")
@click.option("--undo", is_flag=True, help="Keep the volumes that have not begun to move.")
@apply_option
@wait_option
@json_option
@click.pass_obj
def drain(
    connection: Connection, id_: str, *, undo: bool, is_applied: bool, wait: bool, as_json: bool
) -> None:
    r"""Move all volumes of a node to other nodes.

    A few move at a time: run it again, or use --wait. Photos are served and uploaded meanwhile, and
    none has fewer copies. When nothing is left, remove the node.

    \b
    Examples:
      glassplate node drain east-1
      glassplate node drain east-1 --apply --wait
      glassplate node remove east-1 --apply
    """
    change_map(
        connection,
        lambda tables, measured: drained(tables, measured, [NodeId(id_)], undo=undo),
        why=f"{'keep' if undo else 'drain'} node {id_}",
        is_applied=is_applied,
        wait=wait,
        as_json=as_json,
    )


def drained(
    tables: MapTables, measured: Measurements, ids: list[NodeId], *, undo: bool = False
) -> Edited:
    """Return the tables with nodes that drain, and their first moves begun."""
    state = NodeState.OPEN if undo else NodeState.DRAINING
    changed = with_changed_nodes(tables, ids, state=state)
    return begun(changed, plan_moves(changed, measured, within=None, moves_max=MOVES_MAX))


@click.command()
@click.argument("old", metavar="NODE")
@click.argument("new", metavar="NEW")
@apply_option
@json_option
@click.pass_obj
def replace(connection: Connection, old: str, new: str, *, is_applied: bool, as_json: bool) -> None:
    r"""Give all volumes of a lost disk to another node.

    NEW must be in the map: `glassplate node add`. It is filled from the other mirrors, and OLD is
    removed. Nothing is removed while a volume has no other mirror.

    \b
    Examples:
      glassplate node replace east-1 east-3
      glassplate node replace east-1 east-3 --apply
    """

    def edit(tables: MapTables, measured: Measurements) -> Edited:
        known_node(tables, NodeId(new))
        return _without_disk(tables, measured, NodeId(old), {NodeId(old): NodeId(new)})

    why = f"node {new} replaces {old}"
    change_map(connection, edit, why=why, is_applied=is_applied, as_json=as_json)


@click.command()
@click.argument("id_", metavar="NODE")
@click.option("--dead", is_flag=True, help="Its disk is lost: give its volumes to other nodes.")
@apply_option
@json_option
@click.pass_obj
def remove(
    connection: Connection, id_: str, *, dead: bool, is_applied: bool, as_json: bool
) -> None:
    r"""Remove a node from the volume map.

    Its id is never used again. A node that holds volumes is drained first. With --dead, its volumes
    are filled on other nodes of its colo from their other mirrors.

    \b
    Examples:
      glassplate node remove east-1 --apply
      glassplate node remove east-1 --dead --apply
    """

    def edit(tables: MapTables, measured: Measurements) -> Edited:
        if dead:
            return _without_disk(tables, measured, NodeId(id_), {})
        return Edited(tables=without_node(tables, NodeId(id_)))

    why = f"remove node {id_}"
    change_map(connection, edit, why=why, is_applied=is_applied, as_json=as_json)


def _without_disk(
    tables: MapTables, measured: Measurements, dead: NodeId, onto: dict[NodeId, NodeId]
) -> Edited:
    """Return the tables with the volumes of a dead node on others; without it, if all have one.

    Raises:
        RefusedEdit: The node is unknown, or responds.
    """
    known_node(tables, dead)
    if dead in measured.space_of:
        raise RefusedEdit(
            f"node {dead} responds: stop it, or run `glassplate node drain {dead} --apply`"
        )
    plan = plan_moves(tables, measured, within=None, moves_max=MOVES_MAX, dead=(dead,), onto=onto)
    changed = with_moves(tables, plan.first)
    if not any(dead in volume.homes for volume in changed.volumes.values()):
        changed = without_node(changed, dead)
    return Edited(tables=changed, plan=plan)
