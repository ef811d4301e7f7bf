"""A bucket as third mirror of every volume, behind a proxy that injects faults.

The bucket's node is added to the config of the drill cluster. Child processes inherit its
credentials from the environment until the drill ends.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from drill.cluster.faulty_s3_proxy import FaultyS3Proxy, running_faulty_s3_proxy
from drill.cluster.seaweedfs import CREDENTIALS, REGION, make_bucket, s3_client, seaweedfs
from drill.cluster.stores import RawBucket
from glassplate.local.cluster import LocalCluster
from glassplate.local.ports import free_port
from glassplate.local.preparation import CONFIG_NAME
from storagenode.opening import mark_store
from volumes.cluster import NodeId

COLD = NodeId("cold-1")
COLO = "cold"
BUCKET = "photos"


@dataclass(frozen=True, slots=True)
class DrillBucket:
    """The bucket itself, and the proxy in front of it that the node uses."""

    store: RawBucket
    proxy: FaultyS3Proxy


@contextlib.contextmanager
def with_bucket(local: LocalCluster) -> Iterator[tuple[LocalCluster, DrillBucket]]:
    """Add a node over a bucket to the cluster until the block exits.

    Raises:
        NoSeaweedFS: SeaweedFS is not installed or does not start.
    """
    folder = local.data / "seaweedfs"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_environment(CREDENTIALS))
        url = stack.enter_context(seaweedfs(folder))
        make_bucket(url, BUCKET)
        proxy = stack.enter_context(running_faulty_s3_proxy(url))
        config = local.data / CONFIG_NAME
        config.write_text(add_bucket(config.read_text(), proxy.url, (free_port(), free_port())))
        with_node = LocalCluster.prepare(local.data)
        mark_store(with_node.cluster.nodes[COLD])
        location = with_node.cluster.nodes[COLD].bucket
        assert location is not None, "its store is a bucket"
        client = stack.enter_context(contextlib.closing(s3_client(url)))
        yield with_node, DrillBucket(RawBucket(client, location), proxy)


def add_bucket(config: str, endpoint: str, ports: tuple[int, int]) -> str:
    """Return the config with one more node, over a bucket, that mirrors every volume."""
    config = re.sub(r"(?m)^(mirrors = \[.*)\]$", rf'\1, "{COLD}"]', config)
    read, write = ports
    return f"""{config}
[nodes.{COLD}]
colo = "{COLO}"
read = "127.0.0.1:{read}"
write = "127.0.0.1:{write}"
store = "s3://{BUCKET}/{COLD}"
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
