"""Uploads: where the copies are, and that an acknowledged photo exists."""

import asyncio
import hashlib
import io
import os
import struct

import pytest
from PIL import ExifTags, Image

from storagemaster.uploads.upload_body import HEAD_BYTES_MAX
from storagenode.disk.filesystem import DIGEST_XATTR
from tests.storagemaster.pictures import long_picture, picture

MIB = 1024 * 1024


async def test_upload_is_on_two_nodes_in_two_colos_byte_for_byte(cluster):
    """The receipt names the nodes, and each has the bytes under the photo's path."""
    photo = picture()
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert answer.document["durability"] == "mirrored"
    assert answer.document["pending_mirrors"] == []
    assert {copy["colo"] for copy in answer.document["copies"]} == {"east", "west"}
    assert cluster.holders(answer.original) == dict.fromkeys(answer.nodes, photo)


async def test_both_copies_have_the_same_time_and_digest(cluster):
    """ETag and Last-Modified agree, and mirrors can be compared without reading."""
    photo = picture()
    answer = await cluster.master.upload(photo)
    paths = [cluster.path(node, answer.original) for node in ("east-1", "west-1")]
    times = {path.stat().st_mtime_ns for path in paths}
    assert len(times) == 1
    assert times.pop() % 1_000_000_000 == 0
    wanted = hashlib.sha256(photo).hexdigest()
    assert [os.getxattr(path, DIGEST_XATTR).decode() for path in paths] == [wanted, wanted]
    assert answer.document["sha256"] == wanted


async def test_receipt_describes_the_photo(cluster):
    """It has format, bytes, pixels, a URL for each size, and the path of the status."""
    photo = picture(file_format="PNG", width=320, height=200)
    answer = await cluster.master.upload(photo)
    document = answer.document
    assert (document["format"], document["bytes"]) == ("png", len(photo))
    assert (document["width"], document["height"]) == (320, 200)
    assert set(document["urls"]) == {*"sqtmx", "o"}
    assert all(url.startswith("http://photos.example/1/") for url in document["urls"].values())
    assert document["urls"]["o"].endswith(".png")
    assert answer.headers["Location"] == document["status"] == f"/photos/{answer.version}"


async def test_receipt_has_the_dimensions_as_displayed_and_as_stored(cluster):
    """A portrait with EXIF orientation 6 is stored as a landscape."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (320, 200)).save(buffer, "JPEG", exif=exif)
    document = (await cluster.master.upload(buffer.getvalue())).document
    assert (document["width"], document["height"]) == (200, 320)
    assert (document["stored_width"], document["stored_height"]) == (320, 200)


async def test_photo_whose_dimensions_come_last_arrives_whole(cluster):
    """Most programs write the directory of a TIFF behind all of its pixels."""
    buffer = io.BytesIO()
    Image.effect_noise((1400, 1100), 90).convert("RGB").save(buffer, "TIFF", compression="raw")
    photo = directory_last(buffer.getvalue())
    assert len(photo) > 2 * HEAD_BYTES_MAX
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert (answer.document["width"], answer.document["height"]) == (1400, 1100)
    assert cluster.holders(answer.original) == {"east-1": photo, "west-1": photo}


async def test_photo_that_is_refused_by_its_last_bytes_leaves_nothing(cluster):
    """It was on its way to the nodes, and none of them publishes it."""
    photo = b"II*\0" + struct.pack("<I", 3 * MIB) + bytes(3 * MIB - 8) + bytes(6)
    answer = await cluster.master.upload(photo)
    assert answer.status == 415
    assert "no width and height" in answer.document["detail"]
    await cluster.wait_until_nothing_is_staged()
    assert cluster.all_files() == {}


def directory_last(tiff):
    """Return a little-endian TIFF with its directory moved behind its pixels."""
    (at,) = struct.unpack("<I", tiff[4:8])
    (count,) = struct.unpack("<H", tiff[at : at + 2])
    directory = tiff[at : at + 2 + 12 * count + 4]
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + directory


@pytest.mark.parametrize("bytes_total", [700, 64 * 1024, MIB - 64, MIB, 3 * MIB + 17])
async def test_photos_of_any_length_arrive_whole(cluster, bytes_total):
    """The lengths include those at which a body is buffered or batched."""
    photo = long_picture(bytes_total)
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert cluster.holders(answer.original) == {"east-1": photo, "west-1": photo}


async def test_chunked_body_of_unknown_length_arrives_whole(cluster):
    """A client can create the photo while it sends it."""
    photo = long_picture(MIB)

    async def chunks():
        for start in range(0, len(photo), 50_000):
            yield photo[start : start + 50_000]

    answer = await cluster.master.upload(chunks())
    assert answer.status == 201
    assert cluster.holders(answer.original) == {"east-1": photo, "west-1": photo}


async def test_master_chooses_a_volume_if_the_client_does_not(cluster):
    """Any volume is possible while all nodes are up."""
    answer = await cluster.master.upload(picture(), volume=None)
    assert answer.status == 201
    assert answer.document["volume"] in {1, 2}
    assert answer.document["durability"] == "mirrored"


async def test_volume_with_a_node_down_is_skipped(cluster):
    """A volume whose mirrors are both up gets the photo, which is not degraded."""
    await cluster.stop_and_notice("east-1")
    for number in range(4):
        answer = await cluster.master.upload(picture(number=number), volume=None)
        assert (answer.status, answer.document["volume"]) == (201, 2)
        assert answer.document["durability"] == "mirrored"


async def test_requested_volume_with_a_node_down_gets_a_handoff_node_in_the_same_colo(cluster):
    """Two colos have the photo, and the receipt lists the pending mirror."""
    await cluster.stop_and_notice("east-1")
    photo = picture()
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert answer.document["durability"] == "mirrored"
    assert answer.document["pending_mirrors"] == ["east-1"]
    assert cluster.holders(answer.original) == {"west-1": photo, "east-2 for east-1": photo}
    handoff = next(copy for copy in answer.document["copies"] if copy["node"] == "east-2")
    assert handoff == {"node": "east-2", "colo": "east", "hint_for": "east-1"}


@pytest.mark.parametrize(("down", "live"), [("east", "west"), ("west", "east")])
async def test_with_a_colo_down_both_copies_are_in_the_other_one(cluster, down, live):
    """The receipt says that the photo is degraded, and lists the pending mirror."""
    await cluster.stop_and_notice(f"{down}-1", f"{down}-2")
    photo = picture()
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert answer.document["durability"] == "degraded"
    assert answer.document["pending_mirrors"] == [f"{down}-1"]
    assert cluster.holders(answer.original) == {
        f"{live}-1": photo,
        f"{live}-2 for {down}-1": photo,
    }


async def test_with_a_colo_down_a_strict_upload_fails(cluster):
    """Nothing is acknowledged or stored."""
    await cluster.stop_and_notice("west-1", "west-2")
    answer = await cluster.master.upload(picture(), headers={"Durability": "strict"})
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "2"
    assert cluster.all_files() == {}


async def test_strict_cluster_makes_every_upload_strict(cluster_with):
    """An upload cannot weaken the cluster's setting."""
    cluster = await cluster_with(strict=True)
    assert (await cluster.master.upload(picture())).status == 201
    await cluster.stop_and_notice("west-1", "west-2")
    for headers in ({}, {"Durability": "degraded"}):
        assert (await cluster.master.upload(picture(), headers=headers)).status == 503


