"""`glassplate node`: disks marked as roots, fences, and single nodes of a local cluster."""

import click

from glassplate.cli.commands import node_changes
from glassplate.cli.connection import Connection
from glassplate.cli.local_control import control_processes
from glassplate.cli.options.confirmation import confirm, yes_option
from glassplate.cli.views.output import json_option, print_json
from storagenode.opening import mark_store
from storagenode.protocol.errors import NodeError
from storagenode.store import RootRefused
from volumes.cluster import NodeId


@click.group()
def node() -> None:
    r"""Prepare, change, stop, and start nodes.

    `init` prepares a disk or a bucket for a node anywhere. `unfence` lets a node of any cluster
    serve photos although it may have missed deletes. `stop` and `start` control a node of the
    cluster that `glassplate up` runs on this machine. The others change the volume map: they show
    a plan, and do it with --apply.

    \b
    Examples:
      glassplate node init east-1
      glassplate node unfence east-1
      glassplate node stop east-1
      glassplate node start east-1
      glassplate node drain east-1
    """


for _command in (
    node_changes.add,
    node_changes.drain,
    node_changes.replace,
    node_changes.remove,
    node_changes.weight,
):
    node.add_command(_command)


@node.command()
@click.argument("name", metavar="NODE")
@click.pass_obj
def init(connection: Connection, name: str) -> None:
    r"""Mark an empty disk or bucket as the root of a node.

    NODE is a node of the config. For a node over S3, the prefix of the bucket is marked. An
    existing marker is not changed. A node never writes to a disk without its own marker, such as
    an unmounted disk or the disk of another node.

    \b
    Example:
      glassplate --cluster /etc/glassplate/cluster.toml node init east-1
    """
    cluster = connection.cluster()
    found = cluster.nodes.get(NodeId(name))
    if found is None:
        known = ", ".join(cluster.nodes)
        raise click.ClickException(f"unknown node {name!r}; known nodes: {known}")
    try:
        marker = mark_store(found)
    except (RootRefused, NodeError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{found.store} is the root of {marker.id}, uuid {marker.uuid}")


@node.command()
@click.argument("name", metavar="NODE")
@json_option
def stop(name: str, *, as_json: bool) -> None:
    r"""Stop one node of a local cluster.

    NODE can be any process that `glassplate colo list` shows.

    \b
    Examples:
      glassplate node stop east-1
      glassplate node stop valkey
    """
    control_processes({"do": "stop", "process": name}, as_json=as_json)


@node.command()
@click.argument("name", metavar="NODE")
@json_option
def start(name: str, *, as_json: bool) -> None:
    r"""Start one node of a local cluster.

    NODE can be any process that `glassplate colo list` shows. If it does not start, the reason is
    printed and the exit status is 1.

    \b
    Examples:
      glassplate node start east-1
      glassplate node init east-1 && glassplate node start east-1
    """
    control_processes({"do": "start", "process": name}, as_json=as_json)


@node.command()
@click.argument("name", metavar="NODE")
@yes_option
@json_option
@click.pass_obj
def unfence(connection: Connection, name: str, *, yes: bool, as_json: bool) -> None:
    r"""Make a node serve photos though it may have missed deletes.

    A node that was down serves nothing until a storagemaster has compared its tombstones with the
    other mirrors. If another mirror never returns, that is impossible. After this command, the node
    serves photos that were deleted without it, until a storagemaster can compare again.

    \b
    Examples:
      glassplate node unfence east-1
      glassplate node unfence east-1 --yes --json
    """
    if not yes:
        confirm(
            f"Serve all photos of {name}?",
            "Photos that were deleted while the node was down can be read again.",
        )
    document = connection.run(lambda client: client.unfence(name))
    if as_json:
        print_json(document)
    else:
        click.echo(f"{name} serves {document['volumes']} more volumes")
