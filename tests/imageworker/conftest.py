"""Shared fixtures of the image worker's tests."""

import itertools
from collections.abc import Iterator

import pytest

from imageworker.recipe import DEFAULT_RECIPE, Recipe
from imageworker.sandbox.child import SizesMaker
from tests.imageworker.queue_cluster import QueueCluster, running_queue_cluster


@pytest.fixture(name="recipe", scope="session")
def _recipe() -> Recipe:
    return DEFAULT_RECIPE


@pytest.fixture(name="maker", scope="session")
def _maker() -> Iterator[SizesMaker]:
    with SizesMaker() as maker:
        yield maker


@pytest.fixture(name="queue_cluster", scope="session")
def _queue_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueCluster]:
    """Run a cluster with a real queue; each test starts the workers that it needs."""
    with running_queue_cluster(tmp_path_factory.mktemp("queue")) as cluster:
        yield cluster


@pytest.fixture(name="seeds", scope="session")
def _seeds() -> Iterator[int]:
    """Return unique numbers, so that no two photos are equal."""
    return itertools.count(1)
