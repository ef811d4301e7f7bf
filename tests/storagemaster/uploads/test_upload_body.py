"""The body of an upload: read once, sniffed from its beginning, and held to its word at its end."""

import asyncio
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storagemaster.errors import (
    BadArgument,
    DigestMismatch,
    IdempotencyKeyReused,
    LengthMismatch,
    TooLarge,
    UnsupportedFormat,
)
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody, parse_digest_header
from tests.storagemaster.pictures import long_picture, picture

JPEG = picture()
SHA256 = hashlib.sha256(JPEG).hexdigest()


async def arriving(data, sizes=(1000,)):
    """A body that comes in pieces of these sizes, over and over."""
    start = turn = 0
    while start < len(data):
        size = sizes[turn % len(sizes)]
        yield data[start : start + size]
        start, turn = start + size, turn + 1


def incoming(data, *, bytes_max=10**6, sizes=(1000,), **announced):
    """An upload that has arrived in part."""
    return UploadBody(arriving(data, sizes), DeclaredBody(**announced), bytes_max=bytes_max)


async def whole(upload, **kept):
    """Everything that comes out of it."""
    await upload.sniff()
    return b"".join([chunk async for chunk in upload.body(**kept)])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_however_a_body_arrives_it_is_the_same(sizes):
    """Byte by byte or in one go: the sniffing loses nothing and doubles nothing."""

    async def read():
        upload = incoming(JPEG, sizes=sizes)
        sniffed = await upload.sniff()
        return sniffed, b"".join([chunk async for chunk in upload.body()])

    sniffed, data = asyncio.run(read())
    assert (sniffed.ext, sniffed.width, sniffed.height) == ("jpg", 64, 48)
    assert data == JPEG


async def test_as_little_is_read_as_tells():
    """The rest of a large photo waits until there is somewhere to put it."""
    read = 0

    async def counted():
        nonlocal read
        async for chunk in arriving(long_picture(500_000)):
            read += len(chunk)
            yield chunk

    await UploadBody(counted(), DeclaredBody(), bytes_max=10**6).sniff()
    assert read <= 4000


async def test_a_body_that_keeps_its_word_passes():
    """Length and digest as announced, and the digest that is kept already."""
    upload = incoming(JPEG, bytes_total=len(JPEG), sha256=SHA256)
    assert await whole(upload, stored_digest=SHA256) == JPEG


@pytest.mark.parametrize(
    ("announced", "kept", "error"),
    [
        ({"bytes_total": len(JPEG) + 1}, {}, LengthMismatch),
        ({"bytes_total": len(JPEG) - 1}, {}, LengthMismatch),
        ({"sha256": "0" * 64}, {}, DigestMismatch),
        ({}, {"stored_digest": "0" * 64}, IdempotencyKeyReused),
        ({"bytes_max": len(JPEG) - 1}, {}, TooLarge),
    ],
    ids=["shorter", "longer", "another digest", "other bytes than kept", "too long"],
)
async def test_a_body_that_does_not_keep_its_word_never_ends(announced, kept, error):
    """It raises where its end would be, so that nobody takes it for whole."""
    upload = incoming(JPEG, **announced)
    await upload.sniff()
    with pytest.raises(error):
        b"".join([chunk async for chunk in upload.body(**kept)])


async def test_a_body_announced_too_long_is_not_read():
    """Nothing of it."""

    async def never():
        raise AssertionError("it was read")
        yield b""

    with pytest.raises(TooLarge, match="upload_bytes_max"):
        await UploadBody(never(), DeclaredBody(bytes_total=11), bytes_max=10).sniff()


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"no picture" * 100])
async def test_what_is_no_photo_is_refused_before_anything_is_written(data):
    """By its beginning."""
    with pytest.raises(UnsupportedFormat):
        await incoming(data).sniff()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:", "00" * 32),
        ("md5=:x:, sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:", "00" * 32),
    ],
)
def test_a_digest_header_is_read(text, found):
    """As RFC 9530 writes it."""
    assert parse_digest_header(text) == found


@pytest.mark.parametrize("text", ["", "sha-256=AAAA", "sha-256=:AAAA:", "sha-512=:AAAA:", "::"])
def test_a_digest_header_without_a_sha256_is_refused(text):
    """What cannot be checked is not passed over."""
    with pytest.raises(BadArgument):
        parse_digest_header(text)
