"""`glassplate node`: disks marked as roots of storage nodes."""

import click

from glassplate.cli.connection import Connection
from storagenode.opening import mark_store
from storagenode.protocol.errors import NodeError
from storagenode.store import RootRefused
from volumes.cluster import NodeId


@click.group()
def node() -> None:
    r"""Prepare disks for storage nodes.

    \b
    Example:
      glassplate node init east-1
    """


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
