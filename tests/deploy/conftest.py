"""Shared fixtures of the container tests: the compose file and its cluster."""

from pathlib import Path

import pytest
import yaml

from volumes.config.cluster_file import load_cluster

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(name="root", scope="session")
def _root():
    """Root directory of the project, the build context of the images."""
    return ROOT


@pytest.fixture(name="compose", scope="session")
def _compose():
    """compose.yaml with resolved anchors."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture(name="services", scope="session")
def _services(compose):
    """Services of compose.yaml, by name."""
    return compose["services"]


@pytest.fixture(name="cluster", scope="session")
def _cluster():
    """Cluster of the containers."""
    return load_cluster(ROOT / "deploy" / "cluster.toml")
