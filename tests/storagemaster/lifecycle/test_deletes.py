"""Deletes: a tombstone on two nodes before the answer, and nothing that is gone comes back."""

import asyncio

import pytest

from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from volumes.photo_path import (
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    render_path,
)

HOMES = ("east-1", "west-1")


def tombstone_of(photo_version):
    """The path of the whole photo's tombstone."""
    return render_path(PhotoTombstone(photo_version.volume, photo_version.photo))


def assert_gone_on(cluster, node, photo_version):
    """The node has the tombstone at home and nothing beside it."""
    assert cluster.visible(node) == {tombstone_of(photo_version)}


async def test_a_delete_is_on_both_mirrors(cluster, photo):
    """A tombstone each, and no file of the photo left where it is served from."""
    answer = await cluster.master.delete(photo)
    assert answer.status == 200
    assert sorted(copy["node"] for copy in answer.document["copies"]) == [*HOMES]
    assert (answer.document["pending_mirrors"], answer.document["version"]) == ([], "")
    for node in HOMES:
        assert_gone_on(cluster, node, photo)


async def test_what_is_deleted_is_kept_in_the_trash(cluster, photo):
    """Every file of it, byte for byte, for as long as retention lasts."""
    before = cluster.files("east-1")
    await cluster.master.delete(photo)
    for node in HOMES:
        trash = {path.split("/", 2)[2]: path for path in cluster.hidden(node, ".trash")}
        assert {path: cluster.files(node)[trash[path]] for path in trash} == before


async def test_a_delete_again_is_harmless(cluster, photo):
    """At this storagemaster or another, the answer is that it is gone."""
    first = await cluster.master.delete(photo)
    before = cluster.all_files()
    other = await cluster.another_master()
    for master in (cluster.master, other):
        again = await master.delete(photo)
        assert again.status == 200
        assert again.document == first.document
    assert cluster.all_files() == before


async def test_a_photo_that_nobody_has_cannot_be_deleted(cluster):
    """404, and no tombstone of it is left behind."""
    photo_version = PhotoVersion(1, "0" * 16, "0" * 6)
    assert_problem(await cluster.master.delete(photo_version), 404, "unknown-photo")
    assert_problem(await cluster.master.delete_version(photo_version), 404, "unknown-photo")
    assert cluster.all_files() == {}


async def test_a_version_that_nobody_has_cannot_be_deleted(cluster, photo):
    """404 also when the photo has other versions, which stay."""
    answer = await cluster.master.delete_version(PhotoVersion(1, photo.photo, "0" * 6))
    assert_problem(answer, 404, "unknown-photo")
    assert (await cluster.master.photo(photo)).status == 200


async def test_a_photo_of_an_unknown_volume_cannot_be_deleted(cluster):
    """404, by its own name."""
    answer = await cluster.master.delete(PhotoVersion(9, "0" * 16, "0" * 6))
    assert_problem(answer, 404, "unknown-volume")


async def test_a_delete_of_a_version_leaves_the_others(cluster, photo):
    """The photo goes on under its other version."""
    revoked = await cluster.master.request("POST", f"/photos/{photo}/revoke")
    new = PhotoVersion(1, photo.photo, revoked.document["version"])
    again = await cluster.master.delete_version(photo)
    assert again.status == 200
    assert (await cluster.master.photo(photo)).status == 410
    assert (await cluster.master.photo(new)).status == 200
    for node in HOMES:
        assert render_path(VersionTombstone(photo)) in cluster.visible(node)
        assert tombstone_of(photo) not in cluster.visible(node)


async def test_a_version_of_a_deleted_photo_can_be_deleted(cluster, photo):
    """It is gone already, which is what was asked for."""
    await cluster.master.delete(photo)
    assert (await cluster.master.delete_version(photo)).status == 200


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize(("down", "up"), [("east-1", "west-1"), ("west-1", "east-1")])
async def test_with_a_mirror_down_its_tombstone_is_owed(cluster, photo, down, up, noticed):
    """Another node of its colo holds it, and hands it over when the mirror is back."""
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
async def test_a_frozen_mirror_is_owed_its_tombstone(cluster, photo):
    """It does not hold up the delete, and it hears of it later."""
    cluster.links["west-1"].freeze()
    await cluster.poll()
    answer = await cluster.master.delete(photo)
    assert (answer.status, answer.document["pending_mirrors"]) == (200, ["west-1"])
    cluster.links["west-1"].unfreeze()
    await cluster.master.deliver_hints()
    assert_gone_on(cluster, "west-1", photo)


async def test_with_a_colo_down_a_delete_is_on_two_nodes_of_the_other(cluster, photo):
    """The photo is gone there at once, and in the other colo when it is back."""
    await cluster.stop_and_notice("west-1", "west-2")
    answer = await cluster.master.delete(photo)
    assert answer.status == 200
    assert set(cluster.holders(tombstone_of(photo))) == {"east-1", "east-2 for west-1"}
    await cluster.start("west-1", "west-2")
    await cluster.master.deliver_hints()
    assert_gone_on(cluster, "west-1", photo)
    assert cluster.mirrors_are_equal(1)


