"""Cluster of real processes for a benchmark, in a temporary directory.

TMPDIR selects the disk of the measurement. The directories are deleted when the process ends: for
some minutes after a delete, ext4 looks past each inode that was freed before it creates a file.
"""

import atexit
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from glassplate.local.cluster import LocalCluster, prepare_on_free_ports
from glassplate.local.processes import SupervisedProcess
from volumes.cluster import Cluster
from volumes.config.cluster_file import load_cluster
from volumes.photo_path import VolumeId

_directories = contextlib.ExitStack()
atexit.register(_directories.close)


@contextlib.asynccontextmanager
async def scratch_cluster() -> AsyncIterator[LocalCluster]:
    """Prepare a cluster without starting it; stop its processes when the block exits."""
    folder = tempfile.TemporaryDirectory(prefix="glassplate-bench-")
    cluster = prepare_on_free_ports(Path(_directories.enter_context(folder)))
    try:
        yield cluster
    finally:
        await cluster.stop(cluster.processes)


def named(cluster: LocalCluster, *names: str) -> list[SupervisedProcess]:
    """Return the processes with these names, in their order of start.

    Raises:
        LookupError: The cluster has no process of a name, for example without an installed server.
    """
    found = [process for process in cluster.processes if process.plan.name in names]
    if len(found) < len(names):
        lost = set(names) - {process.plan.name for process in found}
        raise LookupError(f"the cluster has no {', '.join(sorted(lost))}: install it")
    return found


def add_volumes(cluster: LocalCluster, volumes: int) -> Cluster:
    """Add volumes to the config of a cluster that was not started yet; return its new config."""
    config = cluster.config_path.read_text()
    first = len(cluster.cluster.volumes) + 1
    mirrors = ", ".join(f'"{node}"' for node in cluster.cluster.volumes[VolumeId(1)].mirrors)
    cluster.config_path.write_text(
        f'{config}\n[[volumes]]\nnumbers = "{first}-{volumes}"\nmirrors = [{mirrors}]\n'
    )
    return load_cluster(cluster.config_path)
