"""Revocations: the new version has all files of the old one, or its sizes are regenerated."""

import hashlib
import json
import os

import pytest

from storagemaster.job_wire import NEW_QUEUE, SECOND_PASS_QUEUE, JobKind
from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.protocol.wire import BundledFile, render_bundle
from tests.storagemaster.bundles_to_send import sizes_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from tests.storagenode.disk.test_store import flip
from volumes.photo_path import Info, PhotoVersion, Variant, VersionTombstone, render_path

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


@pytest.fixture(name="enqueued")
def _enqueued(cluster, monkeypatch):
    """Return the jobs that a master enqueues: the original, its queue, and its kind."""
    jobs = []

    def enqueue(original, *, queue_name=NEW_QUEUE, kind=JobKind.SIZES):
        jobs.append((original, queue_name, kind))

    monkeypatch.setattr(cluster.master.queue, "enqueue", enqueue)
    return jobs


async def test_sizes_that_do_not_exist_yet_are_enqueued_at_once(cluster, enqueued):
    """The job of the old version ends without a result, so the new version gets its own."""
    receipt = (await cluster.master.upload(picture())).document
    old = PhotoVersion(receipt["volume"], receipt["photo"], receipt["version"])
    enqueued.clear()
    _, new = await revoke(cluster, old)
    assert enqueued == [(Variant(new, "o", "jpg"), NEW_QUEUE, JobKind.SIZES)]
    await revoke(cluster, old)
    assert len(enqueued) == 2, "a retry can follow a master that died before it enqueued the job"


async def test_sizes_that_exist_are_not_enqueued(cluster, photo, enqueued):
    """The new version has them already."""
    await revoke(cluster, photo)
    assert enqueued == []


async def test_a_retry_succeeds_although_no_mirror_listed_the_original(
    cluster, photo, enqueued, monkeypatch
):
    """Every copy can be in quarantine when the photo is listed first, and be replaced then."""
    _, new = await revoke(cluster, photo)
    for node in MIRRORS:
        hide_originals_once(cluster.stores[node], monkeypatch)
    answer, again = await revoke(cluster, photo)
    assert (answer.status, again, enqueued) == (200, new, [])


def hide_originals_once(store, monkeypatch):
    """Leave the originals out of the next listing of a photo."""
    list_photo, is_first = store.list_photo, iter([True])

    def list_without_originals(volume, photo):
        files = list_photo(volume, photo)
        is_hidden = next(is_first, False)
        return tuple(each for each in files if not (is_hidden and "_o." in each.name))

    monkeypatch.setattr(store, "list_photo", list_without_originals)


async def test_a_second_pass_that_was_not_made_yet_is_enqueued_at_once(cluster, enqueued):
    """The same holds for AVIF, which is made last."""
    receipt = (await cluster.master.upload(picture())).document
    old = PhotoVersion(receipt["volume"], receipt["photo"], receipt["version"])
    document = {
        "original": {"ext": "jpg"},
        "second_pass": [{"size": "m", "ext": "avif"}],
        "variants": [],
    }
    info = json.dumps(document).encode()
    digest = hashlib.sha256(info).hexdigest()
    body = render_bundle([BundledFile(render_path(Info(old)), digest, info)])
    await cluster.master.worker.put_bundle(old, body, mtime_seconds=1)
    enqueued.clear()
    _, new = await revoke(cluster, old)
    original = Variant(new, "o", "jpg")
    assert enqueued == [(original, SECOND_PASS_QUEUE, JobKind.SECOND_PASS)]


async def test_a_retry_waits_for_a_mirror_that_may_have_the_new_version(cluster, photo):
    """The reachable mirror has the tombstone of the old version only, which proves no delete."""
    await cluster.stop_and_notice("west-1")
    answer, new = await revoke(cluster, photo)
    assert answer.status == 200
    await cluster.start_and_notice("west-1")
    tombstone = render_path(VersionTombstone(photo))
    cluster.write("west-1", tombstone, b"")
    await cluster.stop_and_notice("east-1")
    answer, _ = await revoke(cluster, photo)
    assert_problem(answer, 503, "unavailable")
    await cluster.start_and_notice("east-1")
    answer, again = await revoke(cluster, photo)
    assert (answer.status, again) == (200, new)


async def test_a_retry_mirrors_a_new_version_that_one_mirror_has(cluster, photo):
    """The first attempt failed half-way, and the old version was deleted meanwhile."""
    _, new = await revoke(cluster, photo)
    made = {original_of(new), render_path(Info(new)), *sizes_paths(new)}
    for path in made:
        cluster.path("west-1", path).unlink()
    answer, again = await revoke(cluster, photo)
    assert (answer.status, again) == (200, new)
    assert made <= set(cluster.visible("west-1"))


async def test_a_retry_stores_hints_of_a_new_version_for_a_mirror_that_is_down(cluster, photo):
    """It has two copies before the response, as after the first attempt."""
    _, new = await revoke(cluster, photo)
    await cluster.stop_and_notice("west-1")
    answer, again = await revoke(cluster, photo)
    assert (answer.status, again) == (200, new)
    assert {"east-1", "west-2 for west-1"} <= set(cluster.holders(original_of(new)))


async def test_a_revoke_of_a_deleted_version_is_gone_once_all_mirrors_respond(cluster, photo):
    """And at once if the tombstone of the new version is there as well."""
    _, new = await revoke(cluster, photo)
    await cluster.master.delete(new)
    await cluster.stop_and_notice("west-1")
    answer, _ = await revoke(cluster, photo)
    assert_problem(answer, 410, "photo-gone")
