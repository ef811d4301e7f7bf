"""What has become of a photo: from the files of both mirrors, and never guessed."""

import json
import os

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR
from tests.storagemaster.bundles_to_send import body_of, failure_of, sizes_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from volumes.photo_path import Info, PhotoVersion, render_path

HOMES = ("east-1", "west-1")


@pytest.fixture(name="receipt")
def _receipt(runner, cluster):
    """The answer to an upload."""
    return runner.run(cluster.master.upload(picture()))


async def hand_in(cluster, photo_version, files):
    """Send a bundle as a worker does."""
    await cluster.master.worker.put_bundle(photo_version, body_of(files), mtime_seconds=1)


async def test_a_photo_without_sizes_is_pending(cluster, receipt):
    """The original can be had already."""
    answer = await cluster.master.photo(receipt.version)
    assert (answer.status, answer.document["state"]) == (200, "pending")
    assert answer.document["urls"] == {"o": receipt.document["urls"]["o"]}
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_photo_with_its_info_is_ready(cluster, receipt):
    """With a URL for each size that was made."""
    await hand_in(cluster, receipt.version, sizes_of(receipt.version))
    answer = await cluster.master.photo(receipt.version)
    assert answer.document["state"] == "ready"
    assert set(answer.document["urls"]) == {"s", "q", "t", "o"}
    assert answer.document["info"]["width"] == 64


async def test_a_photo_that_cannot_be_done_has_failed(cluster, receipt):
    """With the reason, in words."""
    await hand_in(cluster, receipt.version, failure_of(receipt.version, "the pixels are damaged"))
    answer = await cluster.master.photo(receipt.version)
    assert (answer.document["state"], answer.document["reason"]) == (
        "failed",
        "the pixels are damaged",
    )


async def test_one_mirror_is_enough_to_know_what_it_has(cluster, receipt):
    """Whichever of the two is left."""
    await hand_in(cluster, receipt.version, sizes_of(receipt.version))
    for node in HOMES:
        await cluster.stop_and_notice(node)
        assert (await cluster.master.photo(receipt.version)).document["state"] == "ready"
        await cluster.start_and_notice(node)


async def test_what_one_mirror_has_and_the_other_lacks_counts(cluster, receipt):
    """The answer is for both together."""
    await hand_in(cluster, receipt.version, sizes_of(receipt.version))
    cluster.path("east-1", receipt.original).unlink()
    cluster.path("west-1", render_path(Info(receipt.version))).unlink()
    assert (await cluster.master.photo(receipt.version)).document["state"] == "ready"


async def test_a_damaged_info_is_read_from_the_other_mirror(cluster, receipt):
    """Bytes that do not have their digest are not believed."""
    await hand_in(cluster, receipt.version, sizes_of(receipt.version))
    path = cluster.path("east-1", render_path(Info(receipt.version)))
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(json.dumps({"variants": []}).encode().ljust(len(data)))
    answer = await cluster.master.photo(receipt.version)
    assert set(answer.document["urls"]) == {"s", "q", "t", "o"}


async def test_an_info_without_a_digest_is_read_from_the_other_mirror(cluster, receipt):
    """Nobody can say whether its bytes are those that were written."""
    await hand_in(cluster, receipt.version, sizes_of(receipt.version))
    path = cluster.path("east-1", render_path(Info(receipt.version)))
    path.chmod(0o644)
    path.write_bytes(b"no info")
    os.removexattr(path, DIGEST_XATTR)
    answer = await cluster.master.photo(receipt.version)
    assert set(answer.document["urls"]) == {"s", "q", "t", "o"}


async def test_a_deleted_photo_is_gone(cluster, receipt):
    """410, and not 404."""
    await cluster.master.delete(receipt.version)
    assert_problem(await cluster.master.photo(receipt.version), 410, "photo-gone")


async def test_a_deleted_version_is_gone(cluster, receipt):
    """Also while the tombstone is on one mirror only, and the photo on the other."""
    await cluster.stop_and_notice("west-1")
    await cluster.master.delete_version(receipt.version)
    await cluster.start_and_notice("west-1")
    assert_problem(await cluster.master.photo(receipt.version), 410, "photo-gone")


async def test_a_photo_that_no_mirror_has_is_unknown(cluster, receipt):
    """404: every mirror was asked."""
    photo_version = receipt.version
    for other in (
        PhotoVersion(photo_version.volume, photo_version.photo, "0" * 6),
        PhotoVersion(photo_version.volume, "0" * 16, photo_version.version),
        PhotoVersion(2, photo_version.photo, photo_version.version),
    ):
        assert_problem(await cluster.master.photo(other), 404, "unknown-photo")


@pytest.mark.parametrize("down", HOMES)
@pytest.mark.parametrize("noticed", [True, False])
async def test_a_photo_is_not_unknown_while_a_mirror_cannot_be_asked(cluster, down, noticed):
    """503 with when to try again: a mirror that is down may have it."""
    await cluster.stop(down)
    if noticed:
        await cluster.poll()
    answer = await cluster.master.photo(PhotoVersion(1, "0" * 16, "0" * 6))
    assert_problem(answer, 503, "unavailable")
    assert down in answer.document["detail"]
    assert answer.headers["Retry-After"] == "2"


async def test_a_photo_is_not_unknown_while_its_mirror_lost_the_volume(cluster):
    """A node that is no home of the volume has not said that there is no photo."""
    cluster.lose_volume("west-1", 1)
    answer = await cluster.master.photo(PhotoVersion(1, "0" * 16, "0" * 6))
    assert_problem(answer, 503, "unavailable")


async def test_with_both_mirrors_down_nothing_is_known(cluster, receipt):
    """503, and never 404 for a photo that was acknowledged."""
    await cluster.stop_and_notice(*HOMES)
    assert_problem(await cluster.master.photo(receipt.version), 503, "unavailable")


@pytest.mark.parametrize("path", ["0/x/y", "1/short/3fz8qd", "1/01jd3x8m2c9qp4k7/UPPER!"])
async def test_a_reference_that_is_none_is_refused(cluster, path):
    """400: it cannot have come from a receipt."""
    assert_problem(await cluster.master.request("GET", f"/photos/{path}"), 400, "bad-argument")


async def test_a_volume_that_is_not_there_is_unknown(cluster):
    """404, by its own name."""
    answer = await cluster.master.photo(PhotoVersion(9, "0" * 16, "0" * 6))
    assert_problem(answer, 404, "unknown-volume")
