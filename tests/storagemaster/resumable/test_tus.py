"""Resumable uploads by tus 1.0: what clients send, and what they get."""

import base64
import dataclasses
import hashlib

import pytest

from storagemaster.resumable.partial_copies import PartialCopies
from storagemaster.uploads.uploads import Uploads
from tests.storagemaster.pictures import picture
from tests.storagemaster.resumable.tus_client import TusClient, checksum_of, metadata_of
from tests.storagemaster.small_cluster import keys_of, wait_until

PHOTO = picture()
HALF = len(PHOTO) // 2
SHA256 = hashlib.sha256(PHOTO).hexdigest()


@pytest.fixture(name="tus")
def _tus(cluster):
    return TusClient(cluster.master)


async def begun(tus, headers=None, *, length=None):
    """Return the path of a new upload."""
    answer = await tus.begin(length or len(PHOTO), headers)
    assert answer.status == 201
    return answer.headers["Location"]


def originals(cluster, node):
    """Return the bytes of the originals on a node."""
    return [data for path, data in cluster.files(node).items() if "_o." in path]


def partials(cluster):
    """Return the uploads on the mirrors that are not complete."""
    return [each.name for n in ("east-1", "west-1") for each in cluster.root(n).glob(".partials/*")]


async def test_options_name_the_extensions(cluster):
    """A client learns them without a token."""
    answer = await cluster.master.request("OPTIONS", "/uploads", headers={"Authorization": ""})
    assert answer.status == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == (
        "creation,creation-with-upload,expiration,checksum,termination"
    )
    assert int(answer.headers["Tus-Max-Size"]) == 200 * 1024 * 1024
    assert "sha1" in answer.headers["Tus-Checksum-Algorithm"].split(",")


async def test_an_upload_in_parts_becomes_a_photo_in_two_colos(cluster, tus):
    """The last part names the photo, which is as if it had been uploaded at once."""
    path = await begun(tus)
    first = await tus.append(path, PHOTO[:HALF], offset=0)
    assert (first.status, first.headers["Upload-Offset"]) == (204, str(HALF))
    assert "Upload-Expires" in first.headers
    assert originals(cluster, "east-1") == []
    found = await tus.offset(path)
    assert (found.status, found.headers["Upload-Offset"]) == (200, str(HALF))
    assert found.headers["Upload-Length"] == str(len(PHOTO))
    assert found.headers["Cache-Control"] == "no-store"
    last = await tus.append(path, PHOTO[HALF:], offset=HALF)
    assert (last.status, last.headers["Upload-Offset"]) == (204, str(len(PHOTO)))
    assert last.headers["Durability"] == "mirrored"
    digest = base64.b64encode(bytes.fromhex(SHA256)).decode()
    assert last.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    for node in ("east-1", "west-1"):
        assert originals(cluster, node) == [PHOTO]
    assert cluster.mirrors_are_equal(1)
    status = await cluster.master.request("GET", f"/photos/{last.headers['Glassplate-Reference']}")
    assert status.document["state"] == "pending"


async def test_an_upload_is_continued_at_another_storagemaster(cluster, tus):
    """No storagemaster has a state of it: the URL says everything."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:HALF], offset=0)
    other = TusClient(await cluster.another_master())
    assert (await other.offset(path)).headers["Upload-Offset"] == str(HALF)
    assert (await other.append(path, PHOTO[HALF:], offset=HALF)).status == 204
    found = await tus.offset(path)
    assert found.headers["Upload-Offset"] == str(len(PHOTO))
    assert "Glassplate-Reference" in found.headers
    assert originals(cluster, "east-1") == [PHOTO]


async def test_a_photo_comes_with_the_first_request(cluster, tus):
    """One request is enough for a client that sends its bytes at once."""
    headers = {"Content-Type": "application/offset+octet-stream"}
    answer = await tus.begin(len(PHOTO), headers, data=PHOTO)
    assert (answer.status, answer.headers["Upload-Offset"]) == (201, str(len(PHOTO)))
    assert originals(cluster, "west-1") == [PHOTO]


async def test_nothing_is_left_of_an_upload_that_is_stored(cluster, tus):
    """Its bytes are a photo, and its URL leads to it; more bytes are refused."""
    path = await begun(tus)
    await tus.append(path, PHOTO, offset=0)
    await wait_until(lambda: not partials(cluster))
    again = await tus.append(path, b"", offset=len(PHOTO))
    assert again.status == 204
    assert (await tus.append(path, PHOTO[:5], offset=0)).status == 409
    assert (await tus.end(path)).status == 403
    state = await cluster.master.request("GET", path, headers={"Authorization": ""})
    assert (state.document["state"], state.document["offset"]) == ("stored", len(PHOTO))


async def test_another_offset_is_a_conflict(tus):
    """The client requests the offset."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:HALF], offset=0)
    answer = await tus.append(path, PHOTO[10:], offset=10)
    assert answer.status == 409
    assert f"continues at byte {HALF}, not at 10" in answer.document["detail"]


