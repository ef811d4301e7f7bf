"""Deletes: a tombstone is on two nodes before the response, and a deleted photo never returns."""

import asyncio

import pytest

from storagenode.protocol.errors import Gone
from tests.storagemaster.pictures import picture
from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from volumes.photo_path import (
    Info,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    render_path,
)

MIRRORS = ("east-1", "west-1")


def tombstone_of(photo_version):
    """Return the path of the photo's tombstone."""
    return render_path(PhotoTombstone(photo_version.volume, photo_version.photo))


def assert_gone_on(cluster, node, photo_version):
    """Assert that the tombstone is the only live file on the node."""
    assert cluster.visible(node) == {tombstone_of(photo_version)}


async def test_delete_is_on_both_mirrors(cluster, photo):
    """Each has a tombstone, and no file of the photo that could be served."""
    answer = await cluster.master.delete(photo)
    assert answer.status == 200
    assert sorted(copy["node"] for copy in answer.document["copies"]) == [*MIRRORS]
    assert (answer.document["pending_mirrors"], answer.document["version"]) == ([], "")
    for node in MIRRORS:
        assert_gone_on(cluster, node, photo)


async def test_deleted_files_are_in_the_trash(cluster, photo):
    """The trash has every file, byte for byte."""
    before = cluster.files("east-1")
    await cluster.master.delete(photo)
    for node in MIRRORS:
        trash = {path.split("/", 2)[2]: path for path in cluster.hidden(node, ".trash")}
        assert {path: cluster.files(node)[trash[path]] for path in trash} == before


async def test_repeated_delete_is_harmless(cluster, photo):
    """Every storagemaster returns the same document."""
    first = await cluster.master.delete(photo)
    before = cluster.all_files()
    other = await cluster.another_master()
    for master in (cluster.master, other):
        again = await master.delete(photo)
        assert again.status == 200
        assert again.document == first.document
    assert cluster.all_files() == before


async def test_unknown_photo_cannot_be_deleted(cluster):
    """The response is 404, and no tombstone is written."""
    photo_version = PhotoVersion(1, "0" * 16, "0" * 6)
    assert_problem(await cluster.master.delete(photo_version), 404, "unknown-photo")
    assert_problem(await cluster.master.delete_version(photo_version), 404, "unknown-photo")
    assert cluster.all_files() == {}


async def test_unknown_version_cannot_be_deleted(cluster, photo):
    """The response is 404, and other versions of the photo stay."""
    answer = await cluster.master.delete_version(PhotoVersion(1, photo.photo, "0" * 6))
    assert_problem(answer, 404, "unknown-photo")
    assert (await cluster.master.photo(photo)).status == 200


async def test_photo_of_an_unknown_volume_cannot_be_deleted(cluster):
    """The response is 404 for the volume."""
    answer = await cluster.master.delete(PhotoVersion(9, "0" * 16, "0" * 6))
    assert_problem(answer, 404, "unknown-volume")


async def test_delete_of_a_version_leaves_the_others(cluster, photo):
    """The photo keeps its other version."""
    revoked = await cluster.master.revoke(photo)
    new = PhotoVersion(1, photo.photo, revoked.document["version"])
    again = await cluster.master.delete_version(photo)
    assert again.status == 200
    assert (await cluster.master.photo(photo)).status == 410
    assert (await cluster.master.photo(new)).status == 200
    for node in MIRRORS:
        assert render_path(VersionTombstone(photo)) in cluster.visible(node)
        assert tombstone_of(photo) not in cluster.visible(node)


async def test_version_of_a_deleted_photo_can_be_deleted(cluster, photo):
    """The version is gone already."""
    await cluster.master.delete(photo)
    assert (await cluster.master.delete_version(photo)).status == 200


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize(("down", "up"), [("east-1", "west-1"), ("west-1", "east-1")])
async def test_mirror_that_is_down_gets_its_tombstone_by_a_hint(cluster, photo, down, up, noticed):
    """A handoff node of its colo delivers the hint when the mirror is back."""
    await cluster.stop(down)
    if noticed:
        await cluster.poll()
    answer = await cluster.master.delete(photo)
    assert answer.status == 200
    assert answer.document["pending_mirrors"] == [down]
    handoff = down.replace("1", "2")
    assert set(cluster.holders(tombstone_of(photo))) == {up, f"{handoff} for {down}"}
    await cluster.start(down)
    await cluster.master.deliver_hints()
    assert_gone_on(cluster, down, photo)
    assert cluster.hidden(handoff, ".hints") == set()
    assert cluster.mirrors_are_equal(1)


@pytest.mark.usefixtures("impatience")
async def test_mirror_that_hangs_gets_its_tombstone_by_a_hint(cluster, photo):
    """It does not delay the delete."""
    cluster.links["west-1"].freeze()
    await cluster.poll()
    answer = await cluster.master.delete(photo)
    assert (answer.status, answer.document["pending_mirrors"]) == (200, ["west-1"])
    cluster.links["west-1"].unfreeze()
    await cluster.master.deliver_hints()
    assert_gone_on(cluster, "west-1", photo)


async def test_with_a_colo_down_a_delete_is_on_two_nodes_of_the_other(cluster, photo):
    """The first colo gets the tombstone when it is back."""
    await cluster.stop_and_notice("west-1", "west-2")
    answer = await cluster.master.delete(photo)
    assert answer.status == 200
    assert set(cluster.holders(tombstone_of(photo))) == {"east-1", "east-2 for west-1"}
    await cluster.start("west-1", "west-2")
    await cluster.master.deliver_hints()
    assert_gone_on(cluster, "west-1", photo)
    assert cluster.mirrors_are_equal(1)


