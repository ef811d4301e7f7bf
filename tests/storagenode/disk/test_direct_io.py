"""Writing past the page cache: the same bytes in the file, whatever the disk takes directly."""

import fcntl
import os
import resource

import pytest

from storagenode.disk.direct_io import BLOCK_BYTES, BUFFER_BYTES, DIRECT_BYTES_MIN, write_direct

LENGTHS = (
    1,
    DIRECT_BYTES_MIN - 1,
    DIRECT_BYTES_MIN,
    DIRECT_BYTES_MIN + 1,
    BUFFER_BYTES,
    3 * BUFFER_BYTES + BLOCK_BYTES - 1,
)


def distinct_blocks(length):
    """Bytes of which no two blocks are equal, so that none can be taken for another."""
    numbers = range(length // 8 + 1)
    return b"".join(number.to_bytes(8, "big") for number in numbers)[:length]


@pytest.fixture(name="handle")
def _handle(file_system):
    handle = file_system.create(".staging/written")
    yield handle
    file_system.close(handle)


def content(file_system):
    """What is in the file that was written."""
    return (file_system.root / ".staging/written").read_bytes()


@pytest.mark.parametrize("length", LENGTHS)
def test_a_file_has_the_bytes_that_were_written_whatever_their_number(file_system, handle, length):
    """Whole blocks go one way and what is left the other, with no seam between."""
    data = distinct_blocks(length)
    file_system.write(handle, data)
    assert content(file_system) == data


@pytest.mark.parametrize("first", LENGTHS)
def test_pieces_follow_each_other_without_a_gap(file_system, handle, first):
    """A piece that ends within a block leaves an offset that no block can be written at."""
    data = distinct_blocks(first + 2 * BUFFER_BYTES)
    file_system.write(handle, data[:first])
    file_system.write(handle, data[first:])
    assert content(file_system) == data


@pytest.mark.parametrize(
    ("length", "is_kept"), [(DIRECT_BYTES_MIN - 1, True), (BUFFER_BYTES, False)]
)
def test_memory_keeps_what_is_short_and_none_of_what_is_long(file_system, handle, length, is_kept):
    """Sizes are read soon and often, and an original takes the place of none of them."""
    file_system.write(handle, bytes(length))
    reader = file_system.open_to_read(".staging/written")
    try:
        assert (file_system.read_cached(reader, length) is not None) is is_kept
    finally:
        file_system.close(reader)


def test_nothing_is_written_directly_within_a_block(handle):
    """The disk would refuse it."""
    os.write(handle, b"a")
    assert write_direct(handle, bytes(BUFFER_BYTES)) == 0


def test_a_file_that_refuses_direct_writes_is_left_as_it_was():
    """Not every file system has them; the caller writes everything as ever."""
    handle = os.open("/proc/self/comm", os.O_WRONLY)
    try:
        flags = fcntl.fcntl(handle, fcntl.F_GETFL)
        assert write_direct(handle, bytes(BUFFER_BYTES)) == 0
        assert os.lseek(handle, 0, os.SEEK_CUR) == 0
        assert fcntl.fcntl(handle, fcntl.F_GETFL) == flags
    finally:
        os.close(handle)


def test_a_direct_write_leaves_the_handle_as_it_was(handle):
    """Its last bytes are no whole block, and could not be written otherwise."""
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    write_direct(handle, bytes(BUFFER_BYTES + 1))
    assert fcntl.fcntl(handle, fcntl.F_GETFL) == flags


def test_a_file_that_may_grow_no_more_is_an_error(file_system, handle):
    """Neither way may pass over bytes that there was no room for."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BUFFER_BYTES + 100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            file_system.write(handle, distinct_blocks(3 * BUFFER_BYTES))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert content(file_system) == distinct_blocks(BUFFER_BYTES + 100)
