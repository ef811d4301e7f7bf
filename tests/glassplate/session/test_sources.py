"""Sources: what can be uploaded, how much of it is known beforehand, and what is wrong with it."""

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


async def pieces_of(*pieces):
    """Pieces as they come from somewhere."""
    for chunk in pieces:
        yield chunk


def opened(source, length=None):
    """The body of a source."""
    return asyncio.run(open_source(source, length))


def read(body):
    """All that a body sends, and what was counted on its way."""

    async def read_all():
        counted = CountingBody(body)
        data = b"".join([chunk async for chunk in counted.chunks()])
        return data, counted

    return asyncio.run(read_all())


@pytest.mark.parametrize("size", [1, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX + 1])
def test_file_is_sent_whole_with_its_digest_known(size, tmp_path):
    """Held in memory or read again each time, a file is the same bytes."""
    data = os.urandom(size)
    path = tmp_path / "photo"
    path.write_bytes(data)
    body = opened(path)
    assert body.length == size
    assert body.is_replayable
    assert body.sha256 == hashlib.sha256(data).hexdigest()
    assert read(body)[0] == read(body)[0] == data


def test_huge_file_is_hashed_while_it_is_sent(tmp_path):
    """A file that would be read from its disk twice is read once."""
    path = tmp_path / "photo"
    with path.open("wb") as file:
        file.truncate(HASHED_FIRST_BYTES_MAX + 1)
    body = opened(path)
    assert body.sha256 is None
    assert body.is_replayable


def test_short_pieces_are_held():
    """So they can be sent again."""
    body = opened(pieces_of(b"a" * 10, b"b" * 10), 20)
    assert body.is_replayable
    assert read(body)[0] == b"a" * 10 + b"b" * 10


def test_long_pieces_come_once():
    """They are hashed on their way."""
    data = os.urandom(MEMORY_BYTES_MAX)
    body = opened(pieces_of(data, b"!"), MEMORY_BYTES_MAX + 1)
    assert not body.is_replayable
    sent, counted = read(body)
    assert sent == data + b"!"
    assert counted.sha256 == hashlib.sha256(sent).hexdigest()


@pytest.mark.parametrize("length", [100, MEMORY_BYTES_MAX + 5], ids=["short", "long"])
@pytest.mark.parametrize("lie", [-1, 1], ids=["fewer", "more"])
def test_length_that_lies_is_found_out_here(length, lie):
    """More or fewer bytes than announced end the upload, with numbers."""
    with pytest.raises(UnusableSource, match=f"was to have {length} bytes"):
        read(opened(pieces_of(b"x" * (length + lie)), length))


def test_empty_missing_and_strange_sources_are_refused(tmp_path):
    """Before anything is sent, in words."""
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with pytest.raises(UnusableSource, match=r"empty\.jpg is empty"):
        opened(empty)
    with pytest.raises(UnusableSource, match=r"missing\.jpg cannot be read: No such file"):
        opened(tmp_path / "missing.jpg")
    with pytest.raises(UnusableSource, match="cannot be read: Is a directory"):
        opened(tmp_path)
    with pytest.raises(UnusableSource, match="the source is empty"):
        opened(b"")
    with pytest.raises(UnusableSource, match="length of the pieces must be told"):
        opened(pieces_of(b"x"))


def test_source_that_fails_is_not_taken_for_a_connection():
    """An OSError of a source says so, and nobody tries again."""

    async def broken():
        yield b"x"
        raise ConnectionResetError("the camera was unplugged")

    with pytest.raises(UnusableSource, match="the camera was unplugged"):
        read(opened(broken(), MEMORY_BYTES_MAX + 1))
