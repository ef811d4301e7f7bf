"""A volume that is chilled, on a disk: its marker, and letting go of what its keepers have."""

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.publishing import Publisher
from storagenode.disk.reading import recorded_digest
from storagenode.disk.staging import staged
from storagenode.protocol.errors import Conflict, NodeError
from storagenode.protocol.layout import Place, cold_tier_marker, directory_of
from volumes.cold_tier import ColdTier, parse_cold_tier, render_cold_tier
from volumes.photo_path import VolumeId

MARKER_BYTES_MAX = 64 * 1024


def read_cold_tier(file_system: FileSystem, volume: VolumeId) -> ColdTier | None:
    """How a volume is chilled, or None if it is not."""
    path = cold_tier_marker(volume)
    if not file_system.exists(path):
        return None
    handle = file_system.open_to_read(path)
    try:
        return parse_cold_tier(file_system.read_at(handle, 0, MARKER_BYTES_MAX))
    except ValueError as error:
        raise NodeError(f"{path} cannot be read: {error}; chill or thaw it again") from error
    finally:
        file_system.close(handle)


def write_cold_tier(
    file_system: FileSystem, volume: VolumeId, cold_tier: ColdTier, *, mtime_seconds: int
) -> None:
    """Return when the disk says that the volume is chilled."""
    with staged(file_system) as file:
        file.write(render_cold_tier(cold_tier).encode())
        file.seal(mtime_seconds=mtime_seconds, digest=file.digest)
        file_system.rename(file.path, cold_tier_marker(volume))
    file_system.fsync_directory(str(volume))


def remove_cold_tier(file_system: FileSystem, volume: VolumeId) -> None:
    """Return when the disk says no more that the volume is chilled."""
    if file_system.exists(cold_tier_marker(volume)):
        file_system.unlink(cold_tier_marker(volume))
    file_system.fsync_directory(str(volume))


def drop_copy(file_system: FileSystem, publisher: Publisher, place: Place, digest: str) -> None:
    """Unlink a file that the keepers of its volume have; one that is gone already is no error.

    Raises:
        Conflict: It is not the file that they have.
    """
    with publisher.photo_lock(place.file):
        if not file_system.exists(place.path):
            return
        if recorded_digest(file_system, place.path) != digest:
            raise Conflict(f"{place} has another digest than its keepers' copy, and stays")
        file_system.unlink(place.path)
        file_system.fsync_directory(directory_of(place.path))


def refuse_to_drop(place: Place, cold_tier: ColdTier | None) -> None:
    """Raise `Conflict` unless a file is one that this mirror may let go of."""
    if place.hint_for is not None or cold_tier is None or not cold_tier.covers(place.file):
        raise Conflict(f"{place} is not kept by others alone: its volume is not chilled here")
