"""Shared fixtures: free ports, and real edges that stop with the module."""

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
# The duration of an example, and of drawing it, depends on the load of the machine.
hypothesis.settings.register_profile(
    "glassplate",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("glassplate")
# Each of these has a cluster that stays up until all tests are done. Its processes poll each other
# all the time. The busiest one comes last.
LAST = ("imageworker", "edges", "console", "glassplate", "journey")


def pytest_collection_modifyitems(items):
    """Sort tests by directory and file, with the ones that leave a cluster running at the end."""

    def place(item):
        folder = item.path.relative_to(HERE).parts[0]
        return LAST.index(folder) + 1 if folder in LAST else 0

    items.sort(key=place)


@pytest.fixture(name="free_port", scope="session")
def _free_port():
    """Return a new free loopback port per call."""
    return free_port


@pytest.fixture(name="nginx", scope="module")
def _nginx():
    """Start nginx edges: nginx(cluster, edge_id, read_keys, **settings) -> RunningEdge."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **settings: stack.enter_context(running_nginx(*args, **settings))


@pytest.fixture(name="varnish", scope="module")
def _varnish():
    """Start Varnish edges: varnish(cluster, edge_id, read_keys, **settings) -> RunningEdge."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **settings: stack.enter_context(running_varnish(*args, **settings))


@pytest.fixture(name="chromium", scope="session")
def _chromium():
    """Return a browser that runs for the whole session."""
    from tests.browsers.chromium import running_chromium

    with running_chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module", autouse=True)
def _old_objects_are_not_looked_through_again():
    """Freeze old objects, because a full collection would stop the clusters in this process.

    Thousands of tests leave many objects. A pause of a second exceeds the clusters' timeouts.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _what_s3_is_is_read_once():
    """Cache botocore's service descriptions, which every bucket node loads in 0.1 s."""
    read = functools.cache(botocore.loaders.create_loader)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", read)
        yield
