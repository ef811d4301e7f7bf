"""Operations of a store for the fault sweep, with their preparation and checks."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR, DiskFileSystem
from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import Gone, NodeError
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
)
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.photo_id import Version
from volumes.photo_path import PhotoTombstone, PhotoVersion, VersionTombstone, VolumeId

DATA = bytes_of("photo", size=120)
DAMAGED = b"damaged"
UNVERIFIED = bytes_of("unverified")

Do = Callable[[DiskStore, PhotoVersion], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One operation on a photo of its own. Only `run` meets a fault."""

    name: str
    prepare: Do = lambda _store, _of: None
    run: Do
    is_done: Do
    finish: Do | None = None
    """Finish an operation that succeeds although its last part failed."""
    may_fail: tuple[str, ...] = ()
    """Calls whose failure the operation makes up for."""
    may_sync_disk: bool = False


def root_of(store: DiskStore) -> DiskFileSystem:
    """Return the file system of a store over a real disk."""
    assert isinstance(store.file_system, DiskFileSystem)
    return store.file_system


def put_photo(store: DiskStore, photo_version: PhotoVersion) -> None:
    """Put the photo."""
    put(store, variant_of(photo_version), DATA)


def put_hint(store: DiskStore, photo_version: PhotoVersion) -> None:
    """Put the photo as a hint."""
    put(store, _held(photo_version), DATA)


def put_damaged(store: DiskStore, photo_version: PhotoVersion) -> None:
    """Put the photo, and damage it."""
    put_photo(store, photo_version)
    path = root_of(store).root / variant_of(photo_version).path
    path.chmod(0o600)
    path.write_bytes(DAMAGED)


def _put_unverified(store: DiskStore, photo_version: PhotoVersion) -> None:
    put(store, variant_of(photo_version), UNVERIFIED)
    path = root_of(store).root / variant_of(photo_version).path
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)


def _publish_sizes(store: DiskStore, photo_version: PhotoVersion) -> None:
    store.publish_bundle(bundle_of(photo_version, sizes="os"), mtime_seconds=MTIME)


def _delete(store: DiskStore, photo_version: PhotoVersion) -> None:
    write_tombstone(store, Place(VersionTombstone(photo_version)))


def _finish_delete(store: DiskStore, photo_version: PhotoVersion) -> None:
    with pytest.raises(Gone):
        store.raise_if_deleted(variant_of(photo_version).file)
    store.finish_deletes()


def _hint_tombstone(store: DiskStore, photo_version: PhotoVersion) -> None:
    write_tombstone(store, _hinted_tombstone(photo_version))


def _open_volume(store: DiskStore, photo_version: PhotoVersion) -> None:
    directories = store._directories
    make = directories.make_with_files

    def make_fewer(names, link):
        make({parent: shards[:1] for parent, shards in names.items()}, link)

    with pytest.MonkeyPatch.context() as patch:
        # One call creates a thousand directories, so one directory is enough here.
        patch.setattr(directories, "make_with_files", make_fewer)
        store.create_volumes([_other_volume(photo_version)])


def has(place: Place, data: bytes = DATA) -> Do:
    """Check that a place has these bytes."""

    def check(store: DiskStore, _: PhotoVersion) -> bool:
        with opened(store.file_system, place.path) as file:
            return file.read() == data

    return check


def _names(store: DiskStore, photo_version: PhotoVersion) -> list[str]:
    return [file.name for file in store.list_photo(VOLUME, photo_version.photo)]


def lacks(place: Place) -> Do:
    """Check that a place has no file."""
    return lambda store, _: not store.file_system.exists(place.path)


def _held(photo_version: PhotoVersion) -> Place:
    return variant_of(photo_version, hint_for="west-1")


def _hinted_tombstone(photo_version: PhotoVersion) -> Place:
    return Place(PhotoTombstone(VOLUME, photo_version.photo), _held(photo_version).hint_for)


