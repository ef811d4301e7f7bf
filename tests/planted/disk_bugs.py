"""Bugs in what is done to a disk, and in which order."""

import contextlib

from storagenode.disk.filesystem import FsyncFailed
from storagenode.disk.publishing import Publisher
from storagenode.disk.store import DiskStore
from storagenode.protocol.layout import QUARANTINE
from tests.planted.finders import CrashStates, Simulation
from tests.planted.planted_bug import PlantedBug
from tests.simulation.simulated_disk import SimulatedDisk
from tests.storagenode.disk.crash_file_system import CrashFileSystem


def skips_fsync_of_files(patch):
    """No bytes are waited for."""
    patch.setattr(CrashFileSystem, "fsync", lambda _disk, _handle: None)


def skips_fsync_of_directories(patch):
    """No names are waited for."""
    patch.setattr(CrashFileSystem, "fsync_directory", lambda _disk, _path: None)


def skips_fsync_of_parents(patch):
    """Names of directories are not waited for."""
    _skip_fsync_of(patch, lambda path: "/" not in path)


def skips_fsync_of_quarantine(patch):
    """What is set aside is not waited for."""
    _skip_fsync_of(patch, lambda path: path == QUARANTINE)


def _skip_fsync_of(patch, is_skipped):
    fsync = CrashFileSystem.fsync_directory
    patch.setattr(
        CrashFileSystem,
        "fsync_directory",
        lambda disk, path: None if is_skipped(path) else fsync(disk, path),
    )


def links_over(patch):
    """As a rename would."""
    link = CrashFileSystem.link

    def link_over(disk, source, target):
        if disk.exists(target):
            disk.unlink(target)
        link(disk, source, target)

    patch.setattr(CrashFileSystem, "link", link_over)


def notes_digest_after_fsync(patch):
    """It is not covered."""
    fsync, set_digest, late = CrashFileSystem.fsync, CrashFileSystem.set_digest, {}

    def fsync_then_note(disk, handle):
        fsync(disk, handle)
        if handle in late:
            set_digest(disk, handle, late.pop(handle))

    patch.setattr(CrashFileSystem, "set_digest", lambda _, handle, d: late.update({handle: d}))
    patch.setattr(CrashFileSystem, "fsync", fsync_then_note)


def takes_short_writes_for_whole(patch):
    """Half of it is never written."""
    write = CrashFileSystem.write
    patch.setattr(
        CrashFileSystem,
        "write",
        lambda disk, handle, data: write(disk, handle, data[: len(data) // 2]),
    )


def ignores_failed_fsyncs(patch):
    """As whoever tries again and is told that all is well."""
    for name in ("fsync", "fsync_directory"):
        patch.setattr(SimulatedDisk, name, _unfailing(getattr(SimulatedDisk, name)))


def _unfailing(fsync):
    def ignore(disk, what):
        with contextlib.suppress(FsyncFailed):
            fsync(disk, what)

    return ignore


def answers_before_names_are_synced(patch):
    """As soon as the link is made."""
    patch.setattr(
        Publisher,
        "publish",
        lambda publisher, files: tuple(publisher._give_name(*file) for file in files),
    )


def links_info_with_the_rest(patch):
    """One fsync for all: no order between the info and what it speaks of."""
    _with_waiting(patch, lambda publish, waiting, infos: publish([*waiting, *infos]))


def links_info_first(patch):
    """The info is on the disk before what it speaks of."""
    _with_waiting(patch, lambda publish, waiting, infos: publish(infos) + publish(waiting))


def _with_waiting(patch, publish_both):
    """Have all but infos wait until the info comes, and be published in some way with it."""
    publish_sealed, waiting = DiskStore._publish_sealed, []

    def publish(store, files):
        if not any(place.path.endswith(".json") for _, place in files):
            waiting.extend(files)
            return ()
        held = list(waiting)
        waiting.clear()
        return publish_both(lambda each: publish_sealed(store, each), held, files)

    patch.setattr(DiskStore, "_publish_sealed", publish)


def clears_away_before_the_tombstone(patch):
    """Files go to the trash while a crash may still forget why."""
    publish_sealed = DiskStore._publish_sealed

    def trash_and_publish(store, files):
        for _, place in files:
            if place.path.endswith(".gone"):
                store._trash_covered_files(place.file)
        return publish_sealed(store, files)

    patch.setattr(DiskStore, "_publish_sealed", trash_and_publish)


def forgets_the_tombstone(patch):
    """Files are moved away, and nothing says why."""
    patch.setattr(
        DiskStore,
        "write_tombstone",
        lambda store, place, mtime_seconds: store._trash_covered_files(place.file),  # noqa: ARG005
    )


def throws_corrupt_copies_away(patch):
    """Nobody can look at them any more."""
    patch.setattr(Publisher, "add_to_quarantine", lambda _publisher, path: path)


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
        what="the parents of a new directory are not fsynced",
        plant=skips_fsync_of_parents,
        found_by=CrashStates("put into a lost directory"),
    ),
    PlantedBug(
        what="what is set aside may be lost before it is safe",
        plant=skips_fsync_of_quarantine,
        found_by=CrashStates("quarantine"),
    ),
    PlantedBug(
        what="a file is published over another one's name",
        plant=links_over,
        found_by=CrashStates("put other bytes"),
    ),
    PlantedBug(
        what="the digest is noted after the fsync that should cover it",
        plant=notes_digest_after_fsync,
        found_by=CrashStates("put"),
    ),
    PlantedBug(
        what="a short write is taken for a whole one",
        plant=takes_short_writes_for_whole,
        found_by=CrashStates("put"),
    ),
    PlantedBug(
        what="a failed fsync is ignored",
        plant=ignores_failed_fsyncs,
        found_by=Simulation("C16"),
    ),
    PlantedBug(
        what="a node answers when the link is made, before its name is fsynced",
        plant=answers_before_names_are_synced,
        found_by=CrashStates("few sizes, twice"),
    ),
    PlantedBug(
        what="an info is linked together with the sizes it tells of",
        plant=links_info_with_the_rest,
        found_by=CrashStates("few sizes, twice"),
    ),
    PlantedBug(
        what="an info is linked before the sizes it tells of",
        plant=links_info_first,
        found_by=CrashStates("few sizes, twice"),
    ),
    PlantedBug(
        what="a delete clears files away before its tombstone is durable",
        plant=clears_away_before_the_tombstone,
        found_by=CrashStates("delete a version"),
    ),
    PlantedBug(
        what="a delete leaves no tombstone",
        plant=forgets_the_tombstone,
        found_by=CrashStates("delete a version"),
    ),
    PlantedBug(
        what="a corrupt copy is thrown away instead of set aside",
        plant=throws_corrupt_copies_away,
        found_by=CrashStates("quarantine"),
    ),
)