async def test_an_upload_that_is_ended_is_gone(cluster, tus):
    """Its bytes are removed, and its URL is not found."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:HALF], offset=0)
    assert (await tus.end(path)).status == 204
    assert partials(cluster) == []
    assert (await tus.offset(path)).status == 404
    assert (await tus.append(path, PHOTO[HALF:], offset=HALF)).status == 404
    assert (await tus.end(path)).status == 404


async def test_an_ended_upload_is_not_the_photo_of_another(cluster, tus):
    """Its key has stored other bytes meanwhile, and its client must not take them for its own."""
    key = {"Idempotency-Key": "one"}
    begun = await tus.begin(len(PHOTO), key, path="/uploads")
    path = begun.headers["Location"]
    await tus.append(path, PHOTO[:HALF], offset=0)
    await tus.end(path)
    other = await cluster.master.upload(picture(number=3, width=80), volume=None, key="one")
    assert other.status == 201
    assert (await tus.offset(path)).status == 404
    state = await cluster.master.request("GET", path, headers={"Authorization": ""})
    assert state.status == 404


@pytest.mark.parametrize("declared", [True, False])
async def test_another_photo_of_the_same_length_is_not_that_of_an_upload(
    cluster, tus, monkeypatch, declared
):
    """The key has other bytes, as a plain upload learns from 409."""
    (name,) = keys_of(1, count=1)
    key = {"Idempotency-Key": name}
    digest = {"Upload-Metadata": metadata_of(sha256=SHA256)} if declared else {}
    ended = (await tus.begin(len(PHOTO), key | digest, path="/uploads")).headers["Location"]
    await tus.append(ended, PHOTO[:HALF], offset=0)
    await tus.end(ended)
    complete = (await tus.begin(len(PHOTO), key, path="/uploads")).headers["Location"]
    reserve = Uploads.reserve

    async def reserve_later(uploads, request):
        reserved = await reserve(uploads, request)
        return dataclasses.replace(reserved, mtime_seconds=reserved.mtime_seconds + 1)

    monkeypatch.setattr(Uploads, "reserve", reserve_later)
    other = picture(number=3)[: len(PHOTO)].ljust(len(PHOTO), b"\0")
    assert (await cluster.master.upload(other, key=name)).status == 201
    assert (await cluster.master.upload(PHOTO, key=name)).status == 409
    assert (await tus.append(complete, PHOTO, offset=0)).status == 409
    for path in (ended, complete):
        assert (await tus.offset(path)).status == 404
    assert partials(cluster) == []


async def test_a_deleted_photo_is_gone(cluster, tus):
    """The upload of a photo that is deleted meanwhile does not bring it back."""
    path = await begun(tus)
    last = await tus.append(path, PHOTO, offset=0)
    volume, photo, _ = last.headers["Glassplate-Reference"].split("/")
    assert (await cluster.master.request("DELETE", f"/photos/{volume}/{photo}")).status == 200
    assert (await tus.offset(path)).status == 410


async def test_a_head_of_complete_bytes_stores_the_photo(cluster, tus, monkeypatch):
    """A client takes a full offset as success, so the photo must be stored before it learns it."""
    path = await begun(tus)
    with monkeypatch.context() as patch:
        patch.setattr("storagemaster.mirrors.mirroring.Mirroring.publish_and_copy", _fail)
        assert (await tus.append(path, PHOTO, offset=0)).status == 503
        assert (await tus.offset(path)).status == 423
    assert originals(cluster, "east-1") == []
    found = await tus.offset(path)
    assert (found.status, found.headers["Upload-Offset"]) == (200, str(len(PHOTO)))
    assert originals(cluster, "east-1") == [PHOTO]


async def test_bytes_that_another_request_removes_are_a_stored_photo(cluster, tus, monkeypatch):
    """It has committed them between the two looks of this request."""
    path = await begun(tus)
    real, calls = PartialCopies.lengths, []

    async def lengths(copies, upload):
        found = await real(copies, upload)
        calls.append(found)
        if len(calls) == 3:
            other = TusClient(await cluster.another_master())
            assert (await other.offset(path)).status == 200
            await wait_until(lambda: not partials(cluster))
        return found

    with monkeypatch.context() as patch:
        patch.setattr("storagemaster.mirrors.mirroring.Mirroring.publish_and_copy", _fail)
        assert (await tus.append(path, PHOTO, offset=0)).status == 503
    monkeypatch.setattr(PartialCopies, "lengths", lengths)
    calls.extend(({}, {}))
    found = await tus.offset(path)
    assert (found.status, found.headers["Upload-Offset"]) == (200, str(len(PHOTO)))
    assert "Glassplate-Reference" in found.headers


async def _fail(*_arguments, **_options):
    from storagemaster.errors import Unavailable

    raise Unavailable("a test says so")


async def test_while_no_copy_can_be_reached_the_upload_is_locked(cluster, tus):
    """Clients begin again after any other status of HEAD."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:HALF], offset=0)
    await cluster.stop_and_notice("east-1", "west-1")
    found = await tus.offset(path)
    assert (found.status, "Retry-After" in found.headers) == (423, True)
    assert (await tus.append(path, PHOTO[HALF:], offset=HALF)).status == 503


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_a_part_with_a_wrong_checksum_is_discarded(tus, algorithm):
    """The client sends it again."""
    path = await begun(tus)
    wrong = {"Upload-Checksum": checksum_of(b"other", algorithm=algorithm)}
    answer = await tus.append(path, PHOTO[:HALF], offset=0, headers=wrong)
    assert answer.status == 460
    assert (await tus.offset(path)).headers["Upload-Offset"] == "0"
    right = {"Upload-Checksum": checksum_of(PHOTO[:HALF], algorithm=algorithm)}
    answer = await tus.append(path, PHOTO[:HALF], offset=0, headers=right)
    assert answer.headers["Upload-Offset"] == str(HALF)


