"""Probes run on the small cluster of the storagemaster's tests, and read as edges do."""

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
    """A small cluster whose nodes have caught up, and a way to read from it."""

    async def start():
        cluster = ProbedCluster(await cluster_with())
        await cluster.catch_up()
        return cluster

    return runner.run(start())
