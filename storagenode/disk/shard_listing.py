"""Listings and digests of shards, so that mirrors are compared without reading files.

The digest of a shard is the SHA-256 of its sorted lines `name digest`. It is cached until the mtime
of the directory changes. It reflects the recorded digests; the scrub verifies the bytes.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import recorded_digest
from storagenode.protocol.files import ListedFile, listing_digest
from volumes.cold_tier import SizeFilter
from volumes.photo_id import PHOTO_ID_LENGTH, VERSION_LENGTH, PhotoId
from volumes.photo_path import SHARDS, InvalidPath, VolumeId, parse_name, shard_of

# A directory that changed this recently can change again within the same tick of its mtime.
MTIME_SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _CachedDigest:
    mtime_nanoseconds: int
    digest: str


class ShardListings:
    """Shard listings of a disk, with cached digests of unchanged shards."""

    def __init__(self, file_system: FileSystem, *, now_seconds: Callable[[], float]) -> None:
        self._file_system = file_system
        self._now_seconds = now_seconds
        self._cache: dict[tuple[str, SizeFilter | None], _CachedDigest] = {}
        self._own_suffix = f"-{secrets.token_hex(4)}"
        self._generation = 0

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """Return the photo files of a shard, sorted by name. Other files are skipped."""
        return self._list(volume, shard, prefix="")

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """Return the files of one photo, sorted by name."""
        return self._list(volume, shard_of(photo), prefix=photo)

    def _list(self, volume: VolumeId, shard: str, *, prefix: str) -> tuple[ListedFile, ...]:
        directory = f"{volume}/{shard}"
        try:
            names = self._file_system.list(directory)
        except FileNotFoundError:
            return ()
        listed = (
            self._listed(f"{directory}/{name}", name)
            for name in sorted(names)
            if name.startswith(prefix) and is_photo_file(volume, name)
        )
        return tuple(file for file in listed if file is not None)

    def digests(self, volume: VolumeId, sizes: SizeFilter | None = None) -> dict[str, str]:
        """Return the digest of every shard that has files matching the size filter."""
        digests = {shard: self._digest(volume, shard, sizes) for shard in SHARDS}
        return {shard: digest for shard, digest in digests.items() if digest}

    def forget(self, directory: str) -> None:
        """Drop the cached digest of a shard, because the recorded digest of a file has changed."""
        self._generation += 1
        for sizes in {sizes for _, sizes in tuple(self._cache)}:
            self._cache.pop((directory, sizes), None)

    def _digest(self, volume: VolumeId, shard: str, sizes: SizeFilter | None) -> str:
        directory = f"{volume}/{shard}"
        # Read the mtime before listing, so that a change during the listing gets another mtime.
        now, generation = self._now_seconds(), self._generation
        try:
            mtime = self._file_system.stat(directory).mtime_nanoseconds
        except FileNotFoundError:
            return ""
        cached = self._cache.get((directory, sizes))
        if cached is not None and cached.mtime_nanoseconds == mtime:
            return cached.digest
        files = filter_files(volume, self.list_shard(volume, shard), sizes)
        digest = listing_digest(files)
        if not all(file.digest for file in files) or has_unfinished_delete(files):
            # The suffix differs from every mirror's digest, so reconcile always checks this shard.
            digest += self._own_suffix
        has_settled = now - mtime / 1e9 > MTIME_SETTLE_SECONDS
        if has_settled and generation == self._generation:
            self._cache[directory, sizes] = _CachedDigest(mtime, digest)
        return digest

    def _listed(self, path: str, name: str) -> ListedFile | None:
        try:
            size = self._file_system.stat(path).bytes
            return ListedFile(name, size, recorded_digest(self._file_system, path))
        except FileNotFoundError:
            return None  # deleted after the listing


def filter_files(
    volume: VolumeId, files: tuple[ListedFile, ...], sizes: SizeFilter | None
) -> tuple[ListedFile, ...]:
    """Return the files that match a size filter, or all files without one."""
    if sizes is None:
        return files
    return tuple(file for file in files if sizes.matches(parse_name(volume, file.name)))


def has_unfinished_delete(files: tuple[ListedFile, ...]) -> bool:
    """Return True if a tombstone and a file that it covers exist, as after a power failure."""
    gone = {file.name.removesuffix(".gone") for file in files if file.name.endswith(".gone")}
    return any(
        file.name[:PHOTO_ID_LENGTH] in gone or _stem(file.name) in gone
        for file in files
        if gone and not file.name.endswith(".gone")
    )


def _stem(name: str) -> str:
    """Return the part of a name that a version's files and tombstone have in common."""
    return name[: PHOTO_ID_LENGTH + 1 + VERSION_LENGTH]


def is_photo_file(volume: VolumeId, name: str) -> bool:
    """Return True if a name in a shard of the volume is that of a photo file."""
    try:
        parse_name(volume, name)
    except InvalidPath:
        return False
    return True
