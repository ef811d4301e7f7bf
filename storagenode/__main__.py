"""Run one storagenode: `python -m storagenode --config cluster.toml --node east-1`."""

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
from pathlib import Path

from permission_urls import FollowedKeys, KeyRingError
from runtime.extras import needs_packages
from runtime.log_format import add_log_option, configure_logs
from runtime.malloc_tuning import tune_malloc
from storagenode.protocol.errors import BucketUnavailable, NodeError
from storagenode.store import RootRefused
from volumes.cluster import Cluster, Node, NodeId
from volumes.config.cluster_file import load_cluster
from volumes.config.config_reader import InvalidConfig

with needs_packages("storagenode"):
    import uvloop

    from storagenode.app import running_node

UMASK = 0o027
BUCKET_RETRY_SECONDS = 3.0


def main() -> int:
    """Serve until SIGTERM or SIGINT; return exit status 2 if the node cannot start."""
    parser = argparse.ArgumentParser(prog="storagenode", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="path of cluster.toml")
    parser.add_argument("--node", required=True, help="id of the node to run")
    add_log_option(parser)
    arguments = parser.parse_args()
    configure_logs(arguments.log, role="storagenode", id_=arguments.node)
    tune_malloc()
    # The modes of files and folders are the same under every supervisor.
    os.umask(UMASK)
    try:
        cluster = load_cluster(arguments.config)
        node = cluster.nodes.get(NodeId(arguments.node))
        if node is None:
            known = ", ".join(cluster.nodes)
            return _refuse(
                f"unknown node {arguments.node!r} in {arguments.config}; known nodes: {known}"
            )
        uvloop.run(_serve(cluster, node))
    except (InvalidConfig, KeyRingError, RootRefused, NodeError, OSError) as error:
        return _refuse(str(error))
    return 0


def _refuse(reason: str) -> int:
    sys.stderr.write(f"storagenode: {reason}\n")
    return 2


async def _serve(cluster: Cluster, node: Node) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    keys = FollowedKeys(Path(cluster.keys_file))
    loop.add_signal_handler(signal.SIGHUP, keys.check_now)
    while not stopped.is_set():
        try:
            async with running_node(cluster, node, keys):
                # These objects live until the end, so the garbage collector can skip them.
                gc.freeze()
                await stopped.wait()
        except BucketUnavailable as error:
            seconds = f"{BUCKET_RETRY_SECONDS:g} s"
            sys.stderr.write(f"storagenode: {error}; starting again in {seconds}\n")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), BUCKET_RETRY_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
