"""The steps of a write on a disk, with a file system that watches them and can interfere."""

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.reading import recorded_digest
from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import Conflict, Gone, NodeError
from storagenode.protocol.layout import STAGING, TRASH, Place
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.cold_tier import ColdTier
from volumes.photo_path import EXTENSIONS, Info, PhotoTombstone, Variant, VersionTombstone

OF = version_of(1)
ORIGINAL, SIZE = variant_of(OF), variant_of(OF, "m")


def do_nothing(call, path):
    """Interfere with no call."""
    del call, path


class WatchedFileSystem(DiskFileSystem):
    """A real file system that knows what is not durable, and calls `before` at each change."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.names, self.bytes = set(), set()
        self.before = do_nothing

    def unsynced(self):
        """Return the directories and open files that changed after their last fsync."""
        return self.names | self.bytes

    def _change(self, call, path):
        self.before(call, path)
        if not path.startswith(STAGING):
            self.names.add(path.rpartition("/")[0] or ".")

    def write(self, handle, data):
        """Note a file."""
        self.bytes.add(handle)
        super().write(handle, data)

    def fsync(self, handle):
        """Forget a file."""
        super().fsync(handle)
        self.bytes.discard(handle)

    def link(self, source, target):
        """Note the directory of a name."""
        self._change("link", target)
        super().link(source, target)

    def link_unnamed(self, handle, target):
        """Note the directory of a name."""
        self._change("link", target)
        super().link_unnamed(handle, target)

    def rename(self, source, target):
        """Note both directories."""
        self._change("rename", target)
        super().rename(source, target)
        if not source.startswith(STAGING):
            self.names.add(source.rpartition("/")[0])

    def unlink(self, path):
        """Note the directory of a name."""
        self._change("unlink", path)
        super().unlink(path)

    def make_directory(self, path):
        """Note the parent of a directory."""
        self._change("make", path)
        return super().make_directory(path)

    def fsync_directory(self, path):
        """Forget a directory."""
        self.before("fsync", path)
        super().fsync_directory(path)
        self.names.discard(path)

    def open_to_read(self, path):
        """Only announce it."""
        self.before("open", path)
        return super().open_to_read(path)

    def sync_disk(self):
        """Forget everything."""
        super().sync_disk()
        self.names.clear()
        self.bytes.clear()


@pytest.fixture(name="disk")
def _disk(root):
    disk = WatchedFileSystem(root)
    yield disk
    disk.close_root()


@pytest.fixture(name="store")
def _store(disk):
    return DiskStore(disk, PROOFS)


def open_files():
    """Return the number of files that this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def once(call, path, action):
    """Return a `before` that acts at the first such call."""
    left = [action]

    def before(called, at):
        if left and called == call and at.startswith(path):
            left.pop()()

    return before


def _delete(store):
    write_tombstone(store, Place(VersionTombstone(OF)))


def _drop(store):
    store.set_cold_tier(VOLUME, ColdTier(sizes="o", cold_nodes=("west-1",)))
    store.drop_copy(ORIGINAL, digest_of(bytes_of(ORIGINAL)), node="east-1")


