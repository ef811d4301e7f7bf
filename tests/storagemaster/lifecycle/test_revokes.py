"""Revocations: the new version has all files of the old one, or its sizes are regenerated."""

import os

from storagenode.disk.filesystem import DIGEST_XATTR
from tests.storagemaster.bundles_to_send import sizes_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from tests.storagenode.disk.test_store import flip
from volumes.photo_path import Info, PhotoVersion, Variant, render_path

MIRRORS = ("east-1", "west-1")


async def revoke(cluster, photo_version):
    """Return the response to a revocation, and the new version."""
    answer = await cluster.master.revoke(photo_version)
    new = answer.document.get("version")
    return answer, PhotoVersion(photo_version.volume, photo_version.photo, new) if new else None


def original_of(photo_version):
    """Return the path of a version's original."""
    return render_path(Variant(photo_version, "o", "jpg"))


async def test_size_that_no_reachable_mirror_has_is_regenerated(cluster, photo):
    """The new version must not have an info that lists a missing size."""
    size = sizes_of(photo)[0].path
    await cluster.stop_and_notice("west-1")
    cluster.path("east-1", size).unlink()
    answer, new = await revoke(cluster, photo)
    assert answer.status == 200
    assert set(cluster.visible("east-1")) & {render_path(Info(new)), *sizes_paths(new)} == set()
    assert {"east-1", "west-2 for west-1"} <= set(cluster.holders(original_of(new)))
    status = await cluster.master.photo(new)
    assert status.document["state"] == "pending"


def sizes_paths(photo_version):
    """Return the paths of all files of a bundle."""
    return [file.path for file in sizes_of(photo_version)]


async def test_damaged_size_is_not_relinked(cluster, photo):
    """The first attempt quarantines it, and the second regenerates the sizes."""
    size = sizes_of(photo)[0].path
    await cluster.stop_and_notice("west-1")
    flip(cluster.path("east-1", size))
    answer, _ = await revoke(cluster, photo)
    assert_problem(answer, 503, "unavailable")
    assert (await cluster.master.photo(photo)).status == 200
    answer, new = await revoke(cluster, photo)
    assert answer.status == 200
    assert render_path(Info(new)) not in cluster.visible("east-1")
    assert cluster.files("east-1")[original_of(new)] == picture()


async def test_file_damaged_after_its_link_is_not_copied(cluster, photo, monkeypatch):
    """Both names share the bytes, and the digest that they lose."""
    await cluster.stop_and_notice("west-1")
    relink = cluster.stores["east-1"].relink

    def relink_and_rot(*arguments, **options):
        made = relink(*arguments, **options)
        original = cluster.path("east-1", original_of(photo))
        flip(original)
        os.removexattr(original, DIGEST_XATTR)
        return made

    monkeypatch.setattr(cluster.stores["east-1"], "relink", relink_and_rot)
    answer, _ = await revoke(cluster, photo)
    assert_problem(answer, 503, "unavailable")
    hints = cluster.hidden("west-2", ".hints")
    assert not any(path.endswith("_o.jpg") for path in hints)