async def test_photo_deleted_while_a_node_was_down_stays_deleted(cluster, photo):
    """The node, hints, repairs, and bundles do not restore it."""
    await cluster.stop_and_notice("west-1")
    await cluster.master.delete(photo)
    await cluster.start("west-1")
    assert (await cluster.master.photo(photo)).status == 410
    for _ in range(2):
        await cluster.master.deliver_hints()
        assert (await cluster.master.request("POST", "/repairs/1")).status == 200
    for node in MIRRORS:
        assert_gone_on(cluster, node, photo)
    assert (await cluster.master.photo(photo)).status == 410


async def test_deleted_photo_stays_deleted_if_the_hints_are_lost(cluster, photo):
    """A repair delivers the tombstone without hints."""
    await cluster.stop_and_notice("west-1")
    await cluster.master.delete(photo)
    for path in cluster.hidden("west-2", ".hints"):
        cluster.path("west-2", path).unlink()
    await cluster.start_and_notice("west-1")
    assert (await cluster.master.request("POST", "/repairs/1")).status == 200
    assert_gone_on(cluster, "west-1", photo)


async def test_deleted_photo_stays_deleted_if_a_disk_is_restored_from_a_backup(cluster, photo):
    """A repair delivers the tombstone again."""
    before = cluster.files("west-1")
    await cluster.master.delete(photo)
    cluster.path("west-1", tombstone_of(photo)).unlink()
    for path, data in before.items():
        cluster.write("west-1", path, data)
    assert (await cluster.master.photo(photo)).status == 410
    await cluster.master.request("POST", "/repairs/1")
    assert_gone_on(cluster, "west-1", photo)


async def test_photo_whose_mirrors_are_both_down_is_not_deleted(cluster, photo):
    """The response is 503, and the photo is still there."""
    await cluster.stop_and_notice(*MIRRORS)
    answer = await cluster.master.delete(photo)
    assert_problem(answer, 503, "unavailable")
    assert "not deleted" in answer.document["detail"]
    await cluster.start_and_notice(*MIRRORS)
    assert (await cluster.master.photo(photo)).status == 200


async def test_delete_with_one_node_left_is_not_acknowledged(cluster, photo):
    """A single tombstone is not enough."""
    await cluster.stop("east-2", "west-1", "west-2")
    assert_problem(await cluster.master.delete(photo), 503, "unavailable")


async def test_delete_that_no_mirror_stores_is_not_acknowledged(cluster, photo):
    """With two hints only, the mirrors would still serve the photo."""
    await cluster.stop_and_notice("west-1")
    cluster.mark_suspect("east-1")
    assert_problem(await cluster.master.delete(photo), 503, "unavailable")


@pytest.mark.usefixtures("despair")
async def test_revocation_that_no_mirror_stores_is_not_acknowledged(cluster, photo):
    """The wait is bounded, and the old version still exists."""
    await cluster.stop_and_notice("west-1")
    cluster.mark_suspect("east-1")
    async with asyncio.timeout(20):
        answer = await cluster.master.revoke(photo)
    assert_problem(answer, 503, "unavailable")
    assert (await cluster.master.photo(photo)).status == 200


async def test_photo_that_can_exist_on_an_unreachable_mirror_is_deleted(cluster):
    """A hint delivers the tombstone when the mirror is back."""
    await cluster.stop_and_notice("west-1")
    photo_version = PhotoVersion(1, "0" * 16, "0" * 6)
    answer = await cluster.master.delete(photo_version)
    assert answer.status == 200
    assert set(cluster.holders(tombstone_of(photo_version))) == {"east-1", "west-2 for west-1"}


async def test_full_disks_store_tombstones(cluster, photo):
    """Their reserve is for this."""
    for node in cluster.stores:
        cluster.fill(node, to_the_brim=True)
    await cluster.poll()
    answer = await cluster.master.delete(photo)
    assert (answer.status, answer.document["pending_mirrors"]) == (200, [])
    for node in MIRRORS:
        assert_gone_on(cluster, node, photo)


async def test_suspect_mirror_gets_its_tombstone_by_a_hint(cluster, photo):
    """It accepts no writes."""
    cluster.mark_suspect("east-1")
    await cluster.poll()
    answer = await cluster.master.delete(photo)
    assert (answer.status, answer.document["pending_mirrors"]) == (200, ["east-1"])
    assert set(cluster.holders(tombstone_of(photo))) == {"west-1", "east-2 for east-1"}


@pytest.mark.parametrize("noticed", [True, False])
async def test_mirror_without_writes_refuses_deleted_photos(cluster, noticed):
    """It gets every tombstone, at the latest with the hints, and the operator gets an alert."""
    photos = [(await cluster.master.upload(picture(number=number))).version for number in range(6)]
    cluster.mark_suspect("west-1")
    if noticed:
        await cluster.poll()
    for photo in photos:
        assert (await cluster.master.delete(photo)).status == 200
    await cluster.poll()
    await cluster.master.hinted_handoff.deliver_all()
    store = cluster.stores["west-1"]
    for photo in photos:
        with pytest.raises(Gone):
            store.raise_if_deleted(Info(photo))
    assert store.condition().unwritten_tombstones == len(photos)
    store.health.suspect_reason = ""
    await cluster.poll()
    assert "refused 6 tombstones" in cluster.master.fleet.view()["west-1"].reason
    store.finish_deletes()
    assert cluster.visible("west-1") == {tombstone_of(photo) for photo in photos}
