"""Status of a photo: decided by the files of both mirrors, and never guessed."""

import json
import os

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR
from tests.storagemaster.bundles_to_send import body_of, failure_of, sizes_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from volumes.photo_path import Info, PhotoVersion, render_path

MIRRORS = ("east-1", "west-1")


@pytest.fixture(name="receipt")
def _receipt(runner, cluster):
    """Return the response to an upload."""
    return runner.run(cluster.master.upload(picture()))


async def deliver(cluster, photo_version, files):
    """Deliver a bundle as a worker does."""
    await cluster.master.worker.put_bundle(photo_version, body_of(files), mtime_seconds=1)


async def test_photo_without_sizes_is_pending(cluster, receipt):
    """The URL of the original already works."""
    answer = await cluster.master.photo(receipt.version)
    assert (answer.status, answer.document["state"]) == (200, "pending")
    assert answer.document["urls"] == {"o": receipt.document["urls"]["o"]}
    assert answer.headers["Cache-Control"] == "no-store"


async def test_photo_with_its_info_is_ready(cluster, receipt):
    """It has a URL for each size."""
    await deliver(cluster, receipt.version, sizes_of(receipt.version))
    answer = await cluster.master.photo(receipt.version)
    assert answer.document["state"] == "ready"
    assert set(answer.document["urls"]) == {"s", "q", "t", "o"}
    assert answer.document["info"]["width"] == 64


async def test_photo_with_a_failure_record_has_failed(cluster, receipt):
    """The reason is plain English."""
    await deliver(cluster, receipt.version, failure_of(receipt.version, "the pixels are damaged"))
    answer = await cluster.master.photo(receipt.version)
    assert (answer.document["state"], answer.document["reason"]) == (
        "failed",
        "the pixels are damaged",
    )


async def test_one_mirror_is_enough_for_the_status(cluster, receipt):
    """It can be either of the two."""
    await deliver(cluster, receipt.version, sizes_of(receipt.version))
    for node in MIRRORS:
        await cluster.stop_and_notice(node)
        assert (await cluster.master.photo(receipt.version)).document["state"] == "ready"
        await cluster.start_and_notice(node)


async def test_status_is_the_union_of_both_mirrors(cluster, receipt):
    """Each mirror lacks a file that the other has."""
    await deliver(cluster, receipt.version, sizes_of(receipt.version))
    cluster.path("east-1", receipt.original).unlink()
    cluster.path("west-1", render_path(Info(receipt.version))).unlink()
    assert (await cluster.master.photo(receipt.version)).document["state"] == "ready"


@pytest.mark.parametrize("has_digest", [True, False])
async def test_damaged_info_is_read_from_the_other_mirror(cluster, receipt, has_digest):
    """Bytes that do not match their digest, or have none, are not used."""
    await deliver(cluster, receipt.version, sizes_of(receipt.version))
    path = cluster.path("east-1", render_path(Info(receipt.version)))
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(json.dumps({"variants": []}).encode().ljust(len(data)))
    if not has_digest:
        os.removexattr(path, DIGEST_XATTR)
    answer = await cluster.master.photo(receipt.version)
    assert set(answer.document["urls"]) == {"s", "q", "t", "o"}


async def test_deleted_photo_gets_410(cluster, receipt):
    """A deleted photo is not unknown."""
    await cluster.master.delete(receipt.version)
    assert_problem(await cluster.master.photo(receipt.version), 410, "photo-gone")


async def test_deleted_version_gets_410(cluster, receipt):
    """One mirror has the tombstone, and the other one still has the photo."""
    await cluster.stop_and_notice("west-1")
    await cluster.master.delete_version(receipt.version)
    await cluster.start_and_notice("west-1")
    assert_problem(await cluster.master.photo(receipt.version), 410, "photo-gone")


async def test_photo_that_no_mirror_has_gets_404(cluster, receipt):
    """All mirrors responded."""
    photo_version = receipt.version
    for other in (
        PhotoVersion(photo_version.volume, photo_version.photo, "0" * 6),
        PhotoVersion(photo_version.volume, "0" * 16, photo_version.version),
        PhotoVersion(2, photo_version.photo, photo_version.version),
    ):
        assert_problem(await cluster.master.photo(other), 404, "unknown-photo")


@pytest.mark.parametrize("down", MIRRORS)
@pytest.mark.parametrize("noticed", [True, False])
async def test_missing_photo_gets_503_while_a_mirror_is_down(cluster, down, noticed):
    """The mirror that is down can have the photo."""
    await cluster.stop(down)
    if noticed:
        await cluster.poll()
    answer = await cluster.master.photo(PhotoVersion(1, "0" * 16, "0" * 6))
    assert_problem(answer, 503, "unavailable")
    assert down in answer.document["detail"]
    assert answer.headers["Retry-After"] == "2"


async def test_missing_photo_gets_503_while_a_mirror_lost_the_volume(cluster):
    """A node without the volume cannot prove that the photo does not exist."""
    cluster.lose_volume("west-1", 1)
    answer = await cluster.master.photo(PhotoVersion(1, "0" * 16, "0" * 6))
    assert_problem(answer, 503, "unavailable")


async def test_photo_gets_503_while_both_mirrors_are_down(cluster, receipt):
    """An acknowledged photo never gets 404."""
    await cluster.stop_and_notice(*MIRRORS)
    assert_problem(await cluster.master.photo(receipt.version), 503, "unavailable")


@pytest.mark.parametrize("path", ["0/x/y", "1/short/3fz8qd", "1/01jd3x8m2c9qp4k7/UPPER!"])
async def test_malformed_reference_is_rejected(cluster, path):
    """The response is 400, because no receipt has such a reference."""
    assert_problem(await cluster.master.request("GET", f"/photos/{path}"), 400, "bad-argument")


async def test_unknown_volume_gets_404(cluster):
    """The problem names the volume."""
    answer = await cluster.master.photo(PhotoVersion(9, "0" * 16, "0" * 6))
    assert_problem(answer, 404, "unknown-volume")
