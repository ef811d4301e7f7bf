"""Operations of a node that read or write its hidden folders, for the sweep of emptied folders."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from storagenode.disk import walking
from storagenode.partials.partials import Partials
from storagenode.protocol.batch_wire import ReadFile
from storagenode.protocol.files import FileMetadata
from storagenode.protocol.layout import HINTS, QUARANTINE, STAGING, TRASH, Place
from storagenode.protocol.partials import PARTIALS, Partial
from storagenode.protocol.wire import Pull
from storagenode.upkeep import scrub as scrub_module
from storagenode.upkeep.scrub import Scrub
from storagenode.write_port.move_throttle import MoveThrottle
from storagenode.write_port.pulling import Puller
from storagenode.write_port.receiving import Receiver
from tests.storagenode.disk.sweep_operations import (
    DATA,
    HAS_PHOTO,
    Do,
    Work,
    has,
    lacks,
    put_damaged,
    put_hint,
    put_photo,
    with_version,
)
from tests.storagenode.photo_samples import MTIME, VOLUME, digest_of, variant_of
from tests.storagenode.tombstones import write_tombstone
from volumes.photo_path import VersionTombstone

FOLDERS = (STAGING, HINTS, TRASH, QUARANTINE, PARTIALS)
PIECES = (DATA[:50], DATA[50:])


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenFileOperation(Work):
    """An operation that raises `NotFound` if an operator removes the files that it needs."""

    needs: str
    """The folder of these files."""


class Source:
    """A node that has the photo."""

    @contextlib.asynccontextmanager
    async def stream(self, _):
        """Send the photo in two chunks."""

        async def chunks():
            for piece in PIECES:
                yield piece

        yield SimpleNamespace(
            chunks=chunks(), metadata=FileMetadata(digest_of(DATA), len(DATA), MTIME)
        )

    async def fetch_many(self, places):
        """Return the photo for each place."""
        return [ReadFile(DATA, MTIME) for _ in places]


def pull(store, photo_version, *, many=False, hint_for=None):
    """Pull the photo."""
    place = variant_of(photo_version, hint_for=hint_for)
    wanted = Pull(
        place=place,
        source_node="west-1",
        source="http://west-1",
        source_place=place,
        digest=digest_of(DATA),
    )

    async def run():
        with ThreadPoolExecutor(1) as threads:
            puller = Puller(
                store,
                Receiver(store, threads),
                lambda *_: Source(),
                threads,
                throttle=MoveThrottle(1),
            )
            failures = await puller.pull_many([wanted]) if many else await puller.pull(wanted)
        if many and failures[0]:
            raise failures[0]

    asyncio.run(run())


def scrub(store, photo_version):
    """Scrub the shard of the photo."""

    async def run():
        with ThreadPoolExecutor(1) as threads, pytest.MonkeyPatch.context() as patch:
            for module in (scrub_module, walking):
                patch.setattr(module, "SHARDS", (photo_version.shard,))
            patch.setattr(scrub_module, "PAUSE_SECONDS", 0.0)
            work = Scrub(store, threads, bytes_per_second=1 << 40, now_seconds=lambda: 0.0)
            progress = await work.run_pass()
        assert progress.corrupt == [variant_of(photo_version).path]

    asyncio.run(run())


def delete(store, photo_version):
    """Put a photo and delete it."""
    put_photo(store, photo_version)
    write_tombstone(store, Place(VersionTombstone(photo_version)))


def read_trash(store, photo_version):
    """Read the deleted original, as an undelete does."""
    for file in store.list_trash(VOLUME, photo_version.photo):
        assert has(file)(store, photo_version)


def read_hint(store, photo_version):
    """Read and remove the hints for a mirror, as a delivery does."""
    del photo_version
    for hint in store.list_hints(10, mirror="west-1"):
        assert has(hint.place)(store, None)
        store.remove_hint(hint.place)


def partial_of(photo_version):
    """Return a partial upload of the photo."""
    return Partial(
        photo=photo_version.photo,
        version=photo_version.version,
        bytes_total=len(DATA),
        expiry_seconds=MTIME + 86_400,
    )


def partials_of(store):
    """Return the partial uploads of a store."""
    return Partials(store, now_seconds=lambda: float(MTIME))


def create(store, photo_version):
    """Begin a partial upload."""
    partials_of(store).create(partial_of(photo_version))


def append(store, photo_version, numbers=(0, 1)):
    """Append pieces of the photo."""
    partials, partial = partials_of(store), partial_of(photo_version)
    for number in numbers:
        offset = sum(map(len, PIECES[:number]))
        data = PIECES[number]
        with partials.staging(partial, offset=offset, bytes_expected=len(data)) as file:
            file.write(data)
            partials.append(
                file, partial, offset=offset, mtime_seconds=MTIME, digest=digest_of(data)
            )


def append_all_at_once(store, photo_version):
    """Begin a partial upload, and append the photo as one piece."""
    create(store, photo_version)
    partials, partial = partials_of(store), partial_of(photo_version)
    with partials.staging(partial, offset=0, bytes_expected=len(DATA)) as file:
        file.write(DATA)
        partials.append(file, partial, offset=0, mtime_seconds=MTIME, digest=digest_of(DATA))


def create_and_append(store, photo_version):
    """Begin a partial upload, and append both pieces."""
    create(store, photo_version)
    append(store, photo_version)


def publish(store, photo_version):
    """Publish a partial upload as the photo."""
    partials, partial = partials_of(store), partial_of(photo_version)
    digest = partials.digest(partial)
    partials.publish(partial, variant_of(photo_version), mtime_seconds=MTIME, digest=digest)


def is_whole(store, photo_version):
    """Return True if the partial upload has all bytes."""
    partials, partial = partials_of(store), partial_of(photo_version)
    return partials.read(partial, offset=0, bytes_max=50) == PIECES[0] and (
        partials.digest(partial) == digest_of(DATA)
    )


def is_begun(store, photo_version):
    """Return True if the partial upload exists."""
    return partials_of(store).length(partial_of(photo_version)) == 0


ALWAYS: Do = lambda *_: True  # noqa: E731  # beside its like

HIDDEN_FILE_OPERATIONS = (
    HiddenFileOperation(name="pull", needs="", run=pull, is_done=HAS_PHOTO),
    HiddenFileOperation(
        name="pull many", needs="", run=lambda *of: pull(*of, many=True), is_done=HAS_PHOTO
    ),
    HiddenFileOperation(
        name="pull a hint",
        needs=HINTS,
        run=lambda *of: pull(*of, hint_for="west-1"),
        is_done=with_version(lambda of: has(variant_of(of, hint_for="west-1"))),
    ),
    HiddenFileOperation(
        name="scrub a damaged copy",
        needs="",
        prepare=put_damaged,
        run=scrub,
        is_done=with_version(lambda of: lacks(variant_of(of))),
    ),
    HiddenFileOperation(
        name="undelete", needs=TRASH, prepare=delete, run=read_trash, is_done=ALWAYS
    ),
    HiddenFileOperation(
        name="deliver a hint",
        needs=HINTS,
        prepare=put_hint,
        run=read_hint,
        is_done=with_version(lambda of: lacks(variant_of(of, hint_for="west-1"))),
    ),
    HiddenFileOperation(
        name="begin a partial upload", needs=PARTIALS, run=create, is_done=is_begun
    ),
    HiddenFileOperation(
        name="append to a partial upload",
        needs=PARTIALS,
        prepare=create,
        run=append,
        is_done=is_whole,
    ),
    HiddenFileOperation(
        name="publish a partial upload",
        needs=PARTIALS,
        prepare=create_and_append,
        run=publish,
        is_done=HAS_PHOTO,
    ),
    HiddenFileOperation(
        name="publish a partial upload of one piece",
        needs=PARTIALS,
        prepare=append_all_at_once,
        run=publish,
        is_done=HAS_PHOTO,
    ),
    HiddenFileOperation(
        name="remove a partial upload",
        needs="",
        prepare=create_and_append,
        run=lambda store, of: partials_of(store).remove(partial_of(of)),
        is_done=lambda store, of: not store.file_system.exists(partial_of(of).directory),
    ),
    HiddenFileOperation(
        name="remove expired partial uploads",
        needs="",
        prepare=create_and_append,
        run=lambda store, _: Partials(
            store, now_seconds=lambda: MTIME + 100_000.0
        ).remove_expired(),
        is_done=lambda store, of: not store.file_system.exists(partial_of(of).directory),
    ),
)
