"""Direct writes give the same file as writes through the page cache."""

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
    """Return bytes without two equal blocks."""
    numbers = range(length // 8 + 1)
    return b"".join(number.to_bytes(8, "big") for number in numbers)[:length]


@pytest.fixture(name="handle")
def _handle(file_system):
    handle = file_system.create(".staging/written")
    yield handle
    file_system.close(handle)


def content(file_system):
    """Return the content of the written file."""
    return (file_system.root / ".staging/written").read_bytes()


@pytest.mark.parametrize("length", LENGTHS)
def test_a_file_has_the_bytes_that_were_written_whatever_their_number(file_system, handle, length):
    """Whole blocks and the remaining bytes are written in different ways, without a gap."""
    data = distinct_blocks(length)
    file_system.write(handle, data)
    assert content(file_system) == data


@pytest.mark.parametrize("first", LENGTHS)
def test_consecutive_chunks_have_no_gap(file_system, handle, first):
    """A chunk that ends within a block leaves an offset without alignment."""
    data = distinct_blocks(first + 2 * BUFFER_BYTES)
    file_system.write(handle, data[:first])
    file_system.write(handle, data[first:])
    assert content(file_system) == data


@pytest.mark.parametrize(
    ("length", "is_kept"), [(DIRECT_BYTES_MIN - 1, True), (BUFFER_BYTES, False)]
)
def test_the_page_cache_has_short_files_and_no_long_ones(file_system, handle, length, is_kept):
    """Sizes are read often, and originals must not displace them."""
    file_system.write(handle, bytes(length))
    reader = file_system.open_to_read(".staging/written")
    try:
        assert (file_system.read_cached(reader, length) is not None) is is_kept
    finally:
        file_system.close(reader)


def test_nothing_is_written_directly_within_a_block(handle):
    """The disk would refuse an unaligned write."""
    os.write(handle, b"a")
    assert write_direct(handle, bytes(BUFFER_BYTES)) == 0


def test_a_file_that_refuses_direct_writes_is_unchanged():
    """Some file systems lack them, and the caller writes everything."""
    handle = os.open("/proc/self/comm", os.O_WRONLY)
    try:
        flags = fcntl.fcntl(handle, fcntl.F_GETFL)
        assert write_direct(handle, bytes(BUFFER_BYTES)) == 0
        assert os.lseek(handle, 0, os.SEEK_CUR) == 0
        assert fcntl.fcntl(handle, fcntl.F_GETFL) == flags
    finally:
        os.close(handle)


def test_a_direct_write_restores_the_flags_of_the_handle(handle):
    """The last bytes are not a whole block and need a buffered write."""
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    write_direct(handle, bytes(BUFFER_BYTES + 1))
    assert fcntl.fcntl(handle, fcntl.F_GETFL) == flags


def test_a_file_at_its_size_limit_is_an_error(file_system, handle):
    """Neither way skips bytes that do not fit."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BUFFER_BYTES + 100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            file_system.write(handle, distinct_blocks(3 * BUFFER_BYTES))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert content(file_system) == distinct_blocks(BUFFER_BYTES + 100)
