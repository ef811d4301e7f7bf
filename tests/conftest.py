"""What tests of every folder may ask for: free ports, and real edges that end with the module."""

import contextlib
import functools
import gc
from pathlib import Path

import botocore.loaders
import botocore.session
import hypothesis
import pytest

from tests.edge_servers import running_nginx, running_varnish
from tests.free_ports import free_port

HERE = Path(__file__).parent
# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("glassplate", deadline=None)
hypothesis.settings.load_profile("glassplate")
# Each has a cluster that its tests share, and that is up until all tests are done. It never rests:
# its parts ask each other all the time how they are. The one that does most is the very last.
LAST = ("imageworker", "edges", "glassplate", "journey")


def pytest_collection_modifyitems(items):
    """Tests go by folder and file as ever, but those that leave something running come last."""

    def place(item):
        folder = item.path.relative_to(HERE).parts[0]
        return LAST.index(folder) + 1 if folder in LAST else 0

    items.sort(key=place)


@pytest.fixture(name="free_port", scope="session")
def _free_port():
    """Gives a loopback port nobody listens on, a new one with every call."""
    return free_port


@pytest.fixture(name="nginx", scope="module")
def _nginx():
    """Starts nginx edges: nginx(cluster, edge_id, read_keys, **settings) -> RunningEdge."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **settings: stack.enter_context(running_nginx(*args, **settings))


@pytest.fixture(name="varnish", scope="module")
def _varnish():
    """Starts Varnish edges: varnish(cluster, edge_id, read_keys, **settings) -> RunningEdge."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **settings: stack.enter_context(running_varnish(*args, **settings))


@pytest.fixture(scope="module", autouse=True)
def _old_objects_are_not_looked_through_again():
    """Thousands of tests leave much in memory, and a collection of all of it stops the clusters.

    They live in this process: what stands still for a second has missed its time-outs.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _what_s3_is_is_read_once():
    """Every node over a bucket reads 0.1 s of descriptions when it starts; hundreds start here."""
    read = functools.cache(botocore.loaders.create_loader)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", read)
        yield
