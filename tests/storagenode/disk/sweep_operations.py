"""What a store does, as works that can be prepared, done and looked at."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR, DiskFileSystem
from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bundle_of,
    bytes_of,
    variant_of,
)
from tests.storagenode.store_under_test import put
from volumes.photo_id import Version
from volumes.photo_path import PhotoTombstone, PhotoVersion, VersionTombstone, VolumeId

DATA = bytes_of("photo", size=120)
DAMAGED = b"damaged"
UNVERIFIED = bytes_of("unverified")

Do = Callable[[DiskStore, PhotoVersion], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One thing a store does with a photo of its own; only `run` meets a fault."""

    name: str
    prepare: Do = lambda _store, _of: None
    run: Do
    is_done: Do


def root_of(store: DiskStore) -> DiskFileSystem:
    """The file system of a store over a real disk."""
    assert isinstance(store.file_system, DiskFileSystem)
    return store.file_system


def _put(store: DiskStore, of: PhotoVersion) -> None:
    put(store, variant_of(of), DATA)


def _put_owed(store: DiskStore, of: PhotoVersion) -> None:
    put(store, _held(of), DATA)


def _put_damaged(store: DiskStore, of: PhotoVersion) -> None:
    _put(store, of)
    path = root_of(store).root / variant_of(of).path
    path.chmod(0o600)
    path.write_bytes(DAMAGED)


def _put_unverified(store: DiskStore, of: PhotoVersion) -> None:
    put(store, variant_of(of), UNVERIFIED)
    path = root_of(store).root / variant_of(of).path
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)


def _publish_sizes(store: DiskStore, of: PhotoVersion) -> None:
    store.publish_bundle(bundle_of(of, sizes="os"), mtime_seconds=MTIME)


def _bury(store: DiskStore, of: PhotoVersion) -> None:
    store.bury(Place(VersionTombstone(of)), mtime_seconds=MTIME)


def _bury_owed(store: DiskStore, of: PhotoVersion) -> None:
    store.bury(_owed_tombstone(of), mtime_seconds=MTIME)


def _open_volume(store: DiskStore, of: PhotoVersion) -> None:
    directories = store._directories
    make_all = directories.make_all
    with pytest.MonkeyPatch.context() as patch:
        # A thousand directories are made by the same call, so that one of them stands for all.
        patch.setattr(directories, "make_all", lambda parent, names: make_all(parent, names[:1]))
        store.open_volume(_other_volume(of))


def _has(place: Place, data: bytes) -> Do:
    def check(store: DiskStore, _: PhotoVersion) -> bool:
        with opened(store.file_system, place.path) as file:
            return file.read() == data

    return check


def _names(store: DiskStore, of: PhotoVersion) -> list[str]:
    return [file.name for file in store.list_photo(VOLUME, of.photo)]


def _lacks(place: Place) -> Do:
    return lambda store, _: not store.file_system.exists(place.path)


def _held(of: PhotoVersion) -> Place:
    return variant_of(of, owed_to="west-1")


def _owed_tombstone(of: PhotoVersion) -> Place:
    return Place(PhotoTombstone(VOLUME, of.photo), _held(of).owed_to)


def _other_volume(of: PhotoVersion) -> VolumeId:
    return VolumeId(1000 + int(of.photo[10:14]))


def _with(make: Callable[[PhotoVersion], Do]) -> Do:
    return lambda store, of: make(of)(store, of)


HAS_PHOTO = _with(lambda of: _has(variant_of(of), DATA))
HAS_SIZES: Do = lambda store, of: len(_names(store, of)) == 3  # noqa: E731  # beside its like

WORKS = (
    Work(name="put", run=_put, is_done=HAS_PHOTO),
    Work(name="put the same again", prepare=_put, run=_put, is_done=HAS_PHOTO),
    Work(name="put over a damaged copy", prepare=_put_damaged, run=_put, is_done=HAS_PHOTO),
    Work(
        name="put for another node", run=_put_owed, is_done=_with(lambda of: _has(_held(of), DATA))
    ),
    Work(
        name="settle",
        prepare=_put_owed,
        run=lambda store, of: store.settle(_held(of)),
        is_done=_with(lambda of: _lacks(_held(of))),
    ),
    Work(name="bundle", run=_publish_sizes, is_done=HAS_SIZES),
    Work(
        name="bury",
        prepare=_publish_sizes,
        run=_bury,
        is_done=lambda store, of: _names(store, of) == [f"{of.photo}_{of.version}.gone"],
    ),
    Work(
        name="bury for another node",
        run=_bury_owed,
        is_done=lambda store, of: store.file_system.exists(_owed_tombstone(of).path),
    ),
    Work(
        name="quarantine",
        prepare=_put,
        run=lambda store, of: store.quarantine(variant_of(of)),
        is_done=_with(lambda of: _lacks(variant_of(of))),
    ),
    Work(
        name="adopt",
        prepare=_put_unverified,
        run=lambda store, of: store.adopt(variant_of(of), ""),
        is_done=_with(lambda of: _has(variant_of(of), UNVERIFIED)),
    ),
    Work(
        name="relink",
        prepare=_publish_sizes,
        run=lambda store, of: store.relink(of, Version("000001")),
        is_done=lambda store, of: len(_names(store, of)) == 6,
    ),
    Work(
        name="open a volume",
        run=_open_volume,
        is_done=lambda store, of: _other_volume(of) in DiskStore(store.file_system).volumes,
    ),
)