async def test_a_part_with_a_wrong_content_digest_is_discarded(tus):
    """RFC 9530 does the same as the checksums of tus, with another status."""
    path = await begun(tus)
    digest = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    answer = await tus.append(
        path, PHOTO[:HALF], offset=0, headers={"Content-Digest": f"sha-256=:{digest}:"}
    )
    assert answer.status == 422
    assert (await tus.offset(path)).headers["Upload-Offset"] == "0"


@pytest.mark.parametrize("way", ["Repr-Digest", "Upload-Metadata"])
async def test_a_photo_with_another_digest_than_declared_is_not_stored(cluster, tus, way):
    """It can never become right, so its bytes are removed."""
    other = hashlib.sha256(b"other")
    digest = base64.b64encode(other.digest()).decode()
    headers = {
        "Repr-Digest": {"Repr-Digest": f"sha-256=:{digest}:"},
        "Upload-Metadata": {"Upload-Metadata": metadata_of(sha256=other.hexdigest())},
    }
    path = await begun(tus, headers=headers[way])
    answer = await tus.append(path, PHOTO, offset=0)
    assert answer.status == 422
    assert SHA256 in answer.document["detail"]
    assert (await tus.offset(path)).status == 404
    assert originals(cluster, "east-1") == []


async def test_metadata_is_returned_as_sent(tus):
    """Clients keep the name of the file in it."""
    metadata = metadata_of(filename="cat.jpg", note="äöü")
    path = await begun(tus, headers={"Upload-Metadata": metadata})
    assert (await tus.offset(path)).headers["Upload-Metadata"] == metadata


@pytest.mark.parametrize("metadata", ["name\u00e9", '"' * 1024, "a" * 1025])
async def test_metadata_that_a_url_cannot_have_is_refused(cluster, tus, metadata):
    """No client gets a URL that no request is accepted at."""
    assert (await tus.begin(len(PHOTO), {"Upload-Metadata": metadata})).status == 400
    assert partials(cluster) == []


async def test_a_digest_in_metadata_is_accepted_in_either_case(tus):
    """Anything but a digest is refused before a byte is sent."""
    path = await begun(tus, headers={"Upload-Metadata": metadata_of(sha256=SHA256.upper())})
    assert (await tus.append(path, PHOTO, offset=0)).status == 204
    for malformed in ("", "ab", SHA256[1:] + "g"):
        metadata = metadata_of(sha256=malformed)
        assert (await tus.begin(len(PHOTO), {"Upload-Metadata": metadata})).status == 400


