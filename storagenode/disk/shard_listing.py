"""What is in a shard, and one digest of it, so that two mirrors are compared without reading files.

A shard's digest is the SHA-256 of its sorted lines `name digest`. It is computed again only when
the directory's mtime has changed; it says what was written, not what the disk has made of it since,
which is the scrub's business.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import recorded_digest
from storagenode.protocol.files import ListedFile
from volumes.cold_tier import SizeFilter
from volumes.photo_id import PHOTO_ID_LENGTH, VERSION_LENGTH, PhotoId
from volumes.photo_path import SHARDS, InvalidPath, VolumeId, parse_name, shard_of

# A directory changed as recently as this may change again within the same tick of its mtime.
MTIME_SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Remembered:
    mtime_nanoseconds: int
    digest: str


class ShardListings:
    """Lists shards, and remembers the digests of those that have not changed."""

    def __init__(self, file_system: FileSystem, *, now_seconds: Callable[[], float]) -> None:
        self._file_system = file_system
        self._now_seconds = now_seconds
        self._remembered: dict[tuple[str, SizeFilter | None], _Remembered] = {}
        self._own_suffix = f"-{secrets.token_hex(4)}"
        self._times_forgotten = 0

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """The photo files of a shard, in order of names; what else lies there is passed over."""
        return self._list(volume, shard, prefix="")

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """The files of one photo, in order of names."""
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

    def digests(self, volume: VolumeId, part: SizeFilter | None = None) -> dict[str, str]:
        """The digest of every shard that has photo files, or files of one part of them."""
        digests = {shard: self._digest(volume, shard, part) for shard in SHARDS}
        return {shard: digest for shard, digest in digests.items() if digest}

    def forget(self, directory: str) -> None:
        """Compute the digest of a shard's directory anew: a file in it was noted otherwise."""
        self._times_forgotten += 1
        for part in {part for _, part in tuple(self._remembered)}:
            self._remembered.pop((directory, part), None)

    def _digest(self, volume: VolumeId, shard: str, part: SizeFilter | None) -> str:
        directory = f"{volume}/{shard}"
        # Before the listing: what changes while it is made must have another mtime to be noticed.
        now, times_forgotten = self._now_seconds(), self._times_forgotten
        try:
            mtime = self._file_system.stat(directory).mtime_nanoseconds
        except FileNotFoundError:
            return ""
        remembered = self._remembered.get((directory, part))
        if remembered is not None and remembered.mtime_nanoseconds == mtime:
            return remembered.digest
        files = files_of_part(volume, self.list_shard(volume, shard), part)
        digest = listing_digest(files)
        if not all(file.digest for file in files) or has_unfinished_delete(files):
            # Like no mirror's, so that reconcile looks into it: also where all have the same.
            digest += self._own_suffix
        has_settled = now - mtime / 1e9 > MTIME_SETTLE_SECONDS
        if has_settled and times_forgotten == self._times_forgotten:
            self._remembered[directory, part] = _Remembered(mtime, digest)
        return digest

    def _listed(self, path: str, name: str) -> ListedFile | None:
        try:
            size = self._file_system.stat(path).bytes
            return ListedFile(name, size, recorded_digest(self._file_system, path))
        except FileNotFoundError:
            return None  # deleted since it was listed


def files_of_part(
    volume: VolumeId, files: tuple[ListedFile, ...], part: SizeFilter | None
) -> tuple[ListedFile, ...]:
    """Those of a shard's files that are of a part; all of them, where there is none."""
    if part is None:
        return files
    return tuple(file for file in files if part.matches(parse_name(volume, file.name)))


def has_unfinished_delete(files: tuple[ListedFile, ...]) -> bool:
    """Whether a tombstone is among the files and what it covers, as after a power failure."""
    gone = {file.name.removesuffix(".gone") for file in files if file.name.endswith(".gone")}
    return any(
        file.name[:PHOTO_ID_LENGTH] in gone or _stem(file.name) in gone
        for file in files
        if gone and not file.name.endswith(".gone")
    )


def listing_digest(files: tuple[ListedFile, ...]) -> str:
    """One digest of names and digests; empty for an empty shard."""
    if not files:
        return ""
    lines = "".join(f"{file.name} {file.digest}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _stem(name: str) -> str:
    """What the name of a version's file has in common with that of its tombstone."""
    return name[: PHOTO_ID_LENGTH + 1 + VERSION_LENGTH]


def is_photo_file(volume: VolumeId, name: str) -> bool:
    """Whether a name in one of the volume's shards is a photo file's."""
    try:
        parse_name(volume, name)
    except InvalidPath:
        return False
    return True
