"""Offloaded volumes on a disk: their markers, and dropping of copies that cold nodes store."""

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
    """Return the cold tier of a volume, or None if it is not offloaded."""
    path = cold_tier_marker(volume)
    if not file_system.exists(path):
        return None
    handle = file_system.open_to_read(path)
    try:
        return parse_cold_tier(file_system.read_at(handle, 0, MARKER_BYTES_MAX))
    except ValueError as error:
        raise NodeError(
            f"cannot read {path}: {error}; offload or recall the volume again"
        ) from error
    finally:
        file_system.close(handle)


def write_cold_tier(
    file_system: FileSystem, volume: VolumeId, cold_tier: ColdTier, *, mtime_seconds: int
) -> None:
    """Write the marker of an offloaded volume; return when it is durable."""
    with staged(file_system) as file:
        file.write(render_cold_tier(cold_tier).encode())
        file.seal(mtime_seconds=mtime_seconds, digest=file.digest)
        file.rename(cold_tier_marker(volume))
    file_system.fsync_directory(str(volume))


def remove_cold_tier(file_system: FileSystem, volume: VolumeId) -> None:
    """Remove the marker of an offloaded volume; return when that is durable."""
    if file_system.exists(cold_tier_marker(volume)):
        file_system.unlink(cold_tier_marker(volume))
    file_system.fsync_directory(str(volume))


def drop_copy(file_system: FileSystem, publisher: Publisher, place: Place, digest: str) -> None:
    """Unlink a file that the cold nodes of its volume store. A missing file is not an error.

    Raises:
        Conflict: The file has another digest than the copy on the cold nodes.
    """
    with publisher.photo_lock(place.file):
        if not file_system.exists(place.path):
            return
        if recorded_digest(file_system, place.path) != digest:
            raise Conflict(f"{place} has another digest than its copy on the cold nodes; it stays")
        file_system.unlink(place.path)
        file_system.fsync_directory(directory_of(place.path))


def check_droppable(place: Place, cold_tier: ColdTier | None) -> None:
    """Raise `Conflict` unless the file belongs to the offloaded sizes of its volume."""
    if place.hint_for is not None or cold_tier is None or not cold_tier.covers(place.file):
        raise Conflict(f"cannot drop {place}: no cold tier of its volume covers it")
