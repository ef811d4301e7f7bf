"""A tombstone that no storagemaster wrote deletes nothing elsewhere; the status names it."""

import os

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.protocol.errors import InvalidSignature
from storagenode.protocol.layout import Place
from storagenode.protocol.routes import WRITE_TOMBSTONE
from tests.storagemaster.pictures import picture
from tests.storagenode.tombstones import proof_of
from volumes.photo_path import PhotoTombstone, VersionTombstone, render_path


def invent(cluster, node, place, proof=""):
    """Put a tombstone on a node's disk, as a broken disk or a bug does."""
    path = cluster.path(node, place.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    if proof:
        os.setxattr(path, DIGEST_XATTR, proof.encode())


def tombstones_on(cluster, node):
    """Return the names of the tombstones among a node's live files."""
    return {path for path in cluster.visible(node) if path.endswith(".gone")}


@pytest.mark.parametrize("kind", ["photo", "version"])
@pytest.mark.parametrize("proof", ["", "of another photo"])
async def test_reconcile_obeys_no_tombstone_without_a_valid_proof(cluster, kind, proof):
    """The other mirror keeps and serves the photo; the status names the file."""
    photo = (await cluster.master.upload(picture())).version
    other = (await cluster.master.upload(picture(number=2))).version
    tombstone = (
        VersionTombstone(photo) if kind == "version" else PhotoTombstone(photo.volume, photo.photo)
    )
    place = Place(tombstone)
    invent(cluster, "east-1", place, proof and proof_of(Place(VersionTombstone(other))))
    await cluster.master.reconcile.reconcile(photo.volume, unthrottled=True)
    assert tombstones_on(cluster, "west-1") == set()
    assert {path for path in cluster.visible("west-1") if photo.photo in path}
    assert (await cluster.master.photo(photo)).status == 200
    status = (await cluster.master.request("GET", "/status")).document
    (alert,) = [each for each in status["alerts"] if "without a valid" in each]
    assert alert.startswith(f"node east-1 has 1 tombstone without a valid proof, such as {place}")


async def test_the_lifting_of_a_fence_delivers_no_unproven_tombstone(cluster):
    """An impostor at the address of the other mirror could otherwise delete everything."""
    photo = (await cluster.master.upload(picture())).version
    place = Place(PhotoTombstone(photo.volume, photo.photo))
    await cluster.stop_and_notice("west-1")
    invent(cluster, "east-1", place)
    await cluster.start_and_notice("west-1")
    await cluster.master.fence_lifter.lift_fences()
    assert tombstones_on(cluster, "west-1") == set()


async def test_a_hinted_tombstone_without_a_proof_is_not_delivered(cluster):
    """Other hints are."""
    photo = (await cluster.master.upload(picture())).version
    tombstone = PhotoTombstone(photo.volume, photo.photo)
    invent(cluster, "east-2", Place(tombstone, "west-1"))
    await cluster.poll()
    await cluster.master.hinted_handoff.deliver_all()
    assert tombstones_on(cluster, "west-1") == set()


async def test_a_node_refuses_a_tombstone_whose_proof_is_of_another_photo(cluster):
    """A signed request alone deletes nothing."""
    photo = (await cluster.master.upload(picture())).version
    place = Place(PhotoTombstone(photo.volume, photo.photo))
    client = cluster.master.fence_lifter._nodes["east-1"]
    for proof in ("", proof_of(Place(VersionTombstone(photo)))):
        target = WRITE_TOMBSTONE.at(place, mtime_seconds=0, proof=proof)
        with pytest.raises(InvalidSignature, match="is not valid"):
            await client._call(target)
    assert tombstones_on(cluster, "east-1") == set()


async def test_deleting_again_proves_a_tombstone_that_lost_its_proof(cluster):
    """A restored backup without xattrs has lost the proofs; the delete stays in force."""
    photo = (await cluster.master.upload(picture())).version
    await cluster.master.delete(photo)
    place = Place(PhotoTombstone(photo.volume, photo.photo))
    os.removexattr(cluster.path("east-1", render_path(place.file)), DIGEST_XATTR)
    await cluster.master.reconcile.reconcile(photo.volume, unthrottled=True)
    proof = os.getxattr(cluster.path("east-1", place.path), DIGEST_XATTR)
    assert proof.decode() == proof_of(place)
