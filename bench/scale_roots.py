"""Roots of nodes with many files, as a store would have written them, built without its fsyncs."""

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

from permission_urls import TombstoneProofs, generate_keys
from storagenode.disk.filesystem import DIGEST_XATTR, FINAL_MODE, DiskFileSystem
from storagenode.disk.store import DiskStore
from storagenode.protocol.layout import HINTS, NODE_MARKER, QUARANTINE, STAGING, TRASH
from volumes.photo_id import mint_photo_id, mint_version
from volumes.photo_path import (
    Info,
    PhotoFile,
    PhotoVersion,
    Variant,
    VersionTombstone,
    VolumeId,
    render_path,
)

SIZES = "obchklmnqs"
"""An original and nine sizes; with the info, a photo has eleven files."""
FILES_PER_PHOTO = len(SIZES) + 1
# One photo of a hundred is deleted.
PHOTOS_PER_TOMBSTONE = 100
MTIME_SECONDS = 1_700_000_000
BODY = b"a photo of 200 bytes".ljust(200, b".")
DIGEST = hashlib.sha256(BODY).hexdigest().encode()
PROOFS = TombstoneProofs(generate_keys(random.Random(1).randbytes))


def build_root(root: Path, volumes: int, files: int, *, seed: int = 1) -> DiskStore:
    """Return the store of a root with some volumes and about as many files."""
    root.mkdir(parents=True)
    for name in (STAGING, HINTS, TRASH, QUARANTINE):
        (root / name).mkdir()
    (root / NODE_MARKER).touch()
    store = DiskStore(DiskFileSystem(root), PROOFS)
    numbers = [VolumeId(number) for number in range(1, volumes + 1)]
    store.create_volumes(numbers)
    for file in _files(numbers, files // FILES_PER_PHOTO, random.Random(seed)):
        path = render_path(file)
        is_tombstone = isinstance(file, VersionTombstone)
        proof = PROOFS.sign(path).encode() if is_tombstone else DIGEST
        _write(root / path, b"" if is_tombstone else BODY, proof)
    return store


def write_photo(root: Path, body: bytes, *, seed: int = 1) -> None:
    """Write an original of any bytes to volume 1 of a root."""
    bits = random.Random(seed).getrandbits
    photo = mint_photo_id(now_milliseconds=MTIME_SECONDS * 1000, random_bits=bits)
    original = Variant(PhotoVersion(VolumeId(1), photo, mint_version(bits)), "o", "jpg")
    digest = hashlib.sha256(body).hexdigest().encode()
    _write(root / render_path(original), body, digest)


def _files(volumes: list[VolumeId], photos: int, rng: random.Random) -> Iterator[PhotoFile]:
    for number in range(photos):
        milliseconds = MTIME_SECONDS * 1000 + number
        photo = mint_photo_id(now_milliseconds=milliseconds, random_bits=rng.getrandbits)
        photo_version = PhotoVersion(
            volumes[number % len(volumes)], photo, mint_version(rng.getrandbits)
        )
        if number % PHOTOS_PER_TOMBSTONE == 0:
            yield VersionTombstone(photo_version)
            continue
        yield from (Variant(photo_version, size, "jpg") for size in SIZES)
        yield Info(photo_version)


def _write(path: Path, body: bytes, digest: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, body)
        os.setxattr(handle, DIGEST_XATTR, digest)
        os.fchmod(handle, FINAL_MODE)
        os.utime(handle, (MTIME_SECONDS, MTIME_SECONDS))
    finally:
        os.close(handle)
