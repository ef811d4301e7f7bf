"""Volumes that have grown enough, and take no more new photos."""

from collections.abc import Iterable, Mapping

from volumes.cluster import Volume
from volumes.photo_path import VolumeId


def full_volumes(
    volumes: Iterable[Volume], bytes_of: Mapping[VolumeId, int], *, bytes_max: int
) -> list[VolumeId]:
    """Return the open volumes with at least `bytes_max` bytes.

    One volume stays open, the one with the fewest bytes, so that uploads always find one.
    """
    sizes = {
        volume.number: bytes_of.get(volume.number, 0)
        for volume in volumes
        if volume.state.accepts_new_photos
    }
    kept = min(sizes, key=lambda number: (sizes[number], number), default=None)
    return [number for number, size in sizes.items() if size >= bytes_max and number != kept]
