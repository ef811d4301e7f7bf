"""Rejected uploads: the problem states the reason, and no node keeps anything."""

import asyncio
import base64
import gzip
import hashlib
import json
import os

import pytest

from tests.storagemaster.pictures import long_picture, picture
from volumes.cluster import Limits

PROBLEMS = "https://glassplate.example/problems/"
LIMITS = Limits(upload_bytes_max=100_000, pixels_max=1_000_000)
JPEG = picture()
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

NOT_PHOTOS = {
    "nothing": b"",
    "one byte": b"\xff",
    "text": b"just some words, which are not a picture\n" * 20,
    "random bytes": os.urandom(2000),
    "an SVG": SVG,
    "a PDF": b"%PDF-1.7\n" + bytes(1000),
    "a program": b"\x7fELF" + bytes(1000),
    "a JPEG's first bytes": JPEG[:3],
    "a PNG's first bytes": picture(file_format="PNG")[:20],
    "a JPEG that ends in its header": JPEG[:100],
    "a GIF that ends in its header": b"GIF89a\x01",
}


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with):
    """Return a small cluster with small limits."""
    return runner.run(cluster_with(limits=LIMITS))


def assert_problem(answer, status, slug):
    """Assert that the response is this problem, in the form of RFC 9457."""
    assert answer.status == status, answer.document
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert set(answer.document) == {"type", "title", "status", "detail", "request_id"}
    assert answer.document["type"] == PROBLEMS + slug
    assert answer.document["status"] == status
    assert answer.document["title"]
    assert answer.document["detail"]


async def assert_nothing_is_left(cluster):
    """Assert that no node has a photo, a staged file, or a hint."""
    await cluster.wait_until_nothing_is_staged()
    assert cluster.all_files() == {}


async def send_and_disconnect(cluster, data):
    """Send a part of a request, and return when the storagemaster has closed the connection."""
    reader, writer = await asyncio.open_connection(
        cluster.master.address.host, cluster.master.address.port
    )
    writer.write(data)
    writer.write_eof()
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


def digest_header(data):
    """Return the Repr-Digest header of some bytes."""
    text = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return {"Repr-Digest": f"sha-256=:{text}:"}


@pytest.mark.parametrize("name", NOT_PHOTOS)
async def test_other_files_than_photos_are_rejected(cluster, name):
    """The response is 415 with a reason and the supported formats."""
    answer = await cluster.master.upload(NOT_PHOTOS[name])
    assert_problem(answer, 415, "unsupported-format")
    assert "JPEG" in answer.document["detail"]
    await assert_nothing_is_left(cluster)


async def test_photo_longer_than_the_limit_is_rejected_by_its_declared_length(cluster):
    """The response is 413 before the body arrives."""
    reader, writer = await asyncio.open_connection(
        cluster.master.address.host, cluster.master.address.port
    )
    declared = LIMITS.upload_bytes_max + 1
    writer.write(cluster.master.upload_head(content_length=declared))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    problem = json.loads(await reader.read(1000))
    assert problem["type"] == PROBLEMS + "too-large"
    assert "limits.upload_bytes_max" in problem["detail"]
    writer.write(bytes(declared))
    writer.close()
    await writer.wait_closed()
    await assert_nothing_is_left(cluster)


async def test_photo_longer_than_the_limit_is_rejected_while_it_streams(cluster):
    """The response is 413 for a body of undeclared length."""

    async def chunks():
        yield long_picture(LIMITS.upload_bytes_max)
        yield b"!"

    answer = await cluster.master.upload(chunks())
    assert_problem(answer, 413, "too-large")
    await assert_nothing_is_left(cluster)


async def test_photo_exactly_as_long_as_the_limit_is_stored(cluster):
    """The limit is inclusive."""
    answer = await cluster.master.upload(long_picture(LIMITS.upload_bytes_max))
    assert answer.status == 201


async def test_photo_with_too_many_pixels_is_rejected(cluster):
    """The response is 422 for a photo that is small to send but too large to decode."""
    answer = await cluster.master.upload(picture(width=1001, height=1000))
    assert_problem(answer, 422, "too-many-pixels")
    assert "1001 x 1000" in answer.document["detail"]
    await assert_nothing_is_left(cluster)
    assert (await cluster.master.upload(picture(width=1000, height=1000))).status == 201


async def test_unknown_volume_is_rejected(cluster):
    """The response is 404 for a valid volume number that the config does not have."""
    answer = await cluster.master.upload(JPEG, volume=3)
    assert_problem(answer, 404, "unknown-volume")
    await assert_nothing_is_left(cluster)


