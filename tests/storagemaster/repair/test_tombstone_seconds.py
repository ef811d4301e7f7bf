"""A tombstone has the second of the delete on every mirror, however it arrived there."""

import shutil

from storagenode.protocol.layout import Place
from tests.storagemaster.pictures import picture
from volumes.photo_path import PhotoTombstone, render_path

SECONDS = 1_600_000_000


def seconds_on(cluster, node, tombstone):
    """Return the second of a tombstone on a node."""
    return cluster.path(node, render_path(tombstone)).stat().st_mtime


async def delete_long_ago(cluster):
    """Delete a photo while a mirror is down, lose all hints, and return the tombstone."""
    photo = (await cluster.master.upload(picture())).version
    await cluster.stop_and_notice("west-1")
    tombstone = PhotoTombstone(photo.volume, photo.photo)
    await cluster.master.delete(photo)
    for node in ("east-1", "east-2", "west-2"):
        for hints in (cluster.root(node) / ".hints").iterdir():
            shutil.rmtree(hints)
    path = cluster.path("east-1", render_path(tombstone))
    path.unlink()
    node = cluster.master.fence_lifter._nodes["east-1"]
    await node.write_tombstone(Place(tombstone), mtime_seconds=SECONDS)
    return tombstone


async def test_reconcile_copies_the_second(cluster):
    """Not the second of the repair."""
    tombstone = await delete_long_ago(cluster)
    await cluster.start_and_notice("west-1")
    await cluster.master.reconcile.reconcile(1, unthrottled=True)
    assert seconds_on(cluster, "west-1", tombstone) == SECONDS


async def test_the_lifting_of_a_fence_copies_the_second(cluster):
    """The fence waits for the tombstone."""
    tombstone = await delete_long_ago(cluster)
    await cluster.start_and_notice("west-1")
    await cluster.master.fence_lifter.lift_fences()
    assert seconds_on(cluster, "west-1", tombstone) == SECONDS


async def test_two_deletes_of_one_photo_end_with_the_first_second(cluster):
    """Each side of a cut deleted it, and then got the hint of the other."""
    tombstone = await delete_long_ago(cluster)
    await cluster.start_and_notice("west-1")
    nodes = cluster.master.fence_lifter._nodes
    for node, seconds in (("west-1", SECONDS + 7), ("west-1", SECONDS), ("east-1", SECONDS + 7)):
        await nodes[node].write_tombstone(Place(tombstone), mtime_seconds=seconds)
    for node in ("east-1", "west-1"):
        assert seconds_on(cluster, node, tombstone) == SECONDS
