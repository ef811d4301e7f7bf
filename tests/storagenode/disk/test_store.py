"""Behavior specific to disks: damaged files, lost directories, and digests in xattrs."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from storagenode.disk import walking
from storagenode.disk.directories import VOLUMES_WITH_ALL_SHARDS_MAX
from storagenode.disk.filesystem import DIGEST_XATTR, DiskFileSystem
from storagenode.disk.marker import mark_root
from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import Conflict, Corrupt, NodeError, NotFound
from storagenode.protocol.layout import Place
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
from tests.storagenode.tombstones import PROOFS, proof_of, write_tombstone
from volumes.photo_path import Info, PhotoTombstone, VersionTombstone, render_path

OF = version_of(7)
DATA = bytes_of("photo")
NOBODY = 65534


def flip(path):
    """Flip one bit of a file."""
    path.chmod(0o600)
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def digest_recorded_on(path):
    """Return the digest in a file's xattr."""
    return os.getxattr(path, DIGEST_XATTR).decode()


@contextlib.contextmanager
def not_root():
    """Drop the privileges of root until the block exits."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture(name="path")
def _path(store, root):
    put(store, variant_of(OF), DATA)
    return root / variant_of(OF).path


def test_a_file_is_read_only_and_has_its_digest(path):
    """In its mode and its xattr."""
    assert path.stat().st_mode & 0o777 == 0o440
    assert digest_recorded_on(path) == digest_of(DATA)
    assert path.stat().st_nlink == 1


def test_a_corrupt_file_is_replaced_by_the_right_bytes(store, root, path):
    """The corrupt file is quarantined."""
    flip(path)
    damaged = path.read_bytes()
    published = put(store, variant_of(OF), DATA, mtime_seconds=MTIME + 1)
    assert not published.existed
    # An upload that is late does not give one mirror another second than the others have.
    assert published.mtime_seconds == path.stat().st_mtime == MTIME
    assert path.read_bytes() == DATA
    (quarantined,) = (root / ".quarantine").iterdir()
    assert quarantined.read_bytes() == damaged
    assert quarantined.name.endswith(f"-{variant_of(OF).path.replace('/', '_')}")


def test_a_corrupt_file_is_quarantined_before_other_bytes_replace_it(store, root, path):
    """The new bytes are published with their own digest."""
    flip(path)
    put(store, variant_of(OF), bytes_of("another"))
    assert path.read_bytes() == bytes_of("another")
    assert len(list((root / ".quarantine").iterdir())) == 1


def test_a_file_without_a_digest_gets_it_with_the_same_bytes(store, root, path):
    """No file is quarantined."""
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)
    assert [file.digest for file in store.list_shard(VOLUME, OF.shard)] == [""]
    put(store, variant_of(OF), DATA)
    assert digest_recorded_on(path) == digest_of(DATA)
    assert list((root / ".quarantine").iterdir()) == []
    assert [file.digest for file in store.list_shard(VOLUME, OF.shard)] == [digest_of(DATA)]


def test_a_file_without_a_digest_is_quarantined_for_other_bytes(store, root, path):
    """It is never deleted."""
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)
    put(store, variant_of(OF), bytes_of("another"))
    (quarantined,) = (root / ".quarantine").iterdir()
    assert quarantined.read_bytes() == DATA


def test_a_sound_file_is_never_replaced(store, path):
    """Repeated puts of other bytes change nothing."""
    for _ in range(2):
        with pytest.raises(Conflict):
            put(store, variant_of(OF), bytes_of("another"))
    assert path.read_bytes() == DATA


def test_a_truncated_file_is_replaced(store, path):
    """Also one of zero bytes."""
    path.chmod(0o600)
    os.truncate(path, 0)
    put(store, variant_of(OF), DATA)
    assert path.read_bytes() == DATA


def test_a_corrupt_info_is_replaced(store, root):
    """Only a sound info wins by being first."""
    put(store, Place(Info(OF)), b'{"made": 1}')
    flip(root / render_path(Info(OF)))
    assert not put(store, Place(Info(OF)), b'{"made": 2}').existed
    assert (root / render_path(Info(OF))).read_bytes() == b'{"made": 2}'


def test_a_late_reader_of_a_corrupt_file_does_not_quarantine_the_repaired_one(store, clock, path):
    """The repaired file has another inode."""
    flip(path)
    read_inode = path.stat().st_ino
    put(store, variant_of(OF), DATA)
    assert store.quarantine(variant_of(OF), inode=read_inode) is None
    assert path.read_bytes() == DATA
    clock.advance(1)
    assert store.quarantine(variant_of(OF), inode=path.stat().st_ino) is not None


def test_quarantined_files_never_share_a_name(store, root, clock):
    """With a stopped clock, the second file stays in place."""
    put(store, variant_of(OF), DATA)
    store.quarantine(variant_of(OF))
    put(store, variant_of(OF), bytes_of("another"))
    with pytest.raises(NodeError):
        store.quarantine(variant_of(OF))
    clock.advance(0.000_001)
    store.quarantine(variant_of(OF))
    kept = {entry.read_bytes() for entry in (root / ".quarantine").iterdir()}
    assert kept == {DATA, bytes_of("another")}


def test_a_digest_is_restored_if_the_mirror_agrees(store, path):
    """Or if no mirror has one."""
    for wanted in (digest_of(DATA), ""):
        path.chmod(0o600)
        os.removexattr(path, DIGEST_XATTR)
        assert store.restore_digest(variant_of(OF), wanted) == digest_of(DATA)
        assert digest_recorded_on(path) == digest_of(DATA)
        assert path.stat().st_mode & 0o777 == 0o440
        assert path.stat().st_mtime == MTIME


def test_bytes_that_differ_from_the_mirror_are_quarantined(store, root, path):
    """Without a recorded digest, the mirror's digest decides."""
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)
    with pytest.raises(Corrupt):
        store.restore_digest(variant_of(OF), digest_of(b"other"))
    assert not path.exists()
    assert len(list((root / ".quarantine").iterdir())) == 1


