"""Purging: every edge forgets every variant of what is deleted, however long it was away."""

import contextlib
import shutil
from dataclasses import replace

import aiohttp
import pytest

from storagemaster.caches import purging
from storagemaster.caches.purging import PATHS_PER_REQUEST, REPEAT_AFTER_SECONDS, EdgePurger
from storagemaster.caches.variants import all_variants
from tests.storagemaster.pictures import picture
from tests.storagemaster.purged_edges import PurgedEdge
from volumes.photo_id import Version
from volumes.photo_path import Variant, render_path
from volumes.sizes import DEFAULT_SIZES

PATHS = [f"1/k7/01jd3x8m2c9qp4k7_3fz8qd_{letter}.jpg" for letter in "abc"]


@pytest.fixture(name="session")
def _session(runner):
    """A client session."""

    async def new_session():
        return aiohttp.ClientSession()

    session = runner.run(new_session())
    yield session
    runner.run(session.close())


@pytest.fixture(name="edges")
def _edges(runner):
    """An edge of each kind, both of them up."""
    stack = contextlib.AsyncExitStack()

    async def start():
        edges = [PurgedEdge("east-edge", "nginx"), PurgedEdge("east-varnish", "varnish")]
        return [await stack.enter_async_context(edge.running()) for edge in edges]

    yield runner.run(start())
    runner.run(stack.aclose())


@pytest.fixture(autouse=True)
def _patient_purges(monkeypatch):
    """A busy machine is slow, which is no refusal."""
    monkeypatch.setattr(purging, "ANSWER_SECONDS", 10.0)


@pytest.fixture(name="purge")
def _purge(session, edges):
    """Purges both edges."""
    return EdgePurger({edge.config.id: edge.config for edge in edges}, session).purge


async def test_every_edge_forgets_every_path(edges, purge):
    """An nginx in one request, a Varnish in one for each."""
    assert await purge(PATHS) == ("east-edge", "east-varnish")
    assert [edge.purged for edge in edges] == [set(PATHS)] * 2
    assert [edge.requests for edge in edges] == [1, len(PATHS)]


async def test_a_purge_again_is_harmless(edges, purge):
    """The list is the same whoever sends it, and however often."""
    for _ in range(2):
        assert await purge(PATHS) == ("east-edge", "east-varnish")
    assert [edge.purged for edge in edges] == [set(PATHS)] * 2


async def test_a_long_list_goes_in_parts(edges, purge):
    """No request grows without bound."""
    paths = [f"1/k7/{number:016d}_3fz8qd_m.jpg" for number in range(2 * PATHS_PER_REQUEST + 1)]
    await purge(paths)
    assert [edge.purged for edge in edges] == [set(paths)] * 2
    assert edges[0].requests == 3


@pytest.mark.parametrize("status", [403, 404, 500, 503])
async def test_an_edge_that_refuses_has_not_forgotten(edges, purge, status):
    """Only a plain yes counts."""
    edges[0].status = edges[1].status = status
    assert await purge(PATHS) == ()


async def test_an_edge_that_is_down_has_not_forgotten(edges, session):
    """Nobody listens there; the other one is purged all the same."""
    gone = PurgedEdge("gone", "nginx")
    both = {edge.config.id: edge.config for edge in (gone, edges[0])}
    assert await EdgePurger(both, session).purge(PATHS) == ("east-edge",)


async def test_an_edge_that_freezes_has_not_forgotten(edges, purge, monkeypatch):
    """It is not waited for without end, and leaves nothing going on."""
    monkeypatch.setattr(purging, "ANSWER_SECONDS", 1.0)
    edges[1].is_frozen = True
    assert await purge(PATHS) == ("east-edge",)


async def test_no_edges_are_purged_at_once(session):
    """A cluster need not have any."""
    assert await EdgePurger({}, session).purge(PATHS) == ()


@pytest.fixture(name="edge")
def _edge():
    """One edge of the small cluster, which is not running yet."""
    return PurgedEdge("edge", "nginx")


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with, edge):
    """A small cluster with one edge."""
    return runner.run(cluster_with(edges={"edge": edge.config}))


def variants_of(photo_version):
    """Every path that a version can have."""
    return set(all_variants(photo_version, DEFAULT_SIZES))


async def test_a_delete_purges_every_variant(cluster, edge):
    """Of every version, and the answer says who has let go of them."""
    async with edge.running():
        first = (await cluster.master.upload(picture())).version
        answer = await cluster.master.delete(first)
    assert (answer.document["purged"], answer.document["purge_pending"]) == (["edge"], [])
    assert edge.purged == variants_of(first)


