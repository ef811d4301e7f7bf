"""What tests of every folder may ask for: free ports, and real edges that end with the module."""

import contextlib
import gc
import os
from pathlib import Path

import pytest

from tests.edge_servers import find_free_port, running_nginx, running_varnish

# Tests run in two processes, and each goes from file to file: what only computes begins first, so
# that it takes no time from servers, and what is long, so that in the end none works on alone.
FIRST = (
    "simulation/test_simulation.py",
    "permission_urls/test_differential_fuzz.py",
    "imageworker/test_fuzz_decoders.py",
    "planted/test_planted_bugs.py",
    "drill",
    "storagenode/test_bucket_store_contract.py",
    "storagenode/test_bucket_faults.py",
)
# How wide a table is, is for each test to say; pytest-xdist tells its processes a width.
os.environ.pop("COLUMNS", None)


def pytest_collection_modifyitems(items):
    """Put these files first, and leave all else in its order."""
    folder = Path(__file__).parent

    def rank(item):
        name = item.path.relative_to(folder).as_posix()
        return next((at for at, first in enumerate(FIRST) if name.startswith(first)), len(FIRST))

    items.sort(key=rank)


@pytest.fixture(name="free_port", scope="session")
def _free_port():
    """Gives a loopback port nobody listens on, a new one with every call."""
    return find_free_port


@pytest.fixture(name="nginx", scope="module")
def _nginx():
    """Starts nginx edges: nginx(cluster, edge_id, read_keys, **choices) -> RunningEdge."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **choices: stack.enter_context(running_nginx(*args, **choices))


@pytest.fixture(name="varnish", scope="module")
def _varnish():
    """Starts Varnish edges: varnish(cluster, edge_id, read_keys, **choices) -> RunningEdge."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **choices: stack.enter_context(running_varnish(*args, **choices))


@pytest.fixture(scope="module", autouse=True)
def _old_objects_are_not_looked_through_again():
    """Thousands of tests leave much in memory, and a collection of all of it stops the clusters.

    They live in this process: what stands still for a second has missed its time-outs.
    """
    yield
    gc.collect()
    gc.freeze()
