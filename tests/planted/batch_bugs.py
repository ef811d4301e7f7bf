"""Bugs in the batches of small files on a disk."""

import contextlib

from storagenode.disk import batches, filesystem
from storagenode.disk.batches import BatchPublisher
from storagenode.disk.directories import DurableDirectories
from storagenode.disk.filesystem import FsyncFailed
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import Published
from tests.planted.finders import CrashStates, Tests
from tests.planted.planted_bug import PlantedBug
from tests.storagenode.photo_samples import MTIME

ON_OWN_DISK = "batch on a disk of its own"


def ignores_failed_syncs_of_the_disk(patch):
    """Suppress errors of syncfs."""
    sync_disk = filesystem.DiskFileSystem.sync_disk

    def ignore(disk):
        with contextlib.suppress(FsyncFailed):
            sync_disk(disk)

    patch.setattr(filesystem.DiskFileSystem, "sync_disk", ignore)


def forgets_failed_syncs_of_the_disk(patch):
    """Report a lost write to one of several threads only."""

    def sync(disk):
        try:
            filesystem.sync_file_system(disk._root)
        except OSError as error:
            raise FsyncFailed(error.errno, error.strerror) from error

    patch.setattr(filesystem.DiskFileSystem, "sync_disk", sync)


def names_files_of_a_batch_before_their_bytes(patch):
    """Link each file at once, and sync bytes and names together at the end."""
    write, link = BatchPublisher._write, BatchPublisher._link

    def write_and_link(publisher, member):
        write(publisher, member)
        if member.is_under_way:
            link(publisher, member)

    patch.setattr(BatchPublisher, "_write", write_and_link)
    patch.setattr(BatchPublisher, "_link", lambda _publisher, _member: None)


def skips_the_directories_of_a_batch(patch):
    """Acknowledge names that are not synced."""
    sync, calls = BatchPublisher._sync, []

    def sync_first_only(publisher, members, sync_one, *, syncs_disk):
        calls.append(sync_one)
        if len(calls) % 2:
            sync(publisher, members, sync_one, syncs_disk=syncs_disk)

    patch.setattr(BatchPublisher, "_sync", sync_first_only)


def trusts_the_names_of_new_shards(patch):
    """Take every existing shard for durable."""
    patch.setattr(DurableDirectories, "is_durable", lambda *_: True)


def compares_no_digests_in_a_batch(patch):
    """Record the digest that the sender names."""
    patch.setattr(batches, "check_digest", lambda _found, *, expected: expected)


def fails_a_whole_batch_for_one_file(patch):
    """Give every file the first error."""
    publish = BatchPublisher.publish

    def fail_all(publisher, files):
        outcomes = publish(publisher, files)
        errors = [outcome for outcome in outcomes if isinstance(outcome, NodeError)]
        return [errors[0]] * len(files) if errors else outcomes

    patch.setattr(BatchPublisher, "publish", fail_all)


def acknowledges_failed_files_of_a_batch(patch):
    """Report every file as published."""
    publish = BatchPublisher.publish

    def acknowledge_all(publisher, files):
        return [
            Published(file.place.path, file.digest, len(file.data), MTIME, existed=False)
            if isinstance(outcome, NodeError)
            else outcome
            for file, outcome in zip(files, publish(publisher, files), strict=True)
        ]

    patch.setattr(BatchPublisher, "publish", acknowledge_all)


BUGS_OF_BATCHES = (
    PlantedBug(
        what="a failed sync of the disk is ignored",
        plant=ignores_failed_syncs_of_the_disk,
        found_by=Tests("tests/storagenode/disk/test_syncfs.py"),
    ),
    PlantedBug(
        what="a lost write is reported to one of several batches only",
        plant=forgets_failed_syncs_of_the_disk,
        found_by=Tests("tests/storagenode/disk/test_syncfs.py"),
    ),
    PlantedBug(
        what="files of a batch get their names before their bytes are durable",
        plant=names_files_of_a_batch_before_their_bytes,
        found_by=CrashStates(ON_OWN_DISK),
    ),
    PlantedBug(
        what="a batch is acknowledged before its names are durable",
        plant=skips_the_directories_of_a_batch,
        found_by=CrashStates("batch"),
    ),
    PlantedBug(
        what="a batch is acknowledged before the name of its new shard is durable",
        plant=trusts_the_names_of_new_shards,
        found_by=CrashStates("batch into new shards"),
    ),
    PlantedBug(
        what="digests are not compared in a batch",
        plant=compares_no_digests_in_a_batch,
        found_by=Tests("tests/storagenode/disk/test_store_contract.py"),
    ),
    PlantedBug(
        what="an error of one file fails its whole batch",
        plant=fails_a_whole_batch_for_one_file,
        found_by=Tests("tests/storagenode/disk/test_store_contract.py"),
    ),
    PlantedBug(
        what="a file of a batch is acknowledged although it failed",
        plant=acknowledges_failed_files_of_a_batch,
        found_by=Tests("tests/storagenode/disk/test_batches.py"),
    ),
)
