"""Receiving of bodies in threads: no file is closed while a thread uses it."""

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.store import DiskStore
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import (
    BadRequest,
    Conflict,
    DigestMismatch,
    InvalidSignature,
    Unreachable,
)
from storagenode.protocol.wire import render_trailer
from storagenode.write_port.receiving import BATCH_BYTES, Receiver
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
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


@pytest.fixture(name="receiver")
def _receiver(store, threads):
    """Return a receiver, what it recorded, and the threads that recorded it."""
    recorded = []

    def record(outcomes):
        assert threading.current_thread() is not threading.main_thread()
        recorded.append(outcomes)

    return Receiver(store, threads, record), recorded


def receive_at(receiver, place, chunks, **options):
    """Receive chunks and a trailer at a place; return the outcome, and what was checked."""
    checked = []

    async def body():
        for chunk in chunks:
            yield chunk

    options = {"mtime_seconds": MTIME, "bytes_expected": 1} | options
    check = {"check_trailer": lambda *signed: checked.append(signed)}
    return asyncio.run(receiver.receive(body(), place, **check, **options)), checked


SIZES = [0, 1, BATCH_BYTES - 1, BATCH_BYTES, BATCH_BYTES + 1, 2 * BATCH_BYTES, 3 * BATCH_BYTES + 7]


@pytest.mark.parametrize("length", [50_000, BATCH_BYTES, 10 * BATCH_BYTES])
@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_published_whole_however_it_is_cut(store, receiver, size, length):
    """The trailer is not published. The signature in it is checked against the digest."""
    data = random.Random(size).randbytes(size)
    whole = data + render_trailer("signed")
    chunks = [whole[at : at + length] for at in range(0, len(whole), length)]
    receiving, recorded = receiver
    published, checked = receive_at(receiving, PLACE, chunks)
    assert (published.digest, published.bytes) == (digest_of(data), size)
    assert published.mtime_seconds == MTIME
    assert checked == [("signed", digest_of(data))]
    assert store.read_all([PLACE.file]) == {PLACE.file: (data, digest_of(data))}
    assert recorded == [[published]]
    assert store.file_system.list(".staging") == []


def test_a_body_replaces_only_the_file_that_it_names(store, receiver):
    """Another file under the name is a conflict once its info is there."""
    photo_version = version_of(7)
    store.publish_bundle(bundle_of(photo_version, sizes="m"), mtime_seconds=MTIME)
    size = variant_of(photo_version, "m")
    chunks = [b"new", render_trailer("")]
    for replaces in ("", digest_of(b"another")):
        with pytest.raises(Conflict):
            receive_at(receiver[0], size, chunks, replaces=replaces)
    published, _ = receive_at(receiver[0], size, chunks, replaces=digest_of(bytes_of(size)))
    assert published.digest == digest_of(b"new")


@pytest.mark.parametrize("size", [10, 2 * BATCH_BYTES])
def test_a_refused_trailer_publishes_nothing(store, receiver, size):
    """Neither a small body nor a large one."""

    async def body():
        yield bytes(size)
        yield render_trailer("wrong")

    def refuse(*_):
        raise InvalidSignature("wrong")

    receiving = receiver[0].receive(
        body(), PLACE, mtime_seconds=MTIME, bytes_expected=0, check_trailer=refuse
    )
    with pytest.raises(InvalidSignature):
        asyncio.run(receiving)
    assert store.list_photo(VOLUME, version_of(5).photo) == ()
    assert store.file_system.list(".staging") == []


@pytest.mark.parametrize("count", [0, 1, 2, 5, 33])
def test_the_outcomes_of_many_files_are_in_their_order(receiver, count):
    """A file that is refused affects no other. All are recorded."""
    receiving, recorded = receiver
    datas = [str(number).encode() for number in range(count)]
    files = [
        InMemoryFile(
            variant_of(version_of(300 + number)),
            data,
            digest_of(data) if number != 1 else digest_of(b""),
            MTIME,
        )
        for number, data in enumerate(datas)
    ]
    outcomes = asyncio.run(receiving.receive_many(files))
    found = [getattr(outcome, "digest", type(outcome)) for outcome in outcomes]
    expected = [digest_of(data) for data in datas]
    expected[1:2] = [DigestMismatch] * (count > 1)
    assert found == expected
    written = [outcome for batch in recorded for outcome in batch]
    assert sorted(map(repr, written)) == sorted(map(repr, outcomes))


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
