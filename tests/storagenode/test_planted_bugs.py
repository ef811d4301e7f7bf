"""The crash tests can fail: each of these bugs, planted in a disk or a store, is found by them."""

import pytest

from tests.storagenode.crash_exploration import explore
from tests.storagenode.crash_file_system import CrashFileSystem
from tests.storagenode.crash_scenarios import SCENARIOS

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


class DiskWithoutFileFsync(CrashFileSystem):
    """The bytes of a file are never fsynced."""

    def fsync(self, handle):
        """Nothing."""


class DiskWithoutDirectoryFsync(CrashFileSystem):
    """Names are never fsynced."""

    def fsync_directory(self, path):
        """Nothing."""


class DiskWithoutParentFsync(CrashFileSystem):
    """The names of new directories are not fsynced, only those of files."""

    def fsync_directory(self, path):
        """Only of a shard, or deeper."""
        if "/" in path:
            super().fsync_directory(path)


class DiskWithoutQuarantineFsync(CrashFileSystem):
    """What was set aside may be lost."""

    def fsync_directory(self, path):
        """Not of the quarantine."""
        if path != ".quarantine":
            super().fsync_directory(path)


class DiskThatLinksOver(CrashFileSystem):
    """A link takes a name that is taken, as a rename would."""

    def link(self, source, target):
        """Make room first."""
        if self.exists(target):
            self.unlink(target)
        super().link(source, target)


class DiskThatNotesTooLate(CrashFileSystem):
    """The digest is set after the fsync that should cover it."""

    def __init__(self, image=None):
        super().__init__(image)
        self.late = {}

    def set_digest(self, handle, digest):
        """Keep it for later."""
        self.late[handle] = digest

    def fsync(self, handle):
        """First the bytes, then the digest."""
        super().fsync(handle)
        super().set_digest(handle, self.late.pop(handle))


class DiskThatSwallowsHalf(CrashFileSystem):
    """A write may be short, and nobody looks."""

    def write(self, handle, data):
        """Half of it."""
        super().write(handle, data[: len(data) // 2])


def answers_before_names_are_synced(store):
    """Publishing returns as soon as the link is made."""
    publisher = store._publisher
    publisher.publish = lambda files: tuple(publisher._give_name(*file) for file in files)


def links_the_info_with_the_rest(store):
    """One fsync for all: no order between the info and what it speaks of."""
    with_waiting(store, lambda publish, waiting, infos: publish([*waiting, *infos]))


def links_the_info_first(store):
    """The info is on the disk before what it speaks of."""
    with_waiting(store, lambda publish, waiting, infos: publish(infos) + publish(waiting))


def with_waiting(store, publish_both):
    """Have all but infos wait until the info comes, and be published in some way with it."""
    publish, waiting = store._publish_sealed, []

    def publish_sealed(files):
        if not any(place.path.endswith(".json") for _, place in files):
            waiting.extend(files)
            return ()
        held = list(waiting)
        waiting.clear()
        return publish_both(publish, held, files)

    store._publish_sealed = publish_sealed


def clears_away_before_the_tombstone(store):
    """Files go to the trash while a crash may still forget why."""
    publish, trash = store._publisher.publish, store._trash_what_is_covered

    def trash_and_publish(files):
        for _, place in files:
            trash(place.file)
        return publish(files)

    store._publisher.publish = trash_and_publish


def forgets_the_tombstone(store):
    """A delete moves the files away and says so nowhere."""

    def bury(place, *, mtime_seconds):
        del mtime_seconds
        store._trash_what_is_covered(place.file)

    store.bury = bury


BROKEN_DISKS = [
    (DiskWithoutFileFsync, "put"),
    (DiskWithoutFileFsync, "few sizes, twice"),
    (DiskWithoutFileFsync, "adopt"),
    (DiskWithoutDirectoryFsync, "put"),
    (DiskWithoutDirectoryFsync, "few sizes, twice"),
    (DiskWithoutDirectoryFsync, "bury a version"),
    (DiskWithoutDirectoryFsync, "hand over what is owed"),
    (DiskWithoutDirectoryFsync, "relink"),
    (DiskWithoutDirectoryFsync, "open a volume"),
    (DiskWithoutParentFsync, "put into a lost directory"),
    (DiskWithoutQuarantineFsync, "quarantine"),
    (DiskWithoutQuarantineFsync, "put over a corrupt copy"),
    (DiskThatLinksOver, "put other bytes"),
    (DiskThatNotesTooLate, "put"),
    (DiskThatSwallowsHalf, "put"),
]
RIGGED_STORES = [
    (answers_before_names_are_synced, "put"),
    (answers_before_names_are_synced, "few sizes, twice"),
    (answers_before_names_are_synced, "bury a version"),
    (links_the_info_with_the_rest, "few sizes, twice"),
    (links_the_info_first, "few sizes, twice"),
    (clears_away_before_the_tombstone, "bury a version"),
    (forgets_the_tombstone, "bury a version"),
]


@pytest.mark.parametrize(("disk_class", "name"), BROKEN_DISKS)
def test_a_broken_disk_is_found(disk_class, name):
    """By the scenario that depends on it."""
    assert explore(BY_NAME[name], disk_class=disk_class, violations_max=1).violations


@pytest.mark.parametrize(("rig", "name"), RIGGED_STORES)
def test_a_bug_in_the_store_is_found(rig, name):
    """By the scenario in which it matters."""
    assert explore(BY_NAME[name], rig=rig, violations_max=1).violations


def test_the_same_scenarios_are_sound_without_a_bug():
    """What is found above is the bug and nothing else."""
    for name in ("put", "put other bytes", "quarantine", "adopt", "relink"):
        assert explore(BY_NAME[name]).violations == []