async def test_strict_upload_succeeds_while_two_colos_can_store_it(cluster):
    """A single node that is down does not fail it."""
    await cluster.stop_and_notice("east-1")
    answer = await cluster.master.upload(picture(), headers={"Durability": "strict"})
    assert (answer.status, answer.document["durability"]) == (201, "mirrored")


@pytest.mark.parametrize("left", ["east-1", "east-2", "west-1", None])
async def test_with_one_node_left_or_none_nothing_is_acknowledged(cluster, left):
    """The response is 503 with Retry-After, and nothing is stored."""
    down = [node for node in ("east-1", "east-2", "west-1", "west-2") if node != left]
    await cluster.stop_and_notice(*down)
    answer = await cluster.master.upload(picture())
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "2"
    assert "nothing was stored" in answer.document["detail"]
    assert cluster.all_files() == {}


async def test_node_that_is_down_unnoticed_is_replaced(cluster):
    """A handoff node in the same colo pulls its copy from the other mirror."""
    await cluster.stop("west-1")
    photo = long_picture(300_000)
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert answer.document["durability"] == "mirrored"
    assert cluster.holders(answer.original) == {"east-1": photo, "west-2 for west-1": photo}


async def test_colo_that_is_down_unnoticed_is_replaced(cluster):
    """The second copy goes to the other colo, and the receipt says degraded."""
    await cluster.stop("west-1", "west-2")
    photo = long_picture(300_000)
    answer = await cluster.master.upload(photo)
    assert (answer.status, answer.document["durability"]) == (201, "degraded")
    assert cluster.holders(answer.original) == {"east-1": photo, "east-2 for west-1": photo}


async def test_strict_upload_that_loses_a_colo_is_not_acknowledged(cluster):
    """It was placed in two colos, but only one stored it."""
    await cluster.stop("west-1", "west-2")
    answer = await cluster.master.upload(picture(), headers={"Durability": "strict"})
    assert answer.status == 503
    assert "strict" in answer.document["detail"]


async def test_upload_to_two_mirrors_that_are_down_unnoticed_gets_503(cluster):
    """No node has the bytes, so the client must resend them; other mirrors store them then."""
    await cluster.stop("east-1", "west-1")
    answer = await cluster.master.upload(picture())
    assert answer.status == 503
    again = await cluster.master.upload(picture(), volume=None)
    assert (again.status, again.document["volume"]) == (201, 2)


@pytest.mark.parametrize("noticed", [True, False])
async def test_suspect_disk_gets_no_photo(cluster, noticed):
    """A handoff node stores its copy; an unnoticed fault makes the node reject the write."""
    cluster.mark_suspect("west-1")
    if noticed:
        await cluster.poll()
    photo = picture()
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert cluster.holders(answer.original) == {"east-1": photo, "west-2 for west-1": photo}


@pytest.mark.parametrize("noticed", [True, False])
async def test_full_disk_gets_no_photo(cluster, noticed):
    """A handoff node stores its copy; the free space is for files of existing photos."""
    cluster.fill("east-1", to_the_brim=not noticed)
    if noticed:
        await cluster.poll()
    photo = picture()
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert cluster.holders(answer.original) == {"west-1": photo, "east-2 for east-1": photo}


async def test_when_every_disk_is_full_nothing_is_acknowledged(cluster):
    """No node uses its reserve for a new photo."""
    for node in cluster.stores:
        cluster.fill(node)
    await cluster.poll()
    answer = await cluster.master.upload(picture(), volume=None)
    assert answer.status == 503
    assert cluster.all_files() == {}


async def test_concurrent_uploads_are_all_mirrored(cluster):
    """Each photo is on both its nodes, with its own bytes."""
    photos = [picture(number=number) for number in range(24)]
    answers = await asyncio.gather(*(cluster.master.upload(photo, volume=None) for photo in photos))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.original for answer in answers}) == len(photos)
    for photo, answer in zip(photos, answers, strict=True):
        assert cluster.holders(answer.original) == dict.fromkeys(answer.nodes, photo)
