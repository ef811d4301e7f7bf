"""A cluster of real processes for a bench: made in an empty folder, gone at the end.

The folder is where temporary files are, so TMPDIR chooses the disk that is measured.
"""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from glassplate.local.cluster import LocalCluster, prepare_on_free_ports
from glassplate.local.processes import SupervisedProcess


@contextlib.asynccontextmanager
async def scratch_cluster() -> AsyncIterator[LocalCluster]:
    """A cluster of which nothing runs yet; what was started is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="glassplate-bench-") as folder:
        cluster = prepare_on_free_ports(Path(folder))
        try:
            yield cluster
        finally:
            await cluster.stop(cluster.processes)


def named(cluster: LocalCluster, *names: str) -> list[SupervisedProcess]:
    """The processes with these names, in the order in which they start.

    Raises:
        LookupError: The cluster has none of that name, as when a server is not installed.
    """
    found = [process for process in cluster.processes if process.plan.name in names]
    if len(found) < len(names):
        lost = set(names) - {process.plan.name for process in found}
        raise LookupError(f"the cluster has no {', '.join(sorted(lost))}: is it installed?")
    return found
