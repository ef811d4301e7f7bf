"""Uploads, reads, and deletes while mirrors or a colo are down, and the recovery."""

import asyncio
import shutil
import statistics

import pytest

from drill.cluster.tcp_proxy import Fault
from storagemaster.mirrors import mirroring
from tests.storagemaster.conftest import REAL_PATIENCE_SECONDS
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.small_cluster import keys_of

NODES = ("east-1", "west-1")
(KEY,) = keys_of(1, count=1)


async def test_a_photo_without_a_copy_on_a_mirror_is_not_acknowledged(cluster):
    """The last mirror fails during the upload. With hints alone an edge would return 404."""
    await cluster.stop_and_notice("west-1")
    cluster.links["east-1"].plan(Fault.RESET, after_bytes=100_000)
    response = await cluster.upload(long_picture(1_000_000))
    assert cluster.links["east-1"].fired.is_set()
    assert response.status == 503
    assert "no mirror of the volume" in response.document["detail"]


async def test_an_upload_goes_to_a_volume_with_both_mirrors(cluster):
    """The client leaves the choice to the storagemaster."""
    await cluster.stop_and_notice("west-1")
    response = await cluster.master.upload(picture(), volume=None)
    assert (response.status, response.document["volume"], response.document["pending_mirrors"]) == (
        201,
        2,
        [],
    )


@pytest.mark.parametrize("mirror", NODES)
async def test_a_degraded_photo_is_read_from_the_mirror_that_has_it(cluster, mirror):
    """This holds during the outage and after the other mirror returns."""
    photo = picture()
    await cluster.stop_and_notice(mirror)
    path = await cluster.store_photo(photo)
    assert (await cluster.read(path)).body == photo
    await cluster.start_and_notice(mirror)
    assert (await cluster.read(path)).body == photo
    await cluster.run_passes()
    assert (await cluster.read(path, at=mirror)).body == photo


async def test_a_returned_mirror_returns_no_404_for_a_pending_hint(cluster):
    """The only mirror with the photo fails before the delivery, so edges return 502 or 503."""
    await cluster.stop_and_notice("west-1")
    path = await cluster.store_photo()
    await cluster.start("west-1")
    await cluster.stop_and_notice("east-1")
    assert (await cluster.read(path)).status in {502, 503}
    await cluster.master.fence_lifter.lift_fences()
    assert (await cluster.read(path)).status in {502, 503}
    await cluster.master.hinted_handoff.deliver_all()
    assert cluster.path("west-1", path).exists()


async def test_with_all_mirrors_down_a_photo_is_an_error_and_not_missing(cluster):
    """Unknown is never a 404."""
    path = await cluster.store_photo()
    await cluster.stop_and_notice(*NODES)
    assert (await cluster.read(path)).status == 502
    status = await cluster.master.request("GET", "/photos/" + reference_of(path))
    assert status.status == 503


def reference_of(path):
    """Return the reference of the version that a photo path belongs to."""
    volume, _, name = path.split("/")
    return f"{volume}/{name[:16]}/{name[17:23]}"


@pytest.mark.parametrize("colo", [("east-1", "east-2"), ("west-1", "west-2")])
async def test_every_photo_is_readable_with_a_colo_down(cluster, colo):
    """This covers photos from before and from during the outage."""
    paths = [await cluster.store_photo(picture(number=n), volume=n % 2 + 1) for n in range(4)]
    await cluster.stop_and_notice(*colo)
    paths += [await cluster.store_photo(picture(number=n), volume=n % 2 + 1) for n in range(4, 8)]
    assert {(await cluster.read(path)).status for path in paths} == {200}
    await cluster.start_and_notice(*colo)
    await cluster.repair_all()
    assert cluster.equal()
    assert {(await cluster.read(path, at=colo[0])).status for path in paths[0::2]} == {200}


async def test_lost_hints_are_replaced_by_reconciliation(cluster):
    """Hints are a shortcut, not a record."""
    await cluster.stop_and_notice("west-1")
    paths = [await cluster.store_photo(picture(number=number)) for number in range(4)]
    gone = await cluster.upload(picture(number=8))
    await cluster.master.delete(gone.version)
    shutil.rmtree(cluster.root("west-2") / ".hints")
    (cluster.root("west-2") / ".hints").mkdir()
    await cluster.start_and_notice("west-1")
    await cluster.repair_all()
    assert cluster.equal(1)
    assert all(cluster.holders(path).keys() == set(NODES) for path in paths)
    assert (await cluster.read(gone.original, at="west-1")).status == 410


