"""Receiving of bodies in threads: no file is closed while a thread uses it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.store import DiskStore
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import BadRequest, Unreachable
from storagenode.protocol.wire import render_trailer
from storagenode.write_port.receiving import BATCH_BYTES, Receiver
from tests.storagenode.photo_samples import MTIME, VOLUME, digest_of, variant_of, version_of
from tests.storagenode.tombstones import PROOFS

PLACE = variant_of(version_of(5))
WAIT_SECONDS = 30


class FileSystemThatWaits(DiskFileSystem):
    """A real file system whose writes block until they are released."""

    def __init__(self, root):
        super().__init__(root)
        self.has_begun, self.may_end = threading.Event(), threading.Event()
        self.done = []

    def write(self, handle, data):
        """Block during the write."""
        self.has_begun.set()
        assert self.may_end.wait(WAIT_SECONDS)
        super().write(handle, data)
        self.done.append("write")

    def close(self, handle):
        """Record the call."""
        self.done.append("close")
        super().close(handle)


@pytest.fixture(name="disk")
def _disk(root):
    disk = FileSystemThatWaits(root)
    yield disk
    disk.close_root()


@pytest.fixture(name="threads")
def _threads():
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture(name="receive")
def _receive(disk, threads):
    """Return the coroutine that receives a body."""
    receiver = Receiver(DiskStore(disk, PROOFS), threads)

    def receive(body):
        return receiver.receive(
            body, PLACE, mtime_seconds=MTIME, bytes_expected=0, check_trailer=lambda *_: None
        )

    return receive


async def large_body(*, then=None):
    """Yield more bytes than a batch has."""
    yield bytes(2 * BATCH_BYTES)
    if then is not None:
        raise then
    yield bytes(2 * BATCH_BYTES)
    yield render_trailer("")


async def small_body():
    """Yield a body of one batch."""
    yield b"bytes"
    yield render_trailer("")


@pytest.mark.parametrize("body", [large_body, small_body])
def test_a_request_that_is_cancelled_waits_for_its_thread(disk, receive, body):
    """Otherwise the thread could write to another file with the same descriptor."""

    async def cancel_in_the_middle():
        receiving = asyncio.create_task(receive(body()))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, disk.has_begun.wait, WAIT_SECONDS)
        receiving.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert "close" not in disk.done
        assert not receiving.done()
        disk.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await receiving

    asyncio.run(cancel_in_the_middle())
    assert disk.done[0] == "write"
    assert disk.done.count("close") == 1
    assert disk.list(".staging") == []


@pytest.mark.parametrize(
    "error", [ConnectionResetError("gone"), TimeoutError("late"), OSError(5, "of the network")]
)
def test_an_error_of_the_network_is_not_the_disk_s(disk, receive, error):
    """Whatever its errno is."""
    disk.may_end.set()
    with pytest.raises(Unreachable, match="the sender disconnected"):
        asyncio.run(receive(large_body(then=error)))
    assert disk.list(".staging") == []


def test_other_errors_of_a_body_are_unchanged(disk, receive):
    """They leave nothing behind either."""
    disk.may_end.set()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(receive(large_body(then=ZeroDivisionError())))
    assert disk.list(".staging") == []


def test_a_body_without_a_trailer_is_refused(disk, receive):
    """It is truncated."""

    async def body():
        yield b"x" * 63

    with pytest.raises(BadRequest):
        asyncio.run(receive(body()))
    assert disk.list(".staging") == []
    assert disk.list(f"{VOLUME}/{version_of(5).shard}") == []


class MeetingDisk(DiskFileSystem):
    """A disk on which no fsync of a file ends before several have begun."""

    def __init__(self, root, *, files):
        super().__init__(root)
        self._begun = threading.Barrier(files)

    def fsync(self, handle):
        """Wait for the others, then flush the file."""
        self._begun.wait(WAIT_SECONDS)
        super().fsync(handle)


def test_small_files_of_one_request_wait_for_the_disk_at_once(root):
    """Each file has its own thread, so slow fsyncs overlap."""
    disk = MeetingDisk(root, files=4)
    files = [
        InMemoryFile(variant_of(version_of(number)), b"photo", digest_of(b"photo"), MTIME)
        for number in range(200, 204)
    ]
    try:
        with ThreadPoolExecutor(4) as threads:
            receiver = Receiver(DiskStore(disk, PROOFS), threads)
            outcomes = asyncio.run(receiver.receive_many(files))
    finally:
        disk.close_root()
    assert [outcome.digest for outcome in outcomes] == [digest_of(b"photo")] * 4
