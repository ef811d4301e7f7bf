"""An operator can remove the hidden folders of a running node at any moment."""

import contextlib
import itertools
import random
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from storagenode.disk import store as store_module
from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import DiskSuspect, Gone, NodeError, NotFound
from storagenode.protocol.layout import HINTS, TRASH, Place
from tests.storagenode.disk.failing_file_system import CALLS
from tests.storagenode.disk.hidden_file_operations import FOLDERS, HIDDEN_FILE_OPERATIONS
from tests.storagenode.disk.sweep_operations import WORKS
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bundle_of,
    bytes_of,
    variant_of,
    version_of,
)
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.photo_id import Version
from volumes.photo_path import PhotoTombstone, VersionTombstone

ACKNOWLEDGED = [
    work for work in WORKS if work.name in {"put", "batch", "bundle", "write tombstone", "relink"}
]
NEW = Version("000001")
RACE_SECONDS = 3.0
RACE_PHOTOS_MIN = 20


def empty(root, folder, *, keep_folder=False):
    """Remove a hidden folder, or only its content."""
    if (root / folder).is_file():
        (root / folder).unlink()
    shutil.rmtree(root / folder, ignore_errors=True)
    if keep_folder:
        (root / folder).mkdir(exist_ok=True)


class FileSystemThatLosesFolders(DiskFileSystem):
    """A real file system that loses a folder before one of its calls, and skips fsyncs."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls = 0
        self._lose_at = -1
        self._lose = lambda: None

    def lose(self, folders, *, at, keep_folder):
        """Lose folders before the call with the number `at`, counted from now."""
        self.calls, self._lose_at = 0, at
        self._lose = lambda: [empty(self.root, each, keep_folder=keep_folder) for each in folders]

    def called(self):
        """Count a call."""
        if self.calls == self._lose_at:
            self._lose()
        self.calls += 1


def _counted(name):
    real = getattr(DiskFileSystem, name)

    def call(self, *arguments):
        self.called()
        if name == "fsync":
            return None
        if name == "fsync_directory":
            DiskFileSystem.list(self, *arguments)
            return None
        return real(self, *arguments)

    return call


for _name in CALLS:
    setattr(FileSystemThatLosesFolders, _name, _counted(_name))


@pytest.mark.parametrize("keep_folder", [False, True], ids=["folder", "content"])
@pytest.mark.parametrize("folders", [*zip(FOLDERS), FOLDERS], ids=" ".join)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_an_operation_succeeds_whenever_folders_are_emptied(root, work, folders, keep_folder):
    """Before each call of the operation, and between two operations."""
    for at in itertools.count():
        photo_version = version_of(at)
        disk = FileSystemThatLosesFolders(root)
        store = DiskStore(disk, PROOFS)
        work.prepare(store, photo_version)
        disk.lose(folders, at=at, keep_folder=keep_folder)
        work.run(store, photo_version)
        calls = disk.calls
        # The operator removed the hint.
        if HINTS not in folders or (
            "another node" not in work.name and "as a hint" not in work.name
        ):
            assert work.is_done(store, photo_version), f"{folders} lost at call {at}"
        assert DiskStore(disk, PROOFS).leftovers == 0
        disk.close_root()
        if at >= calls:
            return


@pytest.mark.parametrize("keep_folder", [False, True], ids=["folder", "content"])
@pytest.mark.parametrize("folders", [*zip(FOLDERS), FOLDERS], ids=" ".join)
@pytest.mark.parametrize("work", HIDDEN_FILE_OPERATIONS, ids=lambda work: work.name)
def test_an_operation_needs_its_own_hidden_files_only(root, work, folders, keep_folder):
    """Without them it finds nothing, and never the fault of a disk."""
    for at in itertools.count():
        photo_version = version_of(at)
        disk = FileSystemThatLosesFolders(root)
        store = DiskStore(disk, PROOFS)
        work.prepare(store, photo_version)
        disk.lose(folders, at=at, keep_folder=keep_folder)
        try:
            work.run(store, photo_version)
            is_done = work.is_done(store, photo_version)
        except NotFound:
            is_done = False
        calls = disk.calls
        assert is_done or work.needs in folders, f"{folders} lost at call {at}"
        assert store.condition().suspect_reason == ""
        put(store, variant_of(version_of(5000 + at), "m"), b"size")
        disk.close_root()
        if at >= calls:
            return


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_upload_survives_the_loss_of_a_folder_in_its_middle(store, root, folder):
    """The bytes of the staged file are copied to a new one, with digest and time."""
    data = bytes_of("photo", size=3_000_000)
    with store.staging(bytes_expected=len(data)) as file:
        file.write(data[:2_000_000])
        empty(root, folder)
        file.write(data[2_000_000:])
        store.publish(file, variant_of(version_of(1)), mtime_seconds=MTIME, digest=file.digest)
    with opened(store.file_system, variant_of(version_of(1)).path) as found:
        assert found.read() == data
        assert found.stat.mtime_seconds == MTIME


def test_lists_are_empty_without_their_folders(store, root):
    """Also the removal of old trash finds nothing to do."""
    put(store, variant_of(version_of(1), hint_for="west-1"), b"hint")
    for folder in FOLDERS:
        empty(root, folder)
    assert store.list_hints(10) == []
    assert store.count_hints(10) == 0
    assert store.list_trash(VOLUME, version_of(1).photo) == []
    assert store.empty_trash(retention_days=0) == 0
    assert store.find(version_of(1).photo) == []
    store.remove_hint(variant_of(version_of(1), hint_for="west-1"))
    assert DiskStore(store.file_system, PROOFS).leftovers == 0


def test_a_delete_succeeds_if_its_files_cannot_be_moved(store, root):
    """The photo is refused at once, and its files follow when the trash works again."""
    photo_version = version_of(1)
    put(store, variant_of(photo_version), b"photo")
    (root / TRASH).rmdir()
    (root / TRASH).write_text("not a directory")
    tombstone = Place(VersionTombstone(photo_version))
    assert not write_tombstone(store, tombstone).existed
    with pytest.raises(Gone):
        store.raise_if_deleted(variant_of(photo_version).file)
    store.finish_deletes()
    assert (root / variant_of(photo_version).path).exists()
    (root / TRASH).unlink()
    store.finish_deletes()
    assert not (root / variant_of(photo_version).path).exists()
    assert len(store.list_trash(VOLUME, photo_version.photo)) == 1


class Operator(threading.Thread):
    """Removes hidden folders, whole or in part, at random moments until it is stopped."""

    def __init__(self, root, seed):
        super().__init__()
        self._root, self._random = root, random.Random(seed)
        self._stop_now = threading.Event()
        self.removals = 0

    def run(self):
        """Remove folders."""
        while not self._stop_now.is_set():
            folder = self._root / self._random.choice(FOLDERS)
            below = []
            # Another thread can remove a directory of the listing.
            with contextlib.suppress(OSError):
                below = [path for path in folder.rglob("*") if path.is_dir()]
            shutil.rmtree(self._random.choice([folder, *below]), ignore_errors=True)
            self.removals += 1
            time.sleep(self._random.uniform(0, 0.01))

    def stop(self):
        """Stop, and wait for the end."""
        self._stop_now.set()
        self.join()


def operate(store, numbers, failures, kept):
    """Put, hint, relink, delete and quarantine photos until the time is over."""
    deadline = time.monotonic() + RACE_SECONDS
    while time.monotonic() < deadline:
        photo_version = version_of(next(numbers))
        hint = variant_of(photo_version, hint_for="west-1")
        try:
            store.publish_bundle(bundle_of(photo_version, sizes="os"), mtime_seconds=MTIME)
            put(store, hint, b"hint")
            store.relink(photo_version, NEW)
            write_tombstone(store, Place(VersionTombstone(photo_version)))
            store.remove_hint(hint)
            photo = PhotoTombstone(VOLUME, photo_version.photo)
            write_tombstone(store, Place(photo, hint.hint_for))
            store.quarantine(variant_of(replace(photo_version, version=NEW), "s"))
            store.list_hints(10)
            store.list_trash(VOLUME, photo_version.photo)
            store.empty_trash(retention_days=0)
        except Exception as error:  # noqa: BLE001  # any failure is one of the test
            failures.append(error)
        kept.append(photo_version)


@pytest.mark.parametrize("seed", range(2))
def test_operations_race_with_an_operator(store, root, seed):
    """No operation fails, every live file is served, and every delete holds."""
    failures, kept, numbers = [], [], itertools.count()
    operator = Operator(root, seed)
    threads = [
        threading.Thread(target=operate, args=(store, numbers, failures, kept)) for _ in range(3)
    ]
    operator.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    operator.stop()
    assert failures == []
    assert operator.removals >= 20
    assert len(kept) >= RACE_PHOTOS_MIN
    store.finish_deletes()
    for photo_version in kept:
        with pytest.raises(Gone):
            store.raise_if_deleted(variant_of(photo_version).file)
        relinked = variant_of(replace(photo_version, version=NEW))
        with contextlib.closing(store.open(relinked.path)) as file:
            assert file.read()
        assert not (root / variant_of(photo_version).path).exists()


@pytest.mark.parametrize("work", ACKNOWLEDGED, ids=lambda work: work.name)
@pytest.mark.parametrize("keeps_marker", [True, False])
def test_nothing_is_acknowledged_on_a_disk_that_is_emptied(
    tmp_path, monkeypatch, work, keeps_marker
):
    """Whenever that happens: a directory of a lost volume is not created again."""
    monkeypatch.setattr(store_module, "SHARDS", (version_of(1).shard,))
    for at in itertools.count():
        root = tmp_path / str(at)
        root.mkdir()
        (root / ".node").write_text("{}")
        disk = FileSystemThatLosesFolders(root)
        store = DiskStore(disk, PROOFS)
        store.create_volumes([VOLUME])
        work.prepare(store, version_of(1))
        lost = {each.name for each in root.iterdir()} - ({".node"} if keeps_marker else set())
        disk.lose(lost, at=at, keep_folder=False)
        is_acknowledged = True
        try:
            work.run(store, version_of(1))
        except NodeError:
            is_acknowledged = False
        calls = disk.calls
        disk.close_root()
        if at >= calls:
            return
        assert not (is_acknowledged and (root / str(VOLUME)).exists()), f"emptied at call {at}"


@pytest.mark.parametrize("keeps_marker", [True, False])
def test_an_emptied_root_says_nothing_about_its_photos(tmp_path, keeps_marker):
    """A missing file is an error, not an absence, with and without the hidden files of the root."""
    node_marker, volume = tmp_path / ".node", tmp_path / str(VOLUME)
    node_marker.write_text("{}")
    store = DiskStore(DiskFileSystem(tmp_path), PROOFS)
    store.create_volumes([VOLUME])
    path = f"{VOLUME}/{NEW[-2:]}/absent"
    with pytest.raises(NotFound):
        store.open(path)
    shutil.rmtree(volume)
    if not keeps_marker:
        node_marker.unlink()
    with pytest.raises(DiskSuspect, match="was removed" if keeps_marker else "node init"):
        store.open(path)
    assert not store.condition().accepts_new_photos
    assert store.condition().suspect_reason
