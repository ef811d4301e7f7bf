"""Offloaded volumes: their markers on a disk, and the copies that a mirror can drop."""

from collections.abc import Iterable

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.staging import staged
from storagenode.protocol.errors import Conflict, NodeError
from storagenode.protocol.layout import Place, cold_tier_marker
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier, parse_cold_tier, render_cold_tier
from volumes.photo_path import VolumeId

MARKER_BYTES_MAX = 64 * 1024


def read_cold_tiers(
    file_system: FileSystem, volumes: Iterable[VolumeId]
) -> dict[VolumeId, ColdTier]:
    """Return the cold tier of each offloaded volume."""
    tiers = ((volume, _read_cold_tier(file_system, volume)) for volume in volumes)
    return {volume: tier for volume, tier in tiers if tier}


def _read_cold_tier(file_system: FileSystem, volume: VolumeId) -> ColdTier | None:
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


def check_droppable(place: Place, cold_tier: ColdTier | None, node: NodeId) -> None:
    """Raise `Conflict` unless other nodes, the cold nodes of its volume, store the file."""
    if place.hint_for is not None or cold_tier is None or not cold_tier.covers(place.file):
        raise Conflict(f"cannot drop {place}: no cold tier of its volume covers it")
    if node in cold_tier.cold_nodes:
        raise Conflict(f"cannot drop {place}: {node} is a cold node of its volume; it stays")


def check_same_copy(place: Place, recorded: str, digest: str) -> None:
    """Raise `Conflict` unless the file is known to be the one that the cold nodes store."""
    if not digest or recorded != digest:
        raise Conflict(f"{place} has another digest than its copy on the cold nodes; it stays")