@pytest.mark.parametrize("volume", ["0", "01", "-1", "65536", "one", "", "1e0"])
async def test_invalid_volume_is_rejected(cluster, volume):
    """The response is 400 for a number that no volume can have."""
    answer = await cluster.master.request("POST", f"/photos?volume={volume}", data=JPEG)
    assert_problem(answer, 400, "bad-argument")
    await assert_nothing_is_left(cluster)


@pytest.mark.parametrize("wait", ["9" * 5000, "9" * 19, "-1", "\u0661", "1.5", "", "61"])
async def test_invalid_wait_is_rejected(cluster, wait):
    """The response is 400, also for a number that Python refuses to parse."""
    answer = await cluster.master.request("POST", f"/photos?wait={wait}", data=JPEG)
    assert_problem(answer, 400, "bad-argument")
    await assert_nothing_is_left(cluster)


@pytest.mark.parametrize("path", ["/photos/info", "/regenerations"])
@pytest.mark.parametrize(
    "body", [b"[" * 60_000, b'{"a":' * 10_000, b"9" * 5000, b"\xff", b'"\\ud800"']
)
async def test_invalid_json_is_rejected(cluster, path, body):
    """The response is 400, also for JSON that is nested too deeply."""
    answer = await cluster.master.request("POST", path, data=body)
    assert_problem(answer, 400, "bad-argument")


async def test_unknown_query_parameter_is_rejected(cluster):
    """The response is 400 with the name, so a misspelled `volume` is not ignored."""
    answer = await cluster.master.request("POST", "/photos?vol=1&size=m", data=JPEG)
    assert_problem(answer, 400, "bad-argument")
    assert "size, vol" in answer.document["detail"]
    await assert_nothing_is_left(cluster)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br"},
        {"Durability": "eventual"},
        {"Repr-Digest": "md5=:AAAA:"},
        {"Repr-Digest": "sha-256=:AAAA:"},
    ],
    ids=str,
)
async def test_invalid_header_is_rejected(cluster, headers):
    """The response is 400, because the request cannot be done as sent."""
    data = gzip.compress(JPEG) if headers.get("Content-Encoding") == "gzip" else JPEG
    answer = await cluster.master.upload(data, headers=headers)
    assert_problem(answer, 400, "bad-argument")
    await assert_nothing_is_left(cluster)


async def test_body_with_another_digest_than_declared_is_rejected(cluster):
    """The response is 422 for a body that was damaged or is another file."""
    answer = await cluster.master.upload(JPEG, headers=digest_header(b"other bytes"))
    assert_problem(answer, 422, "digest-mismatch")
    await assert_nothing_is_left(cluster)


async def test_body_with_the_declared_digest_is_stored(cluster):
    """Other digest algorithms in the header are ignored."""
    header = digest_header(JPEG)["Repr-Digest"]
    answer = await cluster.master.upload(JPEG, headers={"Repr-Digest": f"md5=:AAAA:, {header}"})
    assert answer.status == 201


async def test_body_shorter_than_declared_is_not_stored(cluster):
    """The client disconnects within the body."""
    head = cluster.master.upload_head(content_length=len(JPEG) + 1)
    await send_and_disconnect(cluster, head + JPEG)
    await assert_nothing_is_left(cluster)


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n" + JPEG,
        f"{len(JPEG):x}\r\n".encode() + JPEG + b"\r\nxyz\r\n",
        f"{len(JPEG):x}\r\n".encode() + JPEG + b"!!",
    ],
    ids=["no length", "no second length", "no end of a chunk"],
)
async def test_body_with_malformed_chunks_is_not_stored(cluster, body):
    """The response is 400, because the end of the body is unknown."""
    reader, writer = await asyncio.open_connection(
        cluster.master.address.host, cluster.master.address.port
    )
    head = cluster.master.upload_head(content_length=0)
    writer.write(head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + body)
    answer = await reader.read(3000)
    writer.transport.abort()
    assert b" 400 " in answer.partition(b"\r\n")[0]
    await assert_nothing_is_left(cluster)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/photos", 405), ("POST", "/healthz", 405)],
)
async def test_request_without_a_route_gets_a_problem(cluster, method, path, status):
    """Every error response has the same form."""
    answer = await cluster.master.request(method, path)
    assert_problem(answer, status, "http")


async def test_upload_after_a_rejected_one_is_stored(cluster):
    """Unread bytes of a rejected body are not parsed as the next request."""
    for _ in range(3):
        assert (await cluster.master.upload(SVG)).status == 415
        assert (await cluster.master.upload(JPEG, volume=3)).status == 404
        assert (await cluster.master.upload(JPEG)).status == 201
