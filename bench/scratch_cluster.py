"""A cluster of real processes for a bench: made in an empty folder, gone at the end.

The folder is where temporary files are, so TMPDIR chooses the disk that is measured.
"""

import contextlib
import random
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from glassplate.local_cluster import LocalCluster, PortsTaken
from glassplate.local_plan import PORTS_USED
from glassplate.processes import KeptProcess

# Below what the kernel gives to outgoing connections.
_FIRST_PORT = 12_000
_LAST_PORT = 30_000
_TRIES = 20


@contextlib.asynccontextmanager
async def scratch_cluster() -> AsyncIterator[LocalCluster]:
    """A cluster of which nothing runs yet; what was started is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="glassplate-bench-") as folder:
        cluster = _prepare(Path(folder))
        try:
            yield cluster
        finally:
            await cluster.stop(cluster.processes)


def named(cluster: LocalCluster, *names: str) -> list[KeptProcess]:
    """The processes with these names, in the order in which they start.

    Raises:
        LookupError: The cluster has none of that name, as when a server is not installed.
    """
    found = [process for process in cluster.processes if process.plan.name in names]
    if len(found) < len(names):
        lost = set(names) - {process.plan.name for process in found}
        raise LookupError(f"the cluster has no {', '.join(sorted(lost))}: is it installed?")
    return found


def _prepare(folder: Path) -> LocalCluster:
    for number in range(_TRIES):
        port = random.randrange(_FIRST_PORT, _LAST_PORT, PORTS_USED)
        cluster = LocalCluster.prepare(folder / str(number), port=port)
        with contextlib.suppress(PortsTaken):
            cluster.refuse_taken_ports()
            return cluster
    raise PortsTaken(f"no {PORTS_USED} ports in a row are free")