OPERATIONS = {
    "put": lambda store: put(store, variant_of(version_of(2)), b"new"),
    "bundle": lambda store: store.publish_bundle(bundle_of(version_of(2)), mtime_seconds=MTIME),
    "hint": lambda store: put(store, variant_of(version_of(2), hint_for="west-1"), b"new"),
    "tombstone": _delete,
    "dropped copy": _drop,
    "quarantine": lambda store: store.quarantine(SIZE, digest=digest_of(bytes_of(SIZE))),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_everything_is_durable_when_an_operation_returns(store, disk, name):
    """The bytes of each file, and each name that was given or taken away."""
    store.publish_bundle(bundle_of(OF, sizes="om"), mtime_seconds=MTIME)
    disk.names.clear()
    OPERATIONS[name](store)
    hidden = {each for each in disk.unsynced() if str(each).startswith(TRASH)}
    assert disk.unsynced() - hidden == set()


def test_a_directory_that_is_removed_before_its_fsync_is_filled_again(store, disk, root):
    """All files of the request get their names again, and are durable."""
    bundle = bundle_of(OF)
    shard = root / bundle[0][0].path.rpartition("/")[0]
    disk.before = once("fsync", f"{VOLUME}/", lambda: shutil.rmtree(shard))
    published = store.publish_bundle(bundle, mtime_seconds=MTIME)
    assert len(published) == len(bundle)
    for place, data, digest in bundle:
        assert (root / place.path).read_bytes() == data
        assert recorded_digest(disk, place.path) == digest
    assert disk.unsynced() == set()
    disk.before = once("fsync", f"{VOLUME}/", lambda: shutil.rmtree(shard))
    put(store, variant_of(version_of(1, version=1)), b"alone")
    assert disk.unsynced() == set()


def test_a_directory_that_is_removed_again_and_again_is_an_error(store, disk, root):
    """Nothing is acknowledged."""
    shard = root / SIZE.path.rpartition("/")[0]
    disk.before = lambda call, _: call == "fsync" and shutil.rmtree(shard, ignore_errors=True)
    with pytest.raises(NodeError):
        put(store, SIZE, b"bytes")


@pytest.mark.parametrize("size", [1, 5 * 1024 * 1024 + 1])
def test_a_staged_file_that_is_removed_is_staged_again(store, disk, root, size):
    """With its bytes, digest, and second; everything is durable, and no file stays open."""
    data, open_before = bytes_of("new", size=size), open_files()
    disk.before = once("link", SIZE.path, lambda: shutil.rmtree(root / STAGING))
    assert put(store, SIZE, data).bytes == size
    assert (root / SIZE.path).read_bytes() == data
    assert recorded_digest(disk, SIZE.path) == digest_of(data)
    assert disk.stat(SIZE.path).mtime_seconds == MTIME
    assert disk.unsynced() == set()
    assert not any((root / STAGING).iterdir())
    assert open_files() == open_before


def test_a_staged_file_that_is_removed_before_a_replacement_is_staged_again(store, disk, root):
    """A size without an info gives way to another."""
    put(store, SIZE, b"old")
    disk.before = once("rename", SIZE.path, lambda: shutil.rmtree(root / STAGING))
    put(store, SIZE, b"new")
    assert (root / SIZE.path).read_bytes() == b"new"
    assert disk.unsynced() == set()


def test_a_staged_file_that_cannot_be_closed_costs_nothing(store, disk, root):
    """The file is durable, and its hidden name is removed."""
    close = disk.close

    def close_and_fail(handle):
        close(handle)
        raise OSError(errno.EIO, "close failed")

    disk.close = close_and_fail
    put(store, SIZE, b"bytes")
    disk.close = close
    assert (root / SIZE.path).read_bytes() == b"bytes"
    assert not any((root / STAGING).iterdir())


def test_all_files_that_an_earlier_process_staged_are_removed(disk, root):
    """Also if an operator removes one of them meanwhile."""
    names = [root / STAGING / str(number) for number in range(3)]
    for name in names:
        name.write_bytes(b"left")
    disk.before = once("unlink", STAGING, names[1].unlink)
    assert DiskStore(disk, PROOFS).leftovers == 3
    assert not any((root / STAGING).iterdir())


def test_bytes_that_changed_under_a_removed_name_are_not_published(store, disk, root):
    """The disk is at fault, not the request."""
    read_at = disk.read_at
    disk.read_at = lambda *where: read_at(*where).replace(b"new", b"old")
    disk.before = once("link", SIZE.path, lambda: shutil.rmtree(root / STAGING))
    with pytest.raises(NodeError):
        put(store, SIZE, b"new bytes")
    assert not (root / SIZE.path).exists()
    assert store.condition().suspect_reason


def test_a_name_that_is_free_again_is_given(store, disk, root):
    """An operator can remove the file that has it, between the refused link and the look at it."""
    put(store, SIZE, b"old")
    disk.before = once("open", SIZE.path, (root / SIZE.path).unlink)
    assert not put(store, SIZE, b"new").existed
    assert (root / SIZE.path).read_bytes() == b"new"


def test_a_version_gets_no_second_original_of_any_format(store):
    """Nor a hint of one, if there is one for the same mirror."""
    for ext in ("jpg", "heic", "tif"):
        photo_version = version_of(10 + len(ext), version=ord(ext[0]))
        first = Place(Variant(photo_version, "o", ext))
        put(store, first, b"first")
        for other in set(EXTENSIONS) - {ext}:
            with pytest.raises(Conflict):
                put(store, Place(Variant(photo_version, "o", other)), b"second")


def test_a_hinted_tombstone_refuses_hints_for_its_mirror_only(store):
    """It is for what the mirror has."""
    write_tombstone(store, Place(VersionTombstone(OF), "west-1"))
    with pytest.raises(Gone):
        put(store, variant_of(OF, "m", hint_for="west-1"), b"hint")
    put(store, variant_of(OF, "m", hint_for="west-2"), b"hint")
    put(store, SIZE, b"size")


def test_a_hinted_tombstone_that_is_delivered_meanwhile_refuses_nothing(store, disk, root):
    """The mirror has it by then."""
    tombstone = Place(VersionTombstone(OF), "west-1")
    write_tombstone(store, tombstone)
    disk.before = once("open", tombstone.path, (root / tombstone.path).unlink)
    put(store, variant_of(OF, "m", hint_for="west-1"), b"hint")


@pytest.mark.parametrize("tombstone", [VersionTombstone(OF), PhotoTombstone(VOLUME, OF.photo)])
def test_a_version_that_was_not_deleted_at_the_last_look_can_be_deleted_now(store, tombstone):
    """Looks are remembered until the next tombstone."""
    put(store, SIZE, b"size")
    store.raise_if_deleted(SIZE.file)
    write_tombstone(store, Place(VersionTombstone(version_of(2))))
    store.raise_if_deleted(SIZE.file)
    write_tombstone(store, Place(tombstone))
    with pytest.raises(Gone):
        store.raise_if_deleted(SIZE.file)


def test_an_info_that_lists_other_sizes_is_refused_with_its_sizes(store):
    """The first ones stay."""
    bundle = bundle_of(OF)
    store.publish_bundle(bundle, mtime_seconds=MTIME)
    store.publish_bundle(bundle, mtime_seconds=MTIME)
    other = [(place, data + b"!", digest_of(data + b"!")) for place, data, _ in bundle]
    with pytest.raises(Conflict, match="lists other sizes"):
        store.publish_bundle(other, mtime_seconds=MTIME)


@pytest.mark.parametrize("name", ["put", "tombstone", "dropped copy", "quarantine"])
def test_names_of_a_photo_change_under_its_lock(store, disk, name):
    """A file and a tombstone of one photo never change names at once."""
    store.publish_bundle(bundle_of(OF, sizes="om"), mtime_seconds=MTIME)
    photo = version_of(2) if name == "put" else OF
    entered, threads = [], []

    def try_to_enter(call, path):
        if call not in {"link", "rename", "unlink"} or photo.photo not in path:
            return

        def enter():
            with store._publisher.photo_lock(Info(photo)):
                is_inside.set()

        is_inside = threading.Event()
        threads.append(threading.Thread(target=enter))
        threads[-1].start()
        entered.append(is_inside.wait(0.02))

    disk.before = try_to_enter
    OPERATIONS[name](store)
    for thread in threads:
        thread.join()
    assert entered
    assert not any(entered)


@pytest.fixture(name="stuck", params=[errno.ENOSPC, errno.ENOENT])
def _stuck(store, disk, request):
    """Delete two photos while their files cannot be moved."""

    def refuse(call, path):
        if call == "rename" and path.startswith(TRASH):
            raise OSError(request.param, os.strerror(request.param))

    for number in (1, 2):
        store.publish_bundle(bundle_of(version_of(number), sizes="om"), mtime_seconds=MTIME)
    disk.before = refuse
    for number in (1, 2):
        write_tombstone(store, Place(VersionTombstone(version_of(number))))
    disk.before = do_nothing


@pytest.mark.usefixtures("stuck")
def test_files_that_could_not_be_moved_to_the_trash_are_moved_later(store, disk):
    """The deletes are acknowledged meanwhile."""
    for number in (1, 2):
        with pytest.raises(Gone):
            store.raise_if_deleted(variant_of(version_of(number)).file)
        assert len(store.list_photo(VOLUME, version_of(number).photo)) == 4
    store.finish_deletes()
    for number in (1, 2):
        assert len(store.list_photo(VOLUME, version_of(number).photo)) == 1
        assert len(store.list_trash(VOLUME, version_of(number).photo)) == 3
    disk.before = lambda call, path: pytest.fail(f"{call} of {path}")
    store.finish_deletes()


def test_a_file_that_disappears_before_its_move_delays_no_other(store, disk, root):
    """An operator removed it."""
    store.publish_bundle(bundle_of(OF, sizes="oms"), mtime_seconds=MTIME)
    disk.before = once("rename", TRASH, (root / SIZE.path).unlink)
    _delete(store)
    assert len(store.list_photo(VOLUME, OF.photo)) == 1
    store.finish_deletes()
    assert len(store.list_trash(VOLUME, OF.photo)) in {3, 4}