@pytest.mark.parametrize("checksum", [{}, {"Upload-Checksum": checksum_of(PHOTO)}])
async def test_a_body_without_a_length_ends_at_the_announced_byte(tus, checksum):
    """More is refused when it arrives, and takes no room on a disk."""

    async def endless():
        yield PHOTO
        while True:
            yield b"\0" * 65_536

    path = await begun(tus)
    answer = await tus.append(path, endless(), offset=0, headers=checksum)
    assert answer.status == 413
    assert "at most" in answer.document["detail"]


async def test_a_compressed_body_is_refused(tus):
    """It would be stored compressed."""
    path = await begun(tus)
    answer = await tus.append(path, PHOTO, offset=0, headers={"Content-Encoding": "gzip"})
    assert answer.status == 400
    assert (await tus.offset(path)).headers["Upload-Offset"] == "0"


async def test_a_file_that_is_not_a_photo_is_refused_at_its_beginning(tus):
    """A video of 100 MB is not sent to its end."""
    path = await begun(tus, length=100_000_000)
    answer = await tus.append(path, b"#!/bin/sh\necho\n" * 100, offset=0)
    assert answer.status == 415
    assert "supported formats" in answer.document["detail"]
    assert (await tus.offset(path)).status == 404


async def test_a_file_that_ends_in_its_header_is_refused_at_its_end(tus):
    """It can never become a photo."""
    path = await begun(tus, length=10)
    assert (await tus.append(path, PHOTO[:10], offset=0)).status == 415
    assert (await tus.offset(path)).status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Length": "0"}, 400),
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "9" * 5000}, 400),
        ({"Upload-Length": str(10**12)}, 413),
        ({"Upload-Defer-Length": "1"}, 400),
        ({"Upload-Metadata": "name not-base64!"}, 400),
        ({"Upload-Metadata": "name " + "QQ==" * 1000}, 400),
        ({"Tus-Resumable": "0.2.2"}, 412),
        ({"Authorization": "Bearer no"}, 401),
        ({"Durability": "certain"}, 400),
    ],
)
async def test_a_malformed_begin_is_refused(tus, headers, status):
    """Nothing is begun."""
    answer = await tus.begin(len(PHOTO), headers)
    assert answer.status == status
    assert "Location" not in answer.headers


async def test_malformed_parts_are_refused(cluster, tus):
    """The upload is as it was."""
    path = await begun(tus)
    for headers, status in (
        ({"Content-Type": "image/jpeg"}, 415),
        ({"Upload-Offset": "x"}, 400),
        ({"Upload-Checksum": "crc32 AAAA"}, 400),
        ({"Upload-Checksum": "sha1 AAAA"}, 400),
        ({"Content-Digest": "md5=:AAAA:"}, 400),
        ({"Tus-Resumable": "1"}, 412),
    ):
        assert (await tus.append(path, PHOTO, offset=0, headers=headers)).status == status
    assert (await tus.append(path, PHOTO + b"x", offset=0)).status == 413
    assert (await tus.offset(path)).headers["Upload-Offset"] == "0"
    forged = path[:-1] + ("A" if path[-1] != "A" else "B")
    for other in (forged, "/uploads/x", f"/uploads/{'x' * 3000}"):
        assert (await tus.offset(other)).status == 404
        assert (await tus.append(other, PHOTO, offset=0)).status == 404
    assert originals(cluster, "east-1") == []


async def test_a_method_can_be_sent_as_a_header(cluster, tus):
    """Some clients are behind a proxy that lets only GET and POST through."""
    path = await begun(tus)
    sent = {
        "Tus-Resumable": "1.0.0",
        "X-HTTP-Method-Override": "PATCH",
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": "0",
    }
    answer = await cluster.master.request("POST", path, data=PHOTO, headers=sent)
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(len(PHOTO)))
    sent["X-HTTP-Method-Override"] = "GET"
    assert (await cluster.master.request("POST", path, headers=sent)).status == 400


async def test_every_response_has_the_version(tus):
    """Also a refusal, as the protocol requires."""
    path = await begun(tus)
    for answer in (await tus.offset(path), await tus.offset("/uploads/x"), await tus.begin("x")):
        assert answer.headers["Tus-Resumable"] == "1.0.0"
