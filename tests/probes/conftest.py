"""Fixtures of the probes: the small cluster of `tests.storagemaster`, with edge-like reads."""

import pytest

from tests.probes.probed_cluster import ProbedCluster
from tests.storagemaster.conftest import (
    _cluster_with,
    _despair,
    _impatience,
    _patience,
    _roots,
    _runner,
    _valkey,
    _valkey_server,
    pytest_pyfunc_call,
)

__all__ = [
    "_cluster_with",
    "_despair",
    "_impatience",
    "_patience",
    "_roots",
    "_runner",
    "_valkey",
    "_valkey_server",
    "pytest_pyfunc_call",
]


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with):
    """Return a small cluster without fences, and requests like an edge's."""

    async def start():
        cluster = ProbedCluster(await cluster_with())
        await cluster.run_passes()
        return cluster

    return runner.run(start())