@pytest.mark.usefixtures("impatience")
async def test_a_frozen_mirror_delays_an_upload_by_less_than_a_second(cluster, monkeypatch):
    """The patience bounds the delay, and later uploads skip the mirror."""
    spent = []
    run_all = mirroring.run_all

    async def timed(requests, *, patience_seconds):
        spent.extend(patience_seconds)
        return await run_all(requests, patience_seconds=patience_seconds)

    monkeypatch.setattr(mirroring, "run_all", timed)
    cluster.links["west-1"].freeze()
    responses = await asyncio.gather(*(cluster.upload(picture(number=n)) for n in range(8)))
    assert [response.status for response in responses] == [201] * 8
    assert all(len(response.document["copies"]) == 2 for response in responses)
    assert max(spent) == pytest.approx(REAL_PATIENCE_SECONDS, abs=0.01)
    assert REAL_PATIENCE_SECONDS <= 0.7
    connections = cluster.links["west-1"].connections
    assert (await cluster.upload(picture(number=9))).status == 201
    assert cluster.links["west-1"].connections == connections
    assert statistics.median(spent) <= 0.71


async def test_a_suspect_disk_is_an_alert_and_gets_no_writes_until_a_restart(cluster):
    """Its photos are still read, and after the restart it gets what it missed."""
    path = await cluster.store_photo(picture(number=1))
    cluster.mark_suspect("west-1")
    await cluster.poll()
    response = await cluster.upload(picture(number=2))
    assert response.document["pending_mirrors"] == ["west-1"]
    assert (await cluster.read(path, at="west-1")).status == 200
    status = (await cluster.master.request("GET", "/status")).document
    assert any("west-1 takes no writes" in alert for alert in status["alerts"])
    metrics = (await cluster.master.request("GET", "/metrics")).document
    assert 'glassplate_node_suspect{colo="west",node="west-1"} 1.0' in metrics
    await cluster.stop("west-1")
    await cluster.start_and_notice("west-1")
    await cluster.repair_all()
    assert cluster.holders(response.original).keys() == set(NODES)


async def test_a_full_cluster_takes_deletes_and_says_why_it_takes_no_photo(cluster):
    """The reserve is for tombstones."""
    stored = await cluster.upload()
    for node in cluster.stores:
        cluster.fill(node, to_the_brim=True)
    await cluster.poll()
    refused = await cluster.upload(picture(number=2))
    assert refused.status == 503
    assert "full" in refused.document["detail"]
    assert (await cluster.master.delete(stored.version)).status == 200
    alerts = (await cluster.master.request("GET", "/status")).document["alerts"]
    assert any("takes no new photos" in alert for alert in alerts)


async def test_a_delete_in_one_half_is_not_undone_by_the_other(cluster):
    """Each half of a partition sees the other as down. The tombstone wins after it."""
    response = await cluster.upload()
    for node in ("west-1", "west-2"):
        cluster.links[node].freeze()
        cluster.master.fleet.mark_down(node, "cut")
    deletion = await cluster.master.delete(response.version)
    assert (deletion.status, deletion.document["pending_mirrors"]) == (200, ["west-1"])
    assert (await cluster.read(response.original, at="west-1")).status == 200
    for node in ("west-1", "west-2"):
        cluster.links[node].unfreeze()
    await cluster.repair_all()
    assert (await cluster.read(response.original, at="west-1")).status == 410
    assert cluster.equal(1)


async def test_both_halves_of_a_partition_accept_photos(cluster):
    """Photo ids are unique, so all photos survive."""
    other = await cluster.another_master()
    cut = {cluster.master: ("west-1", "west-2"), other: ("east-1", "east-2")}
    for master, nodes in cut.items():
        for node in nodes:
            master.fleet.mark_down(node, "cut")
    responses = [await master.upload(picture(number=7)) for master in cut]
    assert [response.document["durability"] for response in responses] == ["degraded"] * 2
    await cluster.repair_all()
    assert all(cluster.holders(a.original).keys() == set(NODES) for a in responses)
    assert cluster.equal(1)


@pytest.mark.parametrize("half", ["the same half", "the other half"])
async def test_the_same_key_in_both_halves_is_one_photo(cluster, half):
    """A retry has the reference of the first photo, also if that half is unreachable."""
    photo = picture()
    for node in ("west-1", "west-2"):
        cluster.master.fleet.mark_down(node, "cut")
    first = await cluster.upload(photo, key=KEY)
    other = await cluster.another_master()
    if half == "the other half":
        for node in ("east-1", "east-2"):
            other.fleet.mark_down(node, "cut")
    again = await other.upload(photo, key=KEY)
    assert (again.status, again.original) in {(200, first.original), (201, first.original)}
    await cluster.repair_all()
    originals = {path for node in NODES for path in cluster.visible(node)}
    assert originals == {first.original}


async def test_a_delete_covers_a_pending_hint(cluster):
    """The hint is removed, because its mirror has a tombstone."""
    await cluster.stop_and_notice("west-1")
    response = await cluster.upload()
    await cluster.master.delete(response.version)
    await cluster.start_and_notice("west-1")
    await cluster.repair_all()
    assert all(not cluster.hidden(node, ".hints") for node in cluster.stores)
    assert (await cluster.read(response.original, at="west-1")).status == 410
