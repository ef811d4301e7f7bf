"""Erasures: a photo leaves every trash at once, and a signed proof says what was not reached."""

import pytest

from permission_urls import TombstoneProofs
from storagemaster.erasure_proof import is_genuine
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import KEYS
from volumes.photo_path import PhotoTombstone, render_path

PROOFS = TombstoneProofs(KEYS)
MIRRORS = ("east-1", "west-1")


@pytest.fixture(name="photo")
def _photo(runner, cluster):
    """Upload a photo, and return its version."""
    return runner.run(cluster.upload()).version


def tombstone_of(photo_version):
    """Return the path of the photo's tombstone."""
    return render_path(PhotoTombstone(photo_version.volume, photo_version.photo))


async def erase(cluster, photo, *version):
    """Erase a photo or a version, and return the proof."""
    path = "/".join((str(photo.volume), photo.photo, *version))
    response = await cluster.master.request("POST", f"/photos/{path}/erase")
    assert response.status == 200, response.document
    return response.document


def removed(proof):
    """Return the number of removed files by area and node."""
    return {each["node"]: each["removed"] for each in proof["nodes"] if each["removed"]}


async def test_an_erased_photo_is_nowhere(cluster, photo):
    """Only its tombstones are left, on every node; URLs answer 410 as after a delete."""
    path = await cluster.store_photo(picture(number=2))
    kept = cluster.all_files()
    proof = await erase(cluster, photo)
    count = len([each for each in kept["east-1"] if photo.photo in each])
    assert removed(proof) == {node: {"trash": count} for node in MIRRORS}
    assert {each["node"] for each in proof["nodes"] if each["is_mirror"]} == {*MIRRORS}
    assert (proof["unreachable"], proof["is_complete"]) == ({}, True)
    assert is_genuine(proof, PROOFS)
    left = {each for files in cluster.all_files().values() for each in files if photo.photo in each}
    assert left == {tombstone_of(photo)}
    assert (await cluster.read(path)).status == 200


async def test_an_erasure_finds_what_an_earlier_delete_left(cluster, photo):
    """In the trash and in the quarantine; repeating it is harmless."""
    await cluster.master.delete(photo)
    first = await erase(cluster, photo)
    assert set(removed(first)) == {*MIRRORS}
    again = await erase(cluster, photo)
    assert removed(again) == {}
    assert again["is_complete"]


async def test_a_node_that_is_down_is_named_and_erased_later(cluster, photo):
    """Its hint delivers the tombstone, and then its trash has the photo."""
    await cluster.stop_and_notice("west-1")
    proof = await erase(cluster, photo)
    assert set(proof["unreachable"]) == {"west-1"}
    assert not proof["is_complete"]
    await cluster.start_and_notice("west-1")
    await cluster.run_passes()
    assert cluster.hidden("west-1", ".trash")
    proof = await erase(cluster, photo)
    assert set(removed(proof)) == {"west-1"}
    assert proof["is_complete"]
    assert not cluster.hidden("west-1", ".trash")


async def test_another_version_stays(cluster, photo):
    """Of the same photo, after a revocation."""
    version = (await cluster.master.revoke(photo)).document["version"]
    proof = await erase(cluster, photo, photo.version)
    assert proof["photo"] == str(photo)
    live = {path for path in cluster.visible("east-1") if not path.endswith(".gone")}
    assert live
    assert all(version in path for path in live)
    assert not any(photo.version in path for path in cluster.hidden("east-1", ".trash"))


@pytest.mark.parametrize(
    "change",
    [{"unreachable": {}}, {"erased_at": "2020-01-01T00:00:00Z"}, {"photo": "1/0/0"}, {"nodes": []}],
    ids=lambda change: next(iter(change)),
)
async def test_a_changed_proof_is_not_genuine(cluster, photo, change):
    """Nor is one with the signature of a tombstone."""
    await cluster.stop_and_notice("west-1")
    proof = await erase(cluster, photo)
    assert is_genuine(proof, PROOFS)
    assert not is_genuine({**proof, **change}, PROOFS)
    assert not is_genuine({**proof, "signature": PROOFS.sign(tombstone_of(photo))}, PROOFS)


async def test_an_unknown_photo_is_not_erased(cluster):
    """As with a delete."""
    response = await cluster.master.request("POST", f"/photos/1/{'0' * 16}/erase")
    assert response.status == 404