def _other_volume(photo_version: PhotoVersion) -> VolumeId:
    return VolumeId(1000 + int(photo_version.photo[10:14]))


def with_version(make: Callable[[PhotoVersion], Do]) -> Do:
    """Return the check that `make` returns for the version."""
    return lambda store, photo_version: make(photo_version)(store, photo_version)


def _publish_batch(store: DiskStore, photo_version: PhotoVersion) -> None:
    files = [InMemoryFile(*file, MTIME) for file in _batch_of(photo_version)]
    for outcome in store.publish_many(files):
        if isinstance(outcome, NodeError):
            raise outcome


def _has_batch(store: DiskStore, photo_version: PhotoVersion) -> bool:
    files = _batch_of(photo_version)
    return all(has(place, data)(store, photo_version) for place, data, _ in files)


def _batch_of(photo_version: PhotoVersion) -> list[tuple[Place, bytes, str]]:
    return [
        (variant_of(photo_version, size), data, digest_of(data))
        for size in "osm"
        for data in [bytes_of(size)]
    ]


HAS_PHOTO = with_version(lambda photo_version: has(variant_of(photo_version), DATA))
HAS_SIZES: Do = lambda store, photo_version: len(_names(store, photo_version)) == 3  # noqa: E731  # beside its like

WORKS = (
    Work(name="put", run=put_photo, is_done=HAS_PHOTO),
    Work(name="put the same again", prepare=put_photo, run=put_photo, is_done=HAS_PHOTO),
    Work(name="put over a damaged copy", prepare=put_damaged, run=put_photo, is_done=HAS_PHOTO),
    Work(
        name="batch",
        run=_publish_batch,
        is_done=_has_batch,
        may_fail=("create_unnamed", "space"),
    ),
    Work(
        name="batch on a disk of its own",
        run=_publish_batch,
        is_done=_has_batch,
        may_fail=("create_unnamed", "space"),
        may_sync_disk=True,
    ),
    Work(
        name="put for another node",
        run=put_hint,
        is_done=with_version(lambda photo_version: has(_held(photo_version), DATA)),
    ),
    Work(
        name="remove hint",
        prepare=put_hint,
        run=lambda store, photo_version: store.remove_hint(_held(photo_version)),
        is_done=with_version(lambda photo_version: lacks(_held(photo_version))),
    ),
    Work(name="bundle", run=_publish_sizes, is_done=HAS_SIZES),
    Work(
        name="write tombstone",
        prepare=_publish_sizes,
        run=_delete,
        finish=_finish_delete,
        is_done=lambda store, photo_version: (
            _names(store, photo_version) == [f"{photo_version.photo}_{photo_version.version}.gone"]
        ),
    ),
    Work(
        name="tombstone as a hint",
        run=_hint_tombstone,
        is_done=lambda store, photo_version: store.file_system.exists(
            _hinted_tombstone(photo_version).path
        ),
    ),
    Work(
        name="quarantine",
        prepare=put_photo,
        run=lambda store, photo_version: store.quarantine(variant_of(photo_version)),
        is_done=with_version(lambda photo_version: lacks(variant_of(photo_version))),
    ),
    Work(
        name="restore digest",
        prepare=_put_unverified,
        run=lambda store, photo_version: store.restore_digest(variant_of(photo_version), ""),
        is_done=with_version(lambda photo_version: has(variant_of(photo_version), UNVERIFIED)),
    ),
    Work(
        name="relink",
        prepare=_publish_sizes,
        run=lambda store, photo_version: store.relink(photo_version, Version("000001")),
        is_done=lambda store, photo_version: len(_names(store, photo_version)) == 6,
    ),
    Work(
        name="open a volume",
        run=_open_volume,
        is_done=lambda store, photo_version: (
            _other_volume(photo_version) in DiskStore(store.file_system, PROOFS).volumes
        ),
    ),
)
