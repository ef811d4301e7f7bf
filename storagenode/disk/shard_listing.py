"""Listings of shards: the photo files in a directory, with their sizes and recorded digests."""

from permission_urls import TombstoneProofs
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import recorded_digest
from storagenode.protocol.files import ListedFile
from volumes.cold_tier import SizeFilter
from volumes.photo_id import PHOTO_ID_LENGTH, VERSION_LENGTH, PhotoId
from volumes.photo_path import InvalidPath, VolumeId, parse_name, shard_of


class ShardListings:
    """Shard listings of a disk. A tombstone without a valid proof is listed as unverified."""

    def __init__(self, file_system: FileSystem, proofs: TombstoneProofs) -> None:
        self._file_system = file_system
        self._proofs = proofs

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

    def _listed(self, path: str, name: str) -> ListedFile | None:
        try:
            size = self._file_system.stat(path).bytes
            recorded = recorded_digest(self._file_system, path)
            return ListedFile(name, size, self._proofs.known(path, recorded))
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
