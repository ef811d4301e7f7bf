"""Uploads that cannot be kept: each gets a problem that says why, and leaves nothing anywhere."""

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
    "text": b"just some words, which are no picture at all\n" * 20,
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
    """A small cluster with small limits."""
    return runner.run(cluster_with(limits=LIMITS))


def assert_problem(answer, status, slug):
    """The answer is this problem, in the form that RFC 9457 gives it."""
    assert answer.status == status, answer.document
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert set(answer.document) == {"type", "title", "status", "detail"}
    assert answer.document["type"] == PROBLEMS + slug
    assert answer.document["status"] == status
    assert answer.document["title"]
    assert answer.document["detail"]


async def assert_nothing_is_left(cluster):
    """No node has anything: no photo, nothing unfinished, nothing owed."""
    await cluster.wait_until_nothing_is_staged()
    assert cluster.all_files() == {}


def digest_header(data):
    """Repr-Digest of some bytes."""
    text = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return {"Repr-Digest": f"sha-256=:{text}:"}


@pytest.mark.parametrize("name", NOT_PHOTOS)
async def test_what_is_no_photo_is_refused(cluster, name):
    """415, with a reason and the formats that are kept."""
    answer = await cluster.master.upload(NOT_PHOTOS[name])
    assert_problem(answer, 415, "unsupported-format")
    assert "JPEG" in answer.document["detail"]
    await assert_nothing_is_left(cluster)


async def test_a_photo_longer_than_the_limit_is_refused_by_its_length(cluster):
    """413 before a byte of it has come: what is announced is enough to know."""
    reader, writer = await asyncio.open_connection(
        cluster.master.address.host, cluster.master.address.port
    )
    announced = LIMITS.upload_bytes_max + 1
    writer.write(cluster.master.upload_head(content_length=announced))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    problem = json.loads(await reader.read(1000))
    assert problem["type"] == PROBLEMS + "too-large"
    assert "limits.upload_bytes_max" in problem["detail"]
    writer.write(bytes(announced))
    writer.close()
    await writer.wait_closed()
    await assert_nothing_is_left(cluster)


async def test_a_photo_longer_than_the_limit_is_refused_as_it_streams(cluster):
    """413 for a body whose length nobody announced."""

    async def pieces():
        yield long_picture(LIMITS.upload_bytes_max)
        yield b"!"

    answer = await cluster.master.upload(pieces())
    assert_problem(answer, 413, "too-large")
    await assert_nothing_is_left(cluster)


async def test_a_photo_exactly_as_long_as_the_limit_is_kept(cluster):
    """The limit is what is still allowed."""
    answer = await cluster.master.upload(long_picture(LIMITS.upload_bytes_max))
    assert answer.status == 201


async def test_a_photo_with_too_many_pixels_is_refused(cluster):
    """422: small to send, and far too large to decode."""
    answer = await cluster.master.upload(picture(width=1001, height=1000))
    assert_problem(answer, 422, "too-many-pixels")
    assert "1001 x 1000" in answer.document["detail"]
    await assert_nothing_is_left(cluster)
    assert (await cluster.master.upload(picture(width=1000, height=1000))).status == 201


async def test_an_unknown_volume_is_refused(cluster):
    """404: it is a volume number, and there is none such."""
    answer = await cluster.master.upload(JPEG, volume=3)
    assert_problem(answer, 404, "unknown-volume")
    await assert_nothing_is_left(cluster)


@pytest.mark.parametrize("volume", ["0", "01", "-1", "65536", "one", "", "1e0"])
async def test_a_volume_that_is_no_number_is_refused(cluster, volume):
    """400: no volume has such a number."""
    answer = await cluster.master.request("POST", f"/photos?volume={volume}", data=JPEG)
    assert_problem(answer, 400, "bad-argument")
    await assert_nothing_is_left(cluster)


async def test_an_unknown_query_is_refused(cluster):
    """400, with its name: a misspelt `volume` must not be passed over."""
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
async def test_a_header_that_makes_no_sense_is_refused(cluster, headers):
    """400: what cannot be done as asked is not done otherwise."""
    data = gzip.compress(JPEG) if headers.get("Content-Encoding") == "gzip" else JPEG
    answer = await cluster.master.upload(data, headers=headers)
    assert_problem(answer, 400, "bad-argument")
    await assert_nothing_is_left(cluster)


async def test_a_body_with_another_digest_than_announced_is_refused(cluster):
    """422: it was damaged on the way, or it is another file."""
    answer = await cluster.master.upload(JPEG, headers=digest_header(b"other bytes"))
    assert_problem(answer, 422, "digest-mismatch")
    await assert_nothing_is_left(cluster)


async def test_a_body_with_the_digest_announced_is_kept(cluster):
    """Also among other digests, which are passed over."""
    header = digest_header(JPEG)["Repr-Digest"]
    answer = await cluster.master.upload(JPEG, headers={"Repr-Digest": f"md5=:AAAA:, {header}"})
    assert answer.status == 201


async def test_a_body_shorter_than_announced_is_not_kept(cluster):
    """The client ended in the middle of it."""
    _, writer = await asyncio.open_connection(
        cluster.master.address.host, cluster.master.address.port
    )
    writer.write(cluster.master.upload_head(content_length=len(JPEG) + 1) + JPEG)
    writer.write_eof()
    await writer.drain()
    await asyncio.sleep(0.05)
    await assert_nothing_is_left(cluster)
    writer.transport.abort()


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n" + JPEG,
        f"{len(JPEG):x}\r\n".encode() + JPEG + b"\r\nxyz\r\n",
        f"{len(JPEG):x}\r\n".encode() + JPEG + b"!!",
    ],
    ids=["no length", "no second length", "no end of a chunk"],
)
async def test_a_body_whose_chunks_are_broken_is_not_kept(cluster, body):
    """400: where the body ends cannot be told."""
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
async def test_a_request_that_is_none_of_ours_gets_a_problem_too(cluster, method, path, status):
    """Whatever is answered with an error is answered in this one form."""
    answer = await cluster.master.request(method, path)
    assert_problem(answer, status, "http")


async def test_an_upload_after_a_refused_one_is_kept(cluster):
    """A refused body is not taken for the next request of the same client."""
    for _ in range(3):
        assert (await cluster.master.upload(SVG)).status == 415
        assert (await cluster.master.upload(JPEG, volume=3)).status == 404
        assert (await cluster.master.upload(JPEG)).status == 201