@pytest.mark.parametrize("owed_is_lost", [False, True])
async def test_a_tombstone_that_comes_late_purges_what_was_served(cluster, edge, owed_is_lost):
    """Also a version that whoever deleted could not see; by owed work, or by reconcile."""
    photo_version = (await cluster.master.upload(picture(), volume=1)).version
    unseen = replace(photo_version, version=Version("000000"))
    async with edge.running():
        cluster.write("west-1", render_path(Variant(unseen, "o", "jpg")), b"unseen")
        await cluster.stop_and_notice("west-1")
        await cluster.master.delete(photo_version)
        assert edge.purged == variants_of(photo_version)
        edge.purged.clear()
        if owed_is_lost:
            shutil.rmtree(cluster.path("west-2", ".hints/west-1"))
        await cluster.start_and_notice("west-1")
        await cluster.master.deliver_hints()
        await cluster.master.request("POST", "/repairs/1")
        await cluster.master.deliver_hints()
    assert edge.purged == variants_of(photo_version) | variants_of(unseen)
    assert not any(cluster.hidden(node, ".hints") for node in ("east-1", "west-1", "west-2"))


async def test_an_edge_that_is_down_is_purged_when_it_is_back(cluster, edge):
    """Nodes remember it on their disks until it has answered; then nothing is owed."""
    photo_version = (await cluster.master.upload(picture())).version
    answer = await cluster.master.delete(photo_version)
    assert (answer.status, answer.document["purge_pending"]) == (200, ["edge"])
    owed = {
        f".hints/edge/1/{photo_version.shard}/{photo_version.photo}_{photo_version.version}.gone"
    }
    for node in ("east-1", "west-1"):
        assert cluster.hidden(node, ".hints") == owed
    await cluster.master.deliver_hints()
    assert cluster.hidden("east-1", ".hints") == owed
    async with edge.running():
        await cluster.master.deliver_hints()
    assert edge.purged == variants_of(photo_version)
    for node in ("east-1", "west-1"):
        assert cluster.hidden(node, ".hints") == set()


async def test_an_owed_purge_outlives_the_master_that_owed_it(cluster, edge):
    """It is on the nodes: any storagemaster carries it out."""
    photo_version = (await cluster.master.upload(picture())).version
    await cluster.master.delete(photo_version)
    other = await cluster.another_master()
    async with edge.running():
        await other.deliver_hints()
    assert edge.purged == variants_of(photo_version)


async def test_a_purge_that_is_owed_does_not_hold_up_owed_copies(cluster, edge):
    """An edge that is down for long is nobody's concern but its own."""
    await cluster.stop_and_notice("west-1")
    photo = (await cluster.master.upload(picture())).original
    other = (await cluster.master.upload(picture(number=1))).version
    await cluster.master.delete(other)
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    assert set(cluster.holders(photo)) == {"east-1", "west-1"}
    assert edge.requests == 0


async def test_a_delete_that_was_cut_short_purges_when_it_is_sent_again(cluster, edge):
    """Its storagemaster died after the tombstones: the trash tells which versions to purge."""
    photo_version = (await cluster.master.upload(picture())).version
    await cluster.master.delete(photo_version)
    for node in ("east-1", "west-1"):
        for path in cluster.hidden(node, ".hints"):
            cluster.path(node, path).unlink()
    async with edge.running():
        answer = await cluster.master.delete(photo_version)
    assert answer.document["purged"] == ["edge"]
    assert edge.purged == variants_of(photo_version)


async def test_a_delete_of_a_version_purges_that_version(cluster, edge):
    """And no other."""
    photo_version = (await cluster.master.upload(picture())).version
    async with edge.running():
        answer = await cluster.master.delete_version(photo_version)
        again = await cluster.master.delete_version(photo_version)
    assert answer.document["purged"] == again.document["purged"] == ["edge"]
    assert edge.purged == variants_of(photo_version)


async def test_a_revocation_purges_the_old_version(cluster, edge):
    """Its URLs are dead in the caches too."""
    photo_version = (await cluster.master.upload(picture())).version
    async with edge.running():
        answer = await cluster.master.request("POST", f"/photos/{photo_version}/revoke")
    assert answer.document["purged"] == ["edge"]
    assert edge.purged == variants_of(photo_version)


async def test_a_purge_is_repeated_when_no_older_fetch_can_be_left(edges, session):
    """What an edge kept from a fetch that began before the tombstone is forgotten later."""
    now = [100.0]
    purges = EdgePurger(
        {edge.config.id: edge.config for edge in edges}, session, clock=lambda: now[0]
    )
    await purges.purge(PATHS)
    await purges.repeat_due()
    assert edges[0].requests == 1
    now[0] += REPEAT_AFTER_SECONDS
    await purges.repeat_due()
    await purges.repeat_due()
    assert edges[0].requests == 2


@pytest.mark.parametrize("what", ["photo", "version"])
async def test_edges_are_purged_again_when_a_late_tombstone_comes_home(cluster, edge, what):
    """An edge may have kept what it got from the home that had not heard of the delete."""
    photo_version = (await cluster.master.upload(picture())).version
    await cluster.stop_and_notice("west-1")
    async with edge.running():
        delete = cluster.master.delete if what == "photo" else cluster.master.delete_version
        assert (await delete(photo_version)).document["purged"] == ["edge"]
        edge.purged.clear()
        await cluster.start("west-1")
        await cluster.master.deliver_hints()
    assert edge.purged == variants_of(photo_version)
    assert cluster.mirrors_are_equal(1)
