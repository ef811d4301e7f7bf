"""Sources of uploads: their bodies, digests, and errors."""

import asyncio
import hashlib
import os

import pytest

from glassplate import UnusableSource
from glassplate.session.sources import (
    HASHED_FIRST_BYTES_MAX,
    MEMORY_BYTES_MAX,
    CountingBody,
    open_source,
)


async def chunks_of(*chunks):
    """Yield chunks."""
    for chunk in chunks:
        yield chunk


def opened(source, length=None):
    """Open a source."""
    return asyncio.run(open_source(source, length))


def read(body):
    """Return all bytes of a body, and the counting body."""

    async def read_all():
        counted = CountingBody(body)
        data = b"".join([chunk async for chunk in counted.chunks()])
        return data, counted

    return asyncio.run(read_all())


@pytest.mark.parametrize("size", [1, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX + 1])
def test_a_file_has_its_digest_and_is_replayable(size, tmp_path):
    """A file yields the same bytes each time, from memory or from disk."""
    data = os.urandom(size)
    path = tmp_path / "photo"
    path.write_bytes(data)
    body = opened(path)
    assert body.length == size
    assert body.is_replayable
    assert body.sha256 == hashlib.sha256(data).hexdigest()
    assert read(body)[0] == read(body)[0] == data


def test_a_huge_file_is_hashed_during_the_upload(tmp_path):
    """A file above the limit is not read twice."""
    path = tmp_path / "photo"
    with path.open("wb") as file:
        file.truncate(HASHED_FIRST_BYTES_MAX + 1)
    body = opened(path)
    assert body.sha256 is None
    assert body.is_replayable


def test_short_streams_are_kept_in_memory():
    """A short stream is replayable."""
    body = opened(chunks_of(b"a" * 10, b"b" * 10), 20)
    assert body.is_replayable
    assert read(body)[0] == b"a" * 10 + b"b" * 10


def test_long_streams_are_read_once():
    """A long stream is hashed during the upload and is not replayable."""
    data = os.urandom(MEMORY_BYTES_MAX)
    body = opened(chunks_of(data, b"!"), MEMORY_BYTES_MAX + 1)
    assert not body.is_replayable
    sent, counted = read(body)
    assert sent == data + b"!"
    assert counted.sha256 == hashlib.sha256(sent).hexdigest()


@pytest.mark.parametrize("length", [100, MEMORY_BYTES_MAX + 5], ids=["short", "long"])
@pytest.mark.parametrize("difference", [-1, 1], ids=["fewer", "more"])
def test_a_wrong_length_ends_the_upload(length, difference):
    """More or fewer bytes than declared raise an error with both numbers."""
    with pytest.raises(UnusableSource, match=f"must have {length} bytes"):
        read(opened(chunks_of(b"x" * (length + difference)), length))


def test_unusable_sources_are_rejected(tmp_path):
    """Empty and missing sources, directories, and undeclared lengths have their own messages."""
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with pytest.raises(UnusableSource, match=r"empty\.jpg is empty"):
        opened(empty)
    with pytest.raises(UnusableSource, match=r"cannot read .*missing\.jpg: No such file"):
        opened(tmp_path / "missing.jpg")
    with pytest.raises(UnusableSource, match=r"cannot read .*: Is a directory"):
        opened(tmp_path)
    with pytest.raises(UnusableSource, match="the source is empty"):
        opened(b"")
    with pytest.raises(UnusableSource, match="chunks need a declared length"):
        opened(chunks_of(b"x"))


def test_an_error_of_the_source_is_not_retried():
    """An OSError of the source becomes `UnusableSource`."""

    async def broken():
        yield b"x"
        raise ConnectionResetError("the camera was unplugged")

    with pytest.raises(UnusableSource, match="the camera was unplugged"):
        read(opened(broken(), MEMORY_BYTES_MAX + 1))