def test_a_recorded_digest_is_never_changed(store, root, path):
    """A corrupt file must not become sound."""
    assert store.restore_digest(variant_of(OF), "") == digest_of(DATA)
    flip(path)
    with pytest.raises(Corrupt):
        store.restore_digest(variant_of(OF), "")
    assert len(list((root / ".quarantine").iterdir())) == 1
    with pytest.raises(NotFound):
        store.restore_digest(variant_of(OF), "")


def test_a_restored_digest_changes_the_digest_of_the_shard(store, clock, path):
    """Although the directory has not changed."""
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)
    clock.seconds = path.parent.stat().st_mtime + 100
    before = store.shard_digests(VOLUME)
    store.restore_digest(variant_of(OF), "")
    assert store.shard_digests(VOLUME) != before


def test_a_store_needs_no_root_privileges(node, clock):
    """All operations work for a user without write permission on the files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        with not_root():
            mark_root(folder / "root", node)
            file_system = DiskFileSystem(folder / "root")
            store = DiskStore(file_system, PROOFS, now_seconds=clock)
            store.create_volumes([VOLUME])
            put(store, variant_of(OF), DATA)
            path = folder / "root" / variant_of(OF).path
            path.chmod(0o600)
            os.removexattr(path, DIGEST_XATTR)
            path.chmod(0o440)
            store.restore_digest(variant_of(OF), "")
            store.relink(OF, "000009")
            store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
            put(store, variant_of(OF, hint_for="west-1"), DATA)
            store.remove_hint(variant_of(OF, hint_for="west-1"))
            store.quarantine(variant_of(OF))
            write_tombstone(store, Place(PhotoTombstone(VOLUME, OF.photo)))
            assert len(store.list_shard(VOLUME, OF.shard)) == 1
            file_system.close_root()


def test_a_lost_shard_directory_is_created_again(store, root):
    """An operator can delete one while the node runs."""
    shutil.rmtree(root / str(VOLUME) / OF.shard)
    assert store.list_shard(VOLUME, OF.shard) == ()
    put(store, variant_of(OF), DATA)
    assert (root / variant_of(OF).path).read_bytes() == DATA
    shutil.rmtree(root / str(VOLUME) / OF.shard)
    write_tombstone(store, Place(VersionTombstone(OF)))
    assert (root / render_path(VersionTombstone(OF))).exists()
    shutil.rmtree(root / str(VOLUME) / OF.shard)
    store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
    assert len(store.list_shard(VOLUME, OF.shard)) == 13


def test_a_trash_without_its_day_takes_the_next_delete(store, root, path):
    """Retention removes whole days."""
    write_tombstone(store, Place(VersionTombstone(OF)))
    other = version_of(7, version=1)
    put(store, variant_of(other), DATA)
    for day in (root / ".trash").iterdir():
        shutil.rmtree(day)
    write_tombstone(store, Place(VersionTombstone(other)))
    assert len(list((root / ".trash").glob("*/*/*/*"))) == 1
    assert not path.exists()


def test_a_delete_goes_to_the_day_it_was_made(store, root, clock, path):
    """The day is in UTC, so all nodes agree."""
    clock.seconds = 1_704_067_199
    write_tombstone(store, Place(VersionTombstone(OF)))
    clock.advance(1)
    other = version_of(8)
    put(store, variant_of(other), DATA)
    write_tombstone(store, Place(VersionTombstone(other)))
    days = sorted(day.name for day in (root / ".trash").iterdir())
    assert days == ["2023-12-31", "2024-01-01"]
    assert not path.exists()


def test_hints_can_be_deleted_by_hand(store, root):
    """The node continues without them."""
    put(store, variant_of(OF, hint_for="west-1"), DATA)
    shutil.rmtree(root / ".hints" / "west-1")
    assert store.list_hints(10) == []
    assert store.count_hints(10) == 0
    store.remove_hint(variant_of(OF, hint_for="west-1"))
    put(store, variant_of(OF, hint_for="west-1"), DATA)
    assert len(store.list_hints(10)) == 1


def test_removing_hints_leaves_no_empty_directories(store, root):
    """Each listing of hints would walk through them."""
    for number in range(3):
        put(store, variant_of(version_of(number), hint_for="west-1"), DATA)
    for hint in store.list_hints(10):
        store.remove_hint(hint.place)
    assert list((root / ".hints").iterdir()) == []


def test_unknown_files_in_a_shard_are_skipped(store, root, path):
    """They have no names of photo files."""
    for name in (".hidden", "notes.txt", f"{path.name}.tmp", f"{OF.photo}_m.jpg"):
        (path.parent / name).write_bytes(b"x")
    assert [file.name for file in store.list_shard(VOLUME, OF.shard)] == [path.name]
    (root / "lost+found").mkdir()
    (root / "99").mkdir()
    (root / "not-a-volume").write_text("x")
    assert DiskStore(store.file_system, PROOFS).volumes == (VOLUME,)


def test_a_symbolic_link_is_never_followed(store, root, tmp_path):
    """Neither for reading nor for listing."""
    secret = tmp_path / "secret"
    secret.write_bytes(DATA)
    (root / variant_of(OF).path).symlink_to(secret)
    with (
        pytest.raises(OSError, match="symbolic links"),
        opened(store.file_system, variant_of(OF).path),
    ):
        pass
    (root / variant_of(OF).path).unlink()


def test_a_tombstone_survives_an_interrupted_move_to_the_trash(store, root):
    """The next tombstone finishes the move."""
    put(store, variant_of(OF), DATA)
    tombstone = Place(VersionTombstone(OF))
    (root / tombstone.path).touch()
    os.setxattr(root / tombstone.path, DIGEST_XATTR, proof_of(tombstone).encode())
    assert len(store.list_shard(VOLUME, OF.shard)) == 2
    assert write_tombstone(store, Place(VersionTombstone(OF))).existed
    assert len(store.list_shard(VOLUME, OF.shard)) == 1


def test_a_volume_that_is_opened_later_creates_shards_with_their_first_files(store, root):
    """Thousands of directories at once would delay the fsyncs of uploads to other volumes."""
    assert store.volumes
    store.create_volumes([99])
    assert [path.name for path in (root / "99").iterdir()] == [".volume"]
    first, second = (variant_of(version_of(number, volume=99)) for number in (1, 2))
    put(store, first, DATA)
    (outcome,) = store.publish_many([InMemoryFile(second, DATA, digest_of(DATA), MTIME)])
    assert outcome.path == second.path
    shards = {place.file.photo_version.shard for place in (first, second)}
    assert store.shard_digests(99).keys() == shards
    assert {path.name for path in (root / "99").iterdir()} == {".volume", *shards}


def test_a_first_start_with_many_volumes_shares_its_waits_for_the_disk(root, monkeypatch):
    """All names exist before the first fsync of a directory, and one file marks all volumes."""
    file_system, calls = DiskFileSystem(root), []
    for name in ("fsync", "link", "make_directory", "fsync_directory"):
        call = getattr(file_system, name)

        def record(*arguments, name=name, call=call):
            calls.append(name)
            return call(*arguments)

        monkeypatch.setattr(file_system, name, record)
    store = DiskStore(file_system, PROOFS)
    calls.clear()
    volumes = [*range(100, 102 + VOLUMES_WITH_ALL_SHARDS_MAX)]
    store.create_volumes(volumes)
    count = len(volumes)
    assert calls == [
        "fsync",
        *["make_directory"] * count,
        *["link"] * count,
        *["fsync_directory"] * (count + 1),
    ]
    again = DiskStore(file_system, PROOFS)
    assert {VOLUME, *volumes} == set(again.volumes) == set(store.volumes)
    file_system.close_root()


def test_a_search_looks_into_no_other_shard(store, monkeypatch):
    """A photo id names its shard, also in the trash and among hints."""
    other = version_of(500)
    for photo_version in (OF, other):
        put(store, variant_of(photo_version), DATA)
        put(store, variant_of(photo_version, "m", hint_for="west-1"), DATA)
        write_tombstone(store, Place(VersionTombstone(photo_version)))
    listed, names_in = [], walking.names_in

    def recording(file_system, directory):
        listed.append(directory)
        return names_in(file_system, directory)

    monkeypatch.setattr(walking, "names_in", recording)
    assert len(store.find(OF.photo)) == 3
    assert any(directory.endswith(f"/{OF.shard}") for directory in listed)
    assert not any(directory.endswith(f"/{other.shard}") for directory in listed)
