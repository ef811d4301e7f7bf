"""With `strip_original = "gps"`, no node ever has the position of a photo."""

import base64
import hashlib

import aiohttp
import pytest

from tests.storagemaster.image_header.test_positions import PHOTOS, position_of
from tests.storagemaster.pictures import picture
from tests.storagemaster.resumable.tus_client import TusClient
from tests.storagemaster.small_cluster import keys_of
from volumes.variant_formats import VariantFormats

PHOTO = PHOTOS["JPEG"]()
MIRRORS = ("east-1", "west-1")


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with):
    """Return a cluster that strips positions."""
    return runner.run(cluster_with(variant_formats=VariantFormats(strip_original="gps")))


def stored(cluster, photo):
    """Return the original on each mirror; both have the same bytes."""
    (found,) = {
        data
        for node in MIRRORS
        for path, data in cluster.files(node).items()
        if photo in path and "_o." in path
    }
    return found


@pytest.mark.parametrize("how", ["small", "streamed", "declared", "form"])
async def test_an_original_is_stored_without_its_position(cluster, how):
    """The receipt says so, and has the digest of the stored bytes."""
    photo = PHOTO + bytes(2_000_000 if how == "streamed" else 0)
    digest = base64.b64encode(hashlib.sha256(photo).digest()).decode()
    headers = {"Repr-Digest": f"sha-256=:{digest}:"} if how == "declared" else {}
    data = aiohttp.FormData()
    data.add_field("photo", photo, filename="photo.jpg")
    sent = data if how == "form" else photo
    answer = await cluster.master.upload(sent, headers=headers)
    assert answer.status == 201, answer.document
    original = stored(cluster, answer.document["photo"])
    assert (len(original), position_of(original)) == (len(photo), {})
    assert answer.document["stripped"] == "gps"
    assert answer.document["sha256"] == hashlib.sha256(original).hexdigest()


async def test_a_photo_without_a_position_is_stored_as_it_is(cluster):
    """The receipt has nothing to say."""
    answer = await cluster.master.upload(picture())
    assert stored(cluster, answer.document["photo"]) == picture()
    assert answer.document["stripped"] == ""


async def test_a_repeated_upload_is_the_same_photo(cluster):
    """With an Idempotency-Key; other bytes are refused."""
    (key,) = keys_of(1, count=1)
    first = await cluster.master.upload(PHOTO, key=key)
    again = await cluster.master.upload(PHOTO, key=key)
    assert (first.status, again.status) == (201, 200)
    assert again.document["sha256"] == first.document["sha256"]
    assert (await cluster.master.upload(PHOTOS["PNG"](), key=key)).status == 409


async def test_bytes_that_are_not_the_declared_ones_are_refused(cluster):
    """The declaration is that of the sent bytes."""
    headers = {"Repr-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"}
    assert (await cluster.master.upload(PHOTO, headers=headers)).status == 422
    assert not any("_o." in path for path in cluster.files("east-1"))


async def test_a_resumable_upload_is_stripped_as_well(cluster):
    """Also if it is committed again."""
    tus = TusClient(cluster.master)
    path = (await tus.begin(len(PHOTO))).headers["Location"]
    await tus.append(path, PHOTO[:1000], offset=0)
    assert (await tus.append(path, PHOTO[1000:], offset=1000)).status == 204
    (original,) = {
        data for node in MIRRORS for path, data in cluster.files(node).items() if "_o." in path
    }
    assert position_of(original) == {}
    assert len(original) == len(PHOTO)
    assert (await tus.offset(path)).status == 200
