"""Purges: every edge drops every variant of a deleted photo, even after an outage."""

import shutil
from dataclasses import replace
from types import SimpleNamespace
from unittest import mock

import pytest

from storagemaster.caches import purging
from storagemaster.caches.purging import PATHS_PER_REQUEST, REPEAT_AFTER_SECONDS, EdgePurger
from storagemaster.caches.variants import all_variants
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReader
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from tests.storagemaster.pictures import picture
from tests.storagemaster.purged_edges import PurgedEdge
from volumes.photo_id import Version
from volumes.photo_path import PhotoTombstone, Variant, VersionTombstone, render_path
from volumes.sizes import DEFAULT_SIZES

PATHS = [f"1/k7/01jd3x8m2c9qp4k7_3fz8qd_{letter}.jpg" for letter in "abc"]


@pytest.fixture(autouse=True)
def _patient_purges(monkeypatch):
    """Return a long timeout, because a busy machine is slow."""
    monkeypatch.setattr(purging, "RESPONSE_SECONDS", 10.0)


@pytest.fixture(name="purge")
def _purge(session, edges):
    """Return the purge of both edges."""
    return EdgePurger({edge.config.id: edge.config for edge in edges}, session).purge


async def test_every_edge_is_purged_of_every_path(edges, purge):
    """An nginx gets one request, a Varnish one per path."""
    assert await purge(PATHS) == ("east-edge", "east-varnish")
    assert [edge.purged for edge in edges] == [set(PATHS)] * 2
    assert [edge.requests for edge in edges] == [1, len(PATHS)]


async def test_a_process_that_ends_repeats_every_purge_that_is_not_due(edges, session):
    """Another process knows nothing of them."""
    purger = EdgePurger({edge.config.id: edge.config for edge in edges}, session)
    for path in PATHS:
        await purger.purge([path])
    for edge in edges:
        edge.purged.clear()
    await purger.repeat_all()
    assert [edge.purged for edge in edges] == [set(PATHS)] * 2


async def test_a_late_purge_of_a_varnish_purges_the_nginxes_again(edges, session):
    """They can have copied the photo from it meanwhile. A Varnish copies from no nginx."""
    purger = EdgePurger({edge.config.id: edge.config for edge in edges}, session)
    nginx, varnish = edges
    assert await purger.purge_late(nginx.config.id, PATHS)
    assert (nginx.purged, varnish.purged) == (set(PATHS), set())
    nginx.purged.clear()
    assert await purger.purge_late(varnish.config.id, PATHS)
    assert (nginx.purged, varnish.purged) == (set(PATHS), set(PATHS))


async def test_missed_purges_of_an_edge_stop_at_its_first_error(edges, session):
    """A dead edge costs one time-out a pass. Other edges are purged."""
    purger = EdgePurger({edge.config.id: edge.config for edge in edges}, session)
    for edge in edges:
        edge.status = 503
    for path in PATHS:
        await purger.purge([path])
    assert purger.has_missed()
    edges[1].status = 200
    with mock.patch.object(purger, "purge_edge", wraps=purger.purge_edge) as purge_edge:
        await purger.repeat_missed()
    assert [call.args[0] for call in purge_edge.mock_calls].count("east-edge") == 1 + len(PATHS)
    assert edges[1].purged == set(PATHS)
    assert purger.has_missed()
    edges[0].status = 200
    await purger.repeat_missed()
    assert edges[0].purged == set(PATHS)
    assert not purger.has_missed()


async def test_an_edge_that_missed_too_much_has_missed_something(edges, session, monkeypatch):
    """Until it is taken, to drop its cache."""
    monkeypatch.setattr(purging, "MISSED_MAX", 2)
    purger = EdgePurger({edge.config.id: edge.config for edge in edges}, session)
    edges[0].status = 503
    for path in PATHS:
        await purger.purge([path])
    assert purger.has_missed()
    assert purger.take_overflowed() == {"east-edge"}
    assert not purger.has_missed()


async def test_a_purge_is_idempotent(edges, purge):
    """The second purge has the same result."""
    for _ in range(2):
        assert await purge(PATHS) == ("east-edge", "east-varnish")
    assert [edge.purged for edge in edges] == [set(PATHS)] * 2


async def test_a_long_list_is_split(edges, purge):
    """The size of a request is bounded."""
    paths = [f"1/k7/{number:016d}_3fz8qd_m.jpg" for number in range(2 * PATHS_PER_REQUEST + 1)]
    await purge(paths)
    assert [edge.purged for edge in edges] == [set(paths)] * 2
    assert edges[0].requests == 3


