"""Sources of uploads: their bodies, digests, and errors."""

import asyncio
import hashlib
import os

import pytest

from glassplate import UnusableSource
from glassplate.session.sources import (
    HASHED_FIRST_BYTES_MAX,
    MEMORY_BYTES_MAX,
    STREAM_PART_BYTES,
    WHOLE_BYTES_MAX,
    CountingBody,
    RunningDigest,
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
    """Return all bytes of a body, which is sent in as many parts as it needs."""

    async def read_all():
        data = b""
        while len(data) < body.length:
            data += b"".join(
                [chunk async for chunk in CountingBody(body, start=len(data)).chunks()]
            )
        return data

    return asyncio.run(read_all())


@pytest.mark.parametrize("size", [1, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX + 1])
def test_a_file_has_its_digest_and_is_read_again(size, tmp_path):
    """A file yields the same bytes each time, from memory or from disk."""
    data = os.urandom(size)
    path = tmp_path / "photo"
    path.write_bytes(data)
    body = opened(path)
    assert body.length == size
    assert body.sha256 == hashlib.sha256(data).hexdigest()
    assert read(body) == read(body) == data


def test_a_huge_file_is_hashed_during_the_upload(tmp_path):
    """A file above the limit is not read twice."""
    path = tmp_path / "photo"
    with path.open("wb") as file:
        file.truncate(HASHED_FIRST_BYTES_MAX + 1)
    body = opened(path)
    assert body.sha256 is None


@pytest.mark.parametrize("length", [20, WHOLE_BYTES_MAX])
def test_short_streams_are_kept_in_memory(length):
    """A short stream is read once, and sent as often as needed."""
    data = os.urandom(length)
    body = opened(chunks_of(data[:7], data[7:]), length)
    assert read(body) == read(body) == data


@pytest.mark.parametrize("source", ["file", "bytes", "stream"])
def test_a_part_begins_at_any_byte(source, tmp_path):
    """The bytes from there on are the same, from any source."""
    data = os.urandom(2 * WHOLE_BYTES_MAX + 12345)
    (tmp_path / "photo").write_bytes(data)
    pieces = (data[start : start + 300_000] for start in range(0, len(data), 300_000))
    sources = {"file": tmp_path / "photo", "bytes": data, "stream": chunks_of(*pieces)}

    async def parts():
        body = await open_source(sources[source], len(data))
        for start in (0, 1, 1, 1_000_001, 2_000_002):
            stop = min(start + 1_000_001, len(data))
            part = b"".join([chunk async for chunk in body.chunks(start, stop)])
            assert part == data[start:stop]

    asyncio.run(parts())


def test_a_part_of_a_stream_is_kept_until_the_next_one():
    """It is read once, and sent again from memory, also if a request ends while it is read."""
    data = os.urandom(WHOLE_BYTES_MAX + 300_000)

    async def slow():
        for start in range(0, len(data), 100_000):
            await asyncio.sleep(0.001)
            yield data[start : start + 100_000]

    async def main():
        body = await open_source(slow(), len(data))

        async def send(start):
            return b"".join([chunk async for chunk in CountingBody(body, start=start).chunks()])

        interrupted = asyncio.create_task(send(0))
        await asyncio.sleep(0.02)
        interrupted.cancel()
        assert await send(0) == data[:STREAM_PART_BYTES]
        assert await send(5) == data[5 : STREAM_PART_BYTES + 5]
        assert await send(STREAM_PART_BYTES) == data[STREAM_PART_BYTES:]
        with pytest.raises(UnusableSource, match="cannot be read again"):
            await send(0)

    asyncio.run(main())


def test_the_digest_counts_each_byte_once():
    """Bytes that are sent again are not new, and a gap has no digest."""
    digest = RunningDigest()
    for offset, chunk in ((0, b"abcd"), (2, b"cdef"), (0, b"ab"), (6, b"g")):
        digest.add(offset, chunk)
    assert digest.of(7) == hashlib.sha256(b"abcdefg").hexdigest()
    assert digest.of(8) is None
    digest.add(9, b"j")
    assert digest.of(10) is None


@pytest.mark.parametrize("length", [100, WHOLE_BYTES_MAX + 5], ids=["short", "long"])
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
        read(opened(broken(), WHOLE_BYTES_MAX + 1))
