"""An edge that can have missed a purge drops its cache, even if all hints are lost."""

import pytest

from storagemaster.caches import purge_sessions, purging
from storagemaster.caches.purge_sessions import CLEAN, PurgeSessions
from storagemaster.caches.purging import EdgePurger

PATHS = ["1/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg"]
OTHER_PATHS = ["1/k7/01jd3x8m2c9qp4k7_3fz8qd_m.jpg"]


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """Return a long timeout, because a busy machine is slow."""
    for module in (purging, purge_sessions):
        monkeypatch.setattr(module, "RESPONSE_SECONDS", 10.0)
    monkeypatch.setattr(purge_sessions, "END_SECONDS_MAX", 10.0)


class Process:
    """One process of a storagemaster: its purges and its sessions."""

    def __init__(self, edges, session, boot):
        configs = {edge.config.id: edge.config for edge in edges}
        self.purging = EdgePurger(configs, session)
        self.sessions = PurgeSessions(configs, session, self.purging, master="m1", boot=boot)


@pytest.fixture(name="start")
def _start(edges, session):
    """Return a function that starts the next process, and settles once."""
    boots = iter("abcdef")

    async def start():
        process = Process(edges, session, next(boots))
        await process.sessions.settle()
        return process

    return start


def drops_of(edges):
    """Return how often each edge has dropped its cache."""
    return [edge.drops for edge in edges]


async def test_an_edge_without_a_mark_drops_its_cache_once(edges, start):
    """No process knows what it has missed."""
    process = await start()
    await process.sessions.settle()
    assert drops_of(edges) == [1, 1]
    assert [edge.marks for edge in edges] == [{"m1": "a"}] * 2


async def test_an_edge_keeps_its_cache_when_a_storagemaster_restarts_in_order(edges, start):
    """The first process has purged everything, also the purges that it would have repeated."""
    process = await start()
    await process.purging.purge(PATHS)
    await process.sessions.end()
    assert [edge.marks for edge in edges] == [{"m1": CLEAN}] * 2
    assert [edge.requests for edge in edges] == [2, 2]
    await start()
    assert drops_of(edges) == [1, 1]
    assert [edge.marks for edge in edges] == [{"m1": "b"}] * 2


async def test_an_edge_drops_its_cache_after_a_crash(edges, start):
    """It can have missed purges of the first process."""
    await start()
    await start()
    assert drops_of(edges) == [2, 2]


async def test_an_edge_that_missed_a_purge_drops_its_cache_after_the_next_start(edges, start):
    """Although the storagemaster ended in order, and no hint is left."""
    process = await start()
    edges[0].status = 503
    assert await process.purging.purge(PATHS) == ("east-varnish",)
    await process.sessions.end()
    process = await start()
    assert edges[0].drops == 1
    edges[0].status = 200
    await process.sessions.settle()
    assert edges[0].drops == 2


async def test_a_running_storagemaster_repeats_what_an_edge_missed(edges, start):
    """Exactly, from memory: the cache stays."""
    process = await start()
    edges[0].status = 503
    for paths in (PATHS, OTHER_PATHS):
        await process.purging.purge(paths)
    await process.sessions.settle()
    assert edges[0].purged == set()
    edges[0].status = 200
    await process.sessions.settle()
    assert edges[0].purged == {*PATHS, *OTHER_PATHS}
    assert edges[0].drops == 1
    before = edges[0].requests
    await process.sessions.settle()
    assert edges[0].requests == before


async def test_an_edge_that_missed_too_much_drops_its_cache(edges, start, monkeypatch):
    """The memory of a storagemaster is bounded."""
    monkeypatch.setattr(purging, "MISSED_MAX", 3)
    process = await start()
    edges[0].status = 503
    for number in range(5):
        await process.purging.purge([f"{number}{PATHS[0]}"])
    edges[0].status = 200
    await process.sessions.settle()
    assert drops_of(edges) == [2, 1]


async def test_a_varnish_that_is_purged_late_cannot_refill_an_nginx(edges, start):
    """An nginx behind it may have copied the photo after its own purge."""
    process = await start()
    nginx, varnish = edges
    varnish.status = 503
    await process.purging.purge(PATHS)
    nginx.purged.clear()
    varnish.status = 200
    await process.sessions.settle()
    assert varnish.purged == nginx.purged == set(PATHS)


async def test_a_varnish_that_drops_its_cache_late_cannot_refill_an_nginx(edges, start):
    """The nginx drops its own again."""
    varnish = edges[1]
    varnish.status = 503
    process = await start()
    assert drops_of(edges) == [1, 0]
    varnish.status = 200
    await process.sessions.settle()
    assert drops_of(edges) == [2, 1]


async def test_a_varnish_is_purged_before_an_nginx(start, monkeypatch):
    """So that an nginx copies nothing from it between the two purges."""
    process = await start()
    order = []
    real = process.purging.purge_edge

    async def purge_edge(id_, paths):
        done = await real(id_, paths)
        order.append(id_)
        return done

    monkeypatch.setattr(process.purging, "purge_edge", purge_edge)
    await process.purging.purge(PATHS)
    assert order == ["east-varnish", "east-edge"]


async def test_an_edge_that_stores_no_marks_keeps_its_cache(edges, start, monkeypatch):
    """Otherwise it would drop its cache in every pass."""
    monkeypatch.setattr(edges[0], "refuses_marks", True)
    process = await start()
    for _ in range(3):
        await process.sessions.settle()
    assert drops_of(edges) == [0, 1]