@pytest.mark.parametrize("status", [403, 404, 500, 503])
async def test_an_edge_with_an_error_is_not_purged(edges, purge, status):
    """Only a success counts."""
    edges[0].status = edges[1].status = status
    assert await purge(PATHS) == ()


async def test_an_edge_that_is_down_is_not_purged(edges, session):
    """The other edge is purged."""
    gone = PurgedEdge("gone", "nginx")
    both = {edge.config.id: edge.config for edge in (gone, edges[0])}
    assert await EdgePurger(both, session).purge(PATHS) == ("east-edge",)


async def test_a_frozen_edge_is_not_purged(edges, purge, monkeypatch):
    """The purge times out and leaves no request running."""
    monkeypatch.setattr(purging, "RESPONSE_SECONDS", 1.0)
    edges[1].is_frozen = True
    assert await purge(PATHS) == ("east-edge",)


async def test_a_cluster_without_edges_needs_no_purge(session):
    """Edges are optional."""
    assert await EdgePurger({}, session).purge(PATHS) == ()


@pytest.fixture(name="edge")
def _edge():
    """Return an edge of the small cluster that is not running yet."""
    return PurgedEdge("edge", "nginx")


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with, edge):
    """Return a small cluster with one edge."""
    return runner.run(cluster_with(edges={"edge": edge.config}))


def variants_of(photo_version):
    """Return every path that a version can have."""
    return set(all_variants(photo_version, DEFAULT_SIZES))


@pytest.mark.parametrize("verb", ["delete", "delete_version", "revoke"])
async def test_every_variant_is_purged_of_what_is_deleted_or_revoked(cluster, edge, verb):
    """The response names the purged edges."""
    photo_version = (await cluster.master.upload(picture())).version
    async with edge.running():
        response = await getattr(cluster.master, verb)(photo_version)
    assert (response.document["purged"], response.document["purge_pending"]) == (["edge"], [])
    assert edge.purged == variants_of(photo_version)


@pytest.mark.parametrize("verb", ["delete", "delete_version", "revoke"])
async def test_an_edge_is_purged_after_both_mirrors_have_the_tombstone(cluster, edge, verb):
    """An edge that was purged before could fetch the photo again from either mirror."""
    photo_version = (await cluster.master.upload(picture(), volume=1)).version
    tombstones = PhotoTombstone(1, photo_version.photo), VersionTombstone(photo_version)
    path = render_path(tombstones[verb != "delete"])
    holders = []
    edge.on_purge = lambda: holders.append(set(cluster.holders(path)))
    async with edge.running():
        await getattr(cluster.master, verb)(photo_version)
    assert holders == [{"east-1", "west-1"}]


@pytest.mark.parametrize("hints_are_lost", [False, True])
async def test_a_late_tombstone_purges_what_the_mirror_served(cluster, edge, hints_are_lost):
    """A version that the delete did not see is purged too, by hints or by reconciliation."""
    photo_version = (await cluster.master.upload(picture(), volume=1)).version
    unseen = replace(photo_version, version=Version("000000"))
    async with edge.running():
        cluster.write("west-1", render_path(Variant(unseen, "o", "jpg")), b"unseen")
        await cluster.stop_and_notice("west-1")
        await cluster.master.delete(photo_version)
        assert edge.purged == variants_of(photo_version)
        edge.purged.clear()
        if hints_are_lost:
            shutil.rmtree(cluster.path("west-2", ".hints/west-1"))
        await cluster.start_and_notice("west-1")
        await cluster.master.deliver_hints()
        await cluster.master.request("POST", "/repairs/1")
        await cluster.master.deliver_hints()
    assert edge.purged == variants_of(photo_version) | variants_of(unseen)
    assert not any(cluster.hidden(node, ".hints") for node in ("east-1", "west-1", "west-2"))


async def test_an_edge_that_is_down_is_purged_when_it_is_back(cluster, edge):
    """Nodes hold the purge on their disks until the edge has received it."""
    photo_version = (await cluster.master.upload(picture())).version
    response = await cluster.master.delete(photo_version)
    assert (response.status, response.document["purge_pending"]) == (200, ["edge"])
    hints = {
        f".hints/edge/1/{photo_version.shard}/{photo_version.photo}_{photo_version.version}.gone"
    }
    for node in ("east-1", "west-1"):
        assert cluster.hidden(node, ".hints") == hints
    await cluster.master.deliver_hints()
    assert cluster.hidden("east-1", ".hints") == hints
    async with edge.running():
        await cluster.master.deliver_hints()
    assert edge.purged == variants_of(photo_version)
    for node in ("east-1", "west-1"):
        assert cluster.hidden(node, ".hints") == set()


