"""Bugs in the writes to a disk and in their order."""

import contextlib

from storagenode.disk.filesystem import FsyncFailed
from storagenode.disk.publishing import Publisher
from storagenode.disk.store import DiskStore
from tests.planted.finders import CrashStates, Simulation
from tests.planted.planted_bug import PlantedBug
from tests.simulation.simulated_disk import SimulatedDisk
from tests.storagenode.disk.crash_file_system import CrashFileSystem


def skips_fsync_of_files(patch):
    """Skip every fsync of a file."""
    patch.setattr(CrashFileSystem, "fsync", lambda _disk, _handle: None)


def skips_fsync_of_directories(patch):
    """Skip every fsync of a directory."""
    patch.setattr(CrashFileSystem, "fsync_directory", lambda _disk, _path: None)


def links_over(patch):
    """Replace an existing name, as rename does."""
    link = CrashFileSystem.link

    def link_over(disk, source, target):
        if disk.exists(target):
            disk.unlink(target)
        link(disk, source, target)

    patch.setattr(CrashFileSystem, "link", link_over)


def records_digest_after_fsync(patch):
    """Set the digest attribute after the fsync of the file."""
    fsync, set_digest, late = CrashFileSystem.fsync, CrashFileSystem.set_digest, {}

    def fsync_then_record(disk, handle):
        fsync(disk, handle)
        if handle in late:
            set_digest(disk, handle, late.pop(handle))

    patch.setattr(CrashFileSystem, "set_digest", lambda _, handle, d: late.update({handle: d}))
    patch.setattr(CrashFileSystem, "fsync", fsync_then_record)


def ignores_short_writes(patch):
    """Write half of the data."""
    write = CrashFileSystem.write
    patch.setattr(
        CrashFileSystem,
        "write",
        lambda disk, handle, data: write(disk, handle, data[: len(data) // 2]),
    )


def ignores_failed_fsyncs(patch):
    """Suppress errors of fsync, as a retry does."""
    for name in ("fsync", "fsync_directory"):
        patch.setattr(SimulatedDisk, name, _unfailing(getattr(SimulatedDisk, name)))


def _unfailing(fsync):
    def ignore(disk, what):
        with contextlib.suppress(FsyncFailed):
            fsync(disk, what)

    return ignore


def responds_before_names_are_synced(patch):
    """Publish without an fsync of the directories."""
    patch.setattr(
        Publisher,
        "publish",
        lambda publisher, files: tuple(publisher._give_name(*file) for file in files),
    )


def links_info_with_the_sizes(patch):
    """Link the info document and its sizes before one fsync."""
    _with_waiting(patch, lambda publish, waiting, infos: publish([*waiting, *infos]))


def links_info_first(patch):
    """Link the info document, sync it, and then link its sizes."""
    _with_waiting(patch, lambda publish, waiting, infos: publish(infos) + publish(waiting))


def _with_waiting(patch, publish_both):
    """Hold all files until the info document comes, then publish both with `publish_both`."""
    publish_sealed, waiting = DiskStore._publish_sealed, []

    def publish(store, files):
        if not any(place.path.endswith(".json") for _, place in files):
            waiting.extend(files)
            return ()
        sizes = list(waiting)
        waiting.clear()
        return publish_both(lambda each: publish_sealed(store, each), sizes, files)

    patch.setattr(DiskStore, "_publish_sealed", publish)


def trashes_files_before_the_tombstone(patch):
    """Move the files to the trash before the tombstone is durable."""
    publish_sealed = DiskStore._publish_sealed

    def trash_and_publish(store, files):
        for _, place in files:
            if place.path.endswith(".gone"):
                store._deletes.trash_covered_files(place.file)
        return publish_sealed(store, files)

    patch.setattr(DiskStore, "_publish_sealed", trash_and_publish)


BUGS_OF_DISKS = (
    PlantedBug(
        what="files are published without an fsync of their bytes",
        plant=skips_fsync_of_files,
        found_by=CrashStates("put"),
    ),
    PlantedBug(
        what="a write is acknowledged without an fsync of its directory",
        plant=skips_fsync_of_directories,
        found_by=CrashStates("delete a version"),
    ),
    PlantedBug(
        what="a published file replaces another one",
        plant=links_over,
        found_by=CrashStates("put other bytes"),
    ),
    PlantedBug(
        what="the digest is recorded after the fsync of its file",
        plant=records_digest_after_fsync,
        found_by=CrashStates("put"),
    ),
    PlantedBug(
        what="a short write is ignored",
        plant=ignores_short_writes,
        found_by=CrashStates("put"),
    ),
    PlantedBug(
        what="a failed fsync is ignored",
        plant=ignores_failed_fsyncs,
        found_by=Simulation("C16"),
    ),
    PlantedBug(
        what="a node responds before it syncs the names of new files",
        plant=responds_before_names_are_synced,
        found_by=CrashStates("few sizes, twice"),
    ),
    PlantedBug(
        what="an info document is linked together with its sizes",
        plant=links_info_with_the_sizes,
        found_by=CrashStates("few sizes, twice"),
    ),
    PlantedBug(
        what="an info document is linked before its sizes",
        plant=links_info_first,
        found_by=CrashStates("few sizes, twice"),
    ),
    PlantedBug(
        what="a delete trashes files before its tombstone is durable",
        plant=trashes_files_before_the_tombstone,
        found_by=CrashStates("delete a version"),
    ),
)
