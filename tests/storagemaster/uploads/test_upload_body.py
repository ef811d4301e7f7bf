"""Body of an upload: read once, sniffed at its beginning, and verified at its end."""

import asyncio
import hashlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storagemaster.errors import (
    BadArgument,
    DigestMismatch,
    IdempotencyKeyReused,
    LengthMismatch,
    TooLarge,
    TooManyPixels,
    UnsupportedFormat,
)
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody, parse_digest_header
from tests.storagemaster.pictures import long_picture, picture

JPEG = picture()
SHA256 = hashlib.sha256(JPEG).hexdigest()


async def arriving(data, sizes=(1000,)):
    """Yield a body in chunks of these sizes, repeatedly."""
    start = turn = 0
    while start < len(data):
        size = sizes[turn % len(sizes)]
        yield data[start : start + size]
        start, turn = start + size, turn + 1


def incoming(data, *, bytes_max=10**6, sizes=(1000,), **declared):
    """Return an upload whose body arrives in chunks."""
    return UploadBody(arriving(data, sizes), DeclaredBody(**declared), bytes_max=bytes_max)


async def whole(upload, **stored):
    """Return all bytes of an upload."""
    await upload.sniff()
    return b"".join([chunk async for chunk in upload.body(**stored)])


@settings(max_examples=40)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_sniffing_keeps_the_body_for_any_chunk_sizes(sizes):
    """No byte is lost or repeated."""

    async def read():
        upload = incoming(JPEG, sizes=sizes)
        assert await upload.sniff() == "jpg"
        data = b"".join([chunk async for chunk in upload.body()])
        return upload.photo, data

    sniffed, data = asyncio.run(read())
    assert (sniffed.ext, sniffed.width, sniffed.height) == ("jpg", 64, 48)
    assert data == JPEG


async def test_sniffing_reads_only_the_beginning():
    """Most of a large photo stays unread until it is placed."""
    read = 0

    async def counted():
        nonlocal read
        async for chunk in arriving(long_picture(500_000)):
            read += len(chunk)
            yield chunk

    await UploadBody(counted(), DeclaredBody(), bytes_max=10**6).sniff()
    assert read <= 4000


async def test_body_that_matches_its_declaration_passes():
    """It has the declared length and digest, and the stored digest."""
    upload = incoming(JPEG, bytes_total=len(JPEG), sha256=SHA256)
    assert await whole(upload, stored_digest=SHA256) == JPEG


@pytest.mark.parametrize(
    ("declared", "stored", "error"),
    [
        ({"bytes_total": len(JPEG) + 1}, {}, LengthMismatch),
        ({"bytes_total": len(JPEG) - 1}, {}, LengthMismatch),
        ({"sha256": "0" * 64}, {}, DigestMismatch),
        ({}, {"stored_digest": "0" * 64}, IdempotencyKeyReused),
        ({"bytes_max": len(JPEG) - 1}, {}, TooLarge),
    ],
    ids=["shorter", "longer", "another digest", "other bytes than stored", "too long"],
)
async def test_body_that_does_not_match_raises_at_its_end(declared, stored, error):
    """It raises instead of ending, so no node publishes it."""
    upload = incoming(JPEG, **declared)
    await upload.sniff()
    with pytest.raises(error):
        b"".join([chunk async for chunk in upload.body(**stored)])


async def test_body_declared_too_long_is_not_read():
    """No byte of it is read."""

    async def never():
        raise AssertionError("it was read")
        yield b""

    with pytest.raises(TooLarge, match="upload_bytes_max"):
        await UploadBody(never(), DeclaredBody(bytes_total=11), bytes_max=10).sniff()


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"no picture" * 100])
async def test_other_files_are_rejected_by_their_beginning(data):
    """Nothing has been written at that point."""
    with pytest.raises(UnsupportedFormat):
        await incoming(data).sniff()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:", "00" * 32),
        ("md5=:x:, sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:", "00" * 32),
    ],
)
def test_digest_header_is_parsed(text, found):
    """The form is that of RFC 9530."""
    assert parse_digest_header(text) == found


@pytest.mark.parametrize("text", ["", "sha-256=AAAA", "sha-256=:AAAA:", "sha-512=:AAAA:", "::"])
def test_digest_header_without_a_sha256_is_rejected(text):
    """A digest that cannot be verified is not ignored."""
    with pytest.raises(BadArgument):
        parse_digest_header(text)


def far_tiff(width, height, *, distance=3_000_000):
    """Return a TIFF whose directory, with its width and height, is far behind its beginning."""
    entries = struct.pack("<HHIHxxHHIHxx", 256, 3, 1, width, 257, 3, 1, height)
    directory = struct.pack("<H", 2) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", distance) + bytes(distance - 8) + directory


async def test_dimensions_far_behind_the_beginning_are_read_on_the_way():
    """The upload starts before they are known, and holds no more than its beginning."""
    data = far_tiff(640, 480)
    upload = incoming(data, bytes_max=10**7, sizes=(65_536,))
    assert await upload.sniff(pixels_max=640 * 480) == "tif"
    assert len(upload._head) <= 65_536
    assert b"".join([chunk async for chunk in upload.body()]) == data
    assert (upload.photo.width, upload.photo.height) == (640, 480)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (far_tiff(640, 480), TooManyPixels),
        (far_tiff(0, 480), UnsupportedFormat),
        (far_tiff(640, 480)[:-20], UnsupportedFormat),
    ],
    ids=["too many pixels", "no width", "cut short"],
)
async def test_a_body_that_turns_out_to_be_refused_never_ends(data, error):
    """No node publishes it: the body raises where its end would be."""
    upload = incoming(data, bytes_max=10**7, sizes=(65_536,))
    await upload.sniff(pixels_max=1000)
    with pytest.raises(error):
        b"".join([chunk async for chunk in upload.body()])


async def test_too_many_pixels_are_refused_before_anything_is_written():
    """The beginning has the dimensions."""
    with pytest.raises(TooManyPixels):
        await incoming(JPEG).sniff(pixels_max=64 * 48 - 1)
