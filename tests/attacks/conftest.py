"""A real node with real edges, and a whole cluster without edges, for all attacks."""

import tempfile
from pathlib import Path

import pytest

from tests.edges.read_targets import running_targets
from tests.glassplate.live_cluster import running_cluster


@pytest.fixture(name="targets", scope="session")
def _targets():
    with tempfile.TemporaryDirectory() as folder, running_targets(Path(folder)) as targets:
        yield targets


@pytest.fixture(name="cluster", scope="session")
def _cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("attacked")) as cluster:
        yield cluster