@pytest.mark.parametrize("verb", ["delete", "delete_version", "revoke"])
async def test_a_purge_that_no_node_records_fails_no_delete(cluster, verb, monkeypatch):
    """The tombstone is durable, so the delete is acknowledged, and the purge is repeated."""
    photo_version = (await cluster.master.upload(picture(), volume=1)).version
    write_tombstone = NodeClient.write_tombstone

    async def refuse_purges(client, place, **options):
        if place.hint_for == "edge":
            raise NodeError("the disk failed")
        await write_tombstone(client, place, **options)

    monkeypatch.setattr(NodeClient, "write_tombstone", refuse_purges)
    response = await getattr(cluster.master, verb)(photo_version)
    assert response.status in {200, 201}
    assert response.document["purge_pending"] == ["edge"]
    assert cluster.hidden("east-1", ".hints") == cluster.hidden("west-1", ".hints") == set()


async def test_a_pending_purge_outlives_its_storagemaster(cluster, edge):
    """Another storagemaster sends it."""
    photo_version = (await cluster.master.upload(picture())).version
    await cluster.master.delete(photo_version)
    other = await cluster.another_master()
    async with edge.running():
        await other.deliver_hints()
    assert edge.purged == variants_of(photo_version)


async def test_a_pending_purge_does_not_delay_hints(cluster, edge):
    """The edge stays down."""
    await cluster.stop_and_notice("west-1")
    photo = (await cluster.master.upload(picture())).original
    other = (await cluster.master.upload(picture(number=1))).version
    await cluster.master.delete(other)
    await cluster.start("west-1")
    await cluster.master.deliver_hints()
    assert set(cluster.holders(photo)) == {"east-1", "west-1"}
    assert edge.requests == 0


@pytest.mark.parametrize("verb", ["delete", "delete_version"])
async def test_a_repeated_delete_purges_what_the_first_did_not(cluster, edge, verb):
    """The first storagemaster died after the tombstones. The trash lists the versions to purge."""
    photo_version = (await cluster.master.upload(picture())).version
    await getattr(cluster.master, verb)(photo_version)
    for node in ("east-1", "west-1"):
        for path in cluster.hidden(node, ".hints"):
            cluster.path(node, path).unlink()
    async with edge.running():
        response = await getattr(cluster.master, verb)(photo_version)
    assert response.document["purged"] == ["edge"]
    assert edge.purged == variants_of(photo_version)


async def test_a_purge_is_repeated_after_the_longest_fetch(edges, session):
    """A fetch that started before the tombstone may have filled the cache again."""
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


async def test_all_due_purges_are_repeated_in_their_order(edges, session):
    """One pass repeats every purge that is due, the oldest first, and leaves the others."""
    now = [100.0]
    purges = EdgePurger({"edge": edges[0].config}, session, clock=lambda: now[0])
    for path in PATHS:
        await purges.purge([path])
        now[0] += 1
    repeated = []
    edges[0].purged = SimpleNamespace(update=repeated.extend)
    now[0] = 100.0 + REPEAT_AFTER_SECONDS - 0.5
    await purges.repeat_due()
    assert repeated == []
    now[0] += 1.5
    await purges.repeat_due()
    assert repeated == PATHS[:2]
    now[0] += 1
    await purges.repeat_due()
    assert repeated == PATHS


@pytest.mark.parametrize("verb", ["delete", "delete_version"])
async def test_edges_are_purged_again_when_a_tombstone_is_delivered(cluster, edge, verb):
    """An edge may have cached a response of the mirror that missed the delete."""
    photo_version = (await cluster.master.upload(picture())).version
    await cluster.stop_and_notice("west-1")
    async with edge.running():
        response = await getattr(cluster.master, verb)(photo_version)
        assert response.document["purged"] == ["edge"]
        edge.purged.clear()
        await cluster.start("west-1")
        await cluster.master.deliver_hints()
    assert edge.purged == variants_of(photo_version)
    assert cluster.mirrors_are_equal(1)


async def test_a_delete_that_saw_no_mirror_purges_what_an_earlier_one_did_not(
    cluster, edge, monkeypatch
):
    """The first was not acknowledged, but wrote tombstones. The trash lists the versions."""
    photo_version = (await cluster.master.upload(picture(), volume=1)).version
    await cluster.master.delete(photo_version)
    for node in ("east-1", "west-1"):
        for path in cluster.hidden(node, ".hints"):
            cluster.path(node, path).unlink()

    async def see_no_mirror(*_):
        return PhotoFiles({}, dict.fromkeys(("east-1", "west-1"), "it did not respond"))

    monkeypatch.setattr(PhotoReader, "files_of", see_no_mirror)
    async with edge.running():
        assert (await cluster.master.delete(photo_version)).status == 200
    assert edge.purged == variants_of(photo_version)
