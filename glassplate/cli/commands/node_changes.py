"""`glassplate node add|weight|remove`: nodes of the volume map."""

import click

from glassplate.cli.connection import Connection
from glassplate.cli.map_changes import Edited, change_map
from glassplate.cli.options.parameter_types import ADDRESS
from glassplate.cli.options.volume_arguments import apply_option
from glassplate.cli.views.output import json_option
from volumes.address import Address
from volumes.cluster import Colo, Node, NodeId
from volumes.config.map_tables import WEIGHT_MAX, WEIGHT_MIN, MapTables
from volumes.map.edits import with_changed_nodes, with_node, without_node
from volumes.map.measurements import Measurements

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

    It gets photos when it is a mirror of a volume: `glassplate volume open`. Then run
    `glassplate node init` on its machine, and start it: docs/operations.md.

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

    The weight is a factor of the size of its disk: at 0.5, it gets half as many new volumes and new
    photos.

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
@apply_option
@json_option
@click.pass_obj
def remove(connection: Connection, id_: str, *, is_applied: bool, as_json: bool) -> None:
    r"""Remove a node from the volume map.

    Its id is never used again. A node that holds volumes is refused.

    \b
    Examples:
      glassplate node remove east-1 --apply
    """

    def edit(tables: MapTables, _: Measurements) -> Edited:
        return Edited(tables=without_node(tables, NodeId(id_)))

    why = f"remove node {id_}"
    change_map(connection, edit, why=why, is_applied=is_applied, as_json=as_json)
