"""Real nodes and edges, with and without TLS, and a whole cluster without edges, for attacks."""

import tempfile
from pathlib import Path

import pytest

from tests.attacks.tls_targets import running_targets_with_tls
from tests.glassplate.live_cluster import running_cluster


@pytest.fixture(name="targets", scope="session")
def _targets():
    with tempfile.TemporaryDirectory() as folder, running_targets_with_tls(Path(folder)) as targets:
        yield targets


@pytest.fixture(name="cluster", scope="session")
def _cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("attacked")) as cluster:
        yield cluster
