"""Buckets of a drill cluster, each of an S3 server of its own behind a proxy that injects faults.

One is the third mirror of every volume, or two are the only mirrors. Their nodes are added to the
config of the cluster. Child processes inherit the credentials from the environment until the drill
ends.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from drill.cluster.faulty_s3_proxy import FaultyS3Proxy, running_faulty_s3_proxy
from drill.cluster.seaweedfs import CREDENTIALS, REGION, make_bucket, s3_client, seaweedfs
from drill.cluster.stores import RawBucket
from glassplate.local.cluster import LocalCluster
from glassplate.local.ports import free_port
from glassplate.local.preparation import CONFIG_NAME
from storagenode.opening import mark_store
from volumes.cluster import NodeId

COLD = NodeId("cold-1")
"""The node of a bucket that is the third mirror."""
COLO = "cold"
PAIR = (NodeId("east-bucket"), NodeId("west-bucket"))
"""The nodes of two buckets that are the only mirrors, each in the colo of its name."""
BUCKET = "photos"


@dataclass(frozen=True, slots=True)
class DrillBucket:
    """The bucket of a node, and the proxy in front of it that the node uses."""

    node: NodeId
    store: RawBucket
    proxy: FaultyS3Proxy


@contextlib.contextmanager
def with_bucket(local: LocalCluster) -> Iterator[tuple[LocalCluster, list[DrillBucket]]]:
    """Add a node over a bucket to the cluster until the block exits; it mirrors every volume.

    Raises:
        NoSeaweedFS: SeaweedFS is not installed or does not start.
    """
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_server(local.data / "seaweedfs"))
        yield _with_nodes(local, {COLD: server}, add_bucket, stack)


@contextlib.contextmanager
def with_only_buckets(local: LocalCluster) -> Iterator[tuple[LocalCluster, list[DrillBucket]]]:
    """Move all volumes of a new cluster to two buckets; raise as `with_bucket`."""
    with contextlib.ExitStack() as stack:
        servers = {node: stack.enter_context(_server(local.data / node)) for node in PAIR}
        yield _with_nodes(local, servers, move_to_buckets, stack)


def add_bucket(config: str, nodes: Mapping[NodeId, str]) -> str:
    """Return the config with one more node, over a bucket, that mirrors every volume.

    `nodes` has the endpoint of its S3 server.
    """
    config = re.sub(r"(?m)^(mirrors = \[.*)\]$", rf'\1, "{COLD}"]', config)
    return config + _node(COLD, COLO, nodes[COLD])


def move_to_buckets(config: str, nodes: Mapping[NodeId, str]) -> str:
    """Return the config with nodes over buckets that are the only mirrors of every volume.

    The nodes with disks keep the volume map and the audit log.
    """
    mirrors = ", ".join(f'"{node}"' for node in nodes)
    config = re.sub(r"(?m)^mirrors = \[.*\]$", f"mirrors = [{mirrors}]", config)
    added = (_node(node, node.partition("-")[0], url) for node, url in nodes.items())
    return config + "".join(added)


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[tuple[str, FaultyS3Proxy]]:
    """Run an S3 server with a bucket until the block exits; yield its URL and its proxy."""
    folder.mkdir()
    with seaweedfs(folder) as url:
        make_bucket(url, BUCKET)
        with running_faulty_s3_proxy(url) as proxy:
            yield url, proxy


def _with_nodes(
    local: LocalCluster,
    servers: Mapping[NodeId, tuple[str, FaultyS3Proxy]],
    edit: Callable[[str, Mapping[NodeId, str]], str],
    stack: contextlib.ExitStack,
) -> tuple[LocalCluster, list[DrillBucket]]:
    """Return the cluster with an edited config, and its buckets."""
    stack.enter_context(_environment(CREDENTIALS))
    config = local.data / CONFIG_NAME
    endpoints = {node: proxy.url for node, (_, proxy) in servers.items()}
    config.write_text(edit(config.read_text(), endpoints))
    with_nodes = LocalCluster.prepare(local.data)
    buckets = []
    for id_, (url, proxy) in servers.items():
        node = with_nodes.cluster.nodes[id_]
        mark_store(node)
        assert node.bucket is not None, "its store is a bucket"
        client = stack.enter_context(contextlib.closing(s3_client(url)))
        buckets.append(DrillBucket(id_, RawBucket(client, node.bucket), proxy))
    return with_nodes, buckets


def _node(id_: NodeId, colo: str, endpoint: str) -> str:
    return f"""
[nodes.{id_}]
colo = "{colo}"
read = "127.0.0.1:{free_port()}"
write = "127.0.0.1:{free_port()}"
store = "s3://{BUCKET}/{id_}"
endpoint = "{endpoint}"
region = "{REGION}"
"""


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
