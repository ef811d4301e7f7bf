"""What the tests of the containers look at: the compose file, and the cluster it runs."""

from pathlib import Path

import pytest
import yaml

from volumes.cluster_file import load_cluster

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(name="root", scope="session")
def _root():
    """The project's folder, which is what images are built from."""
    return ROOT


@pytest.fixture(name="compose", scope="session")
def _compose():
    """compose.yaml, with its anchors resolved."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture(name="services", scope="session")
def _services(compose):
    """The services of compose.yaml, by name."""
    return compose["services"]


@pytest.fixture(name="cluster", scope="session")
def _cluster():
    """The cluster that the containers are."""
    return load_cluster(ROOT / "deploy" / "cluster.toml")
