"""`glassplate node`: marking a disk as the root of a storage node."""

from pathlib import Path

import click

from storagenode.opening import mark_store
from storagenode.protocol.errors import NodeError
from storagenode.store import RootRefused
from volumes.cluster import NodeId
from volumes.cluster_file import load_cluster


@click.group()
def node() -> None:
    """Prepare the disks of storage nodes."""


@node.command()
@click.argument("name")
@click.pass_context
def init(context: click.Context, name: str) -> None:
    r"""Mark an empty disk as the root of node NAME of the cluster's config.

    For a node over S3 it is the prefix of the bucket that is marked.

    A node refuses every disk without its marker, so that a disk that is not mounted, or another
    node's, is never written. A root that is marked already stays as it is.

    \b
    Example:
      glassplate --cluster /etc/glassplate/cluster.toml node init east-1
    """
    config: Path = context.obj.cluster_path
    cluster = load_cluster(config)
    found = cluster.nodes.get(NodeId(name))
    if found is None:
        known = ", ".join(cluster.nodes)
        raise click.ClickException(f"there is no node {name} in {config}; there are {known}")
    try:
        marker = mark_store(found)
    except (RootRefused, NodeError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{found.store} is the root of {marker.id}, uuid {marker.uuid}")