async def test_what_was_deleted_while_a_node_was_away_does_not_come_back(cluster, photo):
    """Not with the node, by hand-over, by repair, or by another upload of its sizes."""
    await cluster.stop_and_notice("west-1")
    await cluster.master.delete(photo)
    await cluster.start("west-1")
    assert (await cluster.master.photo(photo)).status == 410
    for _ in range(2):
        await cluster.master.deliver_hints()
        assert (await cluster.master.request("POST", "/repairs/1")).status == 200
    for node in HOMES:
        assert_gone_on(cluster, node, photo)
    assert (await cluster.master.photo(photo)).status == 410


async def test_what_was_deleted_does_not_come_back_with_the_owed_work_lost(cluster, photo):
    """Owed work is a shortcut: without it the mirrors find out by comparing."""
    await cluster.stop_and_notice("west-1")
    await cluster.master.delete(photo)
    for path in cluster.hidden("west-2", ".hints"):
        cluster.path("west-2", path).unlink()
    await cluster.start_and_notice("west-1")
    assert (await cluster.master.request("POST", "/repairs/1")).status == 200
    assert_gone_on(cluster, "west-1", photo)


async def test_what_was_deleted_does_not_come_back_with_an_old_backup(cluster, photo):
    """A node whose disk was set back to before the delete is told again."""
    before = cluster.files("west-1")
    await cluster.master.delete(photo)
    cluster.path("west-1", tombstone_of(photo)).unlink()
    for path, data in before.items():
        cluster.write("west-1", path, data)
    assert (await cluster.master.photo(photo)).status == 410
    await cluster.master.request("POST", "/repairs/1")
    assert_gone_on(cluster, "west-1", photo)


async def test_a_photo_whose_mirrors_are_both_down_is_not_deleted(cluster, photo):
    """503: the client is not told of something that did not happen."""
    await cluster.stop_and_notice(*HOMES)
    answer = await cluster.master.delete(photo)
    assert_problem(answer, 503, "unavailable")
    assert "not deleted" in answer.document["detail"]
    await cluster.start_and_notice(*HOMES)
    assert (await cluster.master.photo(photo)).status == 200


async def test_a_delete_with_one_node_left_is_not_acknowledged(cluster, photo):
    """One tombstone is none, as one copy is none."""
    await cluster.stop("east-2", "west-1", "west-2")
    assert_problem(await cluster.master.delete(photo), 503, "unavailable")


async def test_a_delete_that_no_mirror_takes_is_not_acknowledged(cluster, photo):
    """Two nodes that hold it for others are not enough: the photo would still be served."""
    await cluster.stop_and_notice("west-1")
    cluster.mark_suspect("east-1")
    assert_problem(await cluster.master.delete(photo), 503, "unavailable")


@pytest.mark.usefixtures("despair")
async def test_a_revocation_that_no_mirror_takes_is_not_acknowledged(cluster, photo):
    """The wait has an end, and the old version is still there."""
    await cluster.stop_and_notice("west-1")
    cluster.mark_suspect("east-1")
    async with asyncio.timeout(20):
        answer = await cluster.master.request("POST", f"/photos/{photo}/revoke")
    assert_problem(answer, 503, "unavailable")
    assert (await cluster.master.photo(photo)).status == 200


async def test_a_photo_that_may_exist_is_deleted(cluster):
    """A mirror that cannot be asked may have it: the tombstone is written for when it is back."""
    await cluster.stop_and_notice("west-1")
    photo_version = PhotoVersion(1, "0" * 16, "0" * 6)
    answer = await cluster.master.delete(photo_version)
    assert answer.status == 200
    assert set(cluster.holders(tombstone_of(photo_version))) == {"east-1", "west-2 for west-1"}


async def test_full_disks_take_tombstones(cluster, photo):
    """The reserve is kept for them."""
    for node in cluster.stores:
        cluster.fill(node, to_the_brim=True)
    await cluster.poll()
    answer = await cluster.master.delete(photo)
    assert (answer.status, answer.document["pending_mirrors"]) == (200, [])
    for node in HOMES:
        assert_gone_on(cluster, node, photo)


async def test_a_suspect_mirror_is_owed_its_tombstone(cluster, photo):
    """It takes no writes; what it serves meanwhile is for the edges to know."""
    cluster.mark_suspect("east-1")
    await cluster.poll()
    answer = await cluster.master.delete(photo)
    assert (answer.status, answer.document["pending_mirrors"]) == (200, ["east-1"])
    assert set(cluster.holders(tombstone_of(photo))) == {"west-1", "east-2 for east-1"}
