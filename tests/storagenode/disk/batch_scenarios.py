"""Batches of small files during which the power fails, and all scenarios."""

from storagenode.disk.store import DiskStore
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import Conflict, DigestMismatch, Gone
from storagenode.protocol.files import Published
from storagenode.protocol.layout import directory_of
from tests.storagenode.disk import crash_scenarios
from tests.storagenode.disk.crash_file_system import CrashFileSystem
from tests.storagenode.disk.crash_promises import is_gone, is_there
from tests.storagenode.disk.crash_scenarios import (
    DATA,
    GONE,
    OF,
    Scenario,
    file_of,
    put,
    tombstone_of,
    writing_tombstones,
)
from tests.storagenode.disk.summary_scenarios import SUMMARY_SCENARIO
from tests.storagenode.photo_samples import (
    MTIME,
    OTHER_VOLUME,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from volumes.photo_path import SHARDS

# In the same shard as the other photos of the scenarios.
SECOND = file_of(variant_of(OF, "m"), bytes_of("second", size=120))
FIRST = file_of(variant_of(OF), DATA)
BATCH = [FIRST, SECOND]
IN_NEW_SHARDS = [
    file_of(variant_of(version_of(number, volume=OTHER_VOLUME)), bytes_of(number, size=70))
    for number in (3, 4)
]
TAKEN = file_of(variant_of(version_of(7, version=2)), bytes_of("taken", size=90))
NEIGHBOR = file_of(variant_of(version_of(7, version=3)), bytes_of("neighbor", size=80))


def publish_batch(store: DiskStore, disk: CrashFileSystem) -> None:
    """Publish two files, and acknowledge them."""
    outcomes = store.publish_many([InMemoryFile(*file, MTIME) for file in BATCH])
    assert all(isinstance(outcome, Published) for outcome in outcomes)
    disk.acknowledge("batch")


def publish_mixed_batch(store: DiskStore, disk: CrashFileSystem) -> None:
    """Publish a batch in which only the taken name and the neighbor can succeed."""
    data = SECOND[1]
    outcomes = store.publish_many(
        [
            InMemoryFile(*FIRST, MTIME),
            InMemoryFile(variant_of(OF, "s"), data, digest_of(b"other bytes"), MTIME),
            InMemoryFile(TAKEN[0], b"other bytes", digest_of(b"other bytes"), MTIME),
            InMemoryFile(*TAKEN, MTIME),
            InMemoryFile(*NEIGHBOR, MTIME),
        ]
    )
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Gone, DigestMismatch, Conflict, Published, Published], outcomes
    disk.acknowledge("mixed batch")


def have_tombstone_and_taken_name(store: DiskStore, disk: CrashFileSystem) -> None:
    """Prepare a tombstone of the photo, and a file under one of the names."""
    writing_tombstones(GONE)(store, disk)
    put(store, TAKEN[0], TAKEN[1])


def have_volume_without_shards(store: DiskStore, disk: CrashFileSystem) -> None:
    """Prepare another volume, one of many on the node."""
    store.create_volumes([OTHER_VOLUME])
    for shard in SHARDS:
        disk.lose_directory(f"{OTHER_VOLUME}/{shard}")


def publish_batches_into_new_shards(store: DiskStore, disk: CrashFileSystem) -> None:
    """Publish the first files of two shards; another batch has just created one of them."""
    disk.make_directory(directory_of(IN_NEW_SHARDS[0][0].path))
    outcomes = store.publish_many([InMemoryFile(*file, MTIME) for file in IN_NEW_SHARDS])
    assert all(isinstance(outcome, Published) for outcome in outcomes)
    disk.acknowledge("batch")


SCENARIOS = (
    *crash_scenarios.SCENARIOS,
    SUMMARY_SCENARIO,
    *(
        Scenario(
            name=f"batch{on_own_disk}",
            operate=publish_batch,
            files=BATCH,
            promises={"batch": is_there(BATCH)},
            may_sync_disk=bool(on_own_disk),
        )
        for on_own_disk in ("", " on a disk of its own")
    ),
    *(
        Scenario(
            name=f"batch into new shards{on_own_disk}",
            prepare=have_volume_without_shards,
            operate=publish_batches_into_new_shards,
            files=IN_NEW_SHARDS,
            promises={"batch": is_there(IN_NEW_SHARDS)},
            may_sync_disk=bool(on_own_disk),
        )
        for on_own_disk in ("", " on a disk of its own")
    ),
    *(
        Scenario(
            name=f"batch with refused files{on_own_disk}",
            prepare=have_tombstone_and_taken_name,
            operate=publish_mixed_batch,
            files=[TAKEN, NEIGHBOR, tombstone_of(GONE)],
            promises={"mixed batch": is_there([TAKEN, NEIGHBOR])},
            always=is_gone([FIRST], GONE),
            may_sync_disk=bool(on_own_disk),
        )
        for on_own_disk in ("", " on a disk of its own")
    ),
)
