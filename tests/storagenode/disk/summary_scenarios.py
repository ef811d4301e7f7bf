"""Saves of summaries, during which the power fails: none hides a change afterwards."""

import contextlib
from collections.abc import Iterator

from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import Gone
from storagenode.protocol.files import listing_digest, names_digest
from tests.storagenode.disk.crash_file_system import Contents, CrashFileSystem
from tests.storagenode.disk.crash_promises import Survivor, is_gone, is_there_or_gone
from tests.storagenode.disk.crash_scenarios import (
    DATA,
    GONE,
    OF,
    ORIGINAL,
    SIZES,
    Scenario,
    put,
    tombstone_of,
)
from tests.storagenode.photo_samples import MTIME
from tests.storagenode.tombstones import write_tombstone


def save_between_changes(store: DiskStore, disk: CrashFileSystem) -> None:
    """Save summaries after some changes, during others, and before the last."""
    with contextlib.suppress(Gone):
        put(store, ORIGINAL[0], DATA)
        _save_twice(store, disk)
    write_tombstone(store, GONE)
    disk.acknowledge(GONE.path)


def _save_twice(store: DiskStore, disk: CrashFileSystem) -> None:
    store.shard_digests(OF.volume)
    store.save_summaries()
    disk.acknowledge("saved")
    put(store, SIZES[0][0], SIZES[0][1])
    store.shard_digests(OF.volume)
    if not disk.exists(SIZES[1][0].path):
        disk.link(SIZES[0][0].path, SIZES[1][0].path)  # a write that is not durable yet
    store.shard_digests(OF.volume)
    store.save_summaries()


def summaries_are_true(survivor: Survivor) -> Iterator[str]:
    """Check that saved summaries hide no difference."""
    listed = survivor.store.list_shard(OF.volume, OF.shard)
    gone = [file.name for file in listed if file.name.endswith(".gone")]
    found = survivor.store.shard_digests(OF.volume).get(OF.shard, "")
    # A node adds a suffix to the digest of a shard with an unfinished delete.
    if found.partition("-")[0] != listing_digest(listed):
        yield "the summary of a shard is not that of its files"
    if survivor.store.tombstone_digests(OF.volume).get(OF.shard, "") != names_digest(gone):
        yield "the summary of a shard is not that of its tombstones"


SUMMARY_SCENARIO = Scenario(
    name="save summaries between changes",
    operate=save_between_changes,
    files=[ORIGINAL, *SIZES, tombstone_of(GONE)],
    tolerated=((SIZES[1][0], Contents(SIZES[0][1], SIZES[0][2], MTIME)),),
    promises={
        "saved": is_there_or_gone([ORIGINAL], GONE),
        GONE.path: is_gone([ORIGINAL], GONE),
    },
    always=summaries_are_true,
)
