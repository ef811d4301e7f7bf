"""The volume of an Idempotency-Key, which follows from the key and the volume map alone.

It never follows from the nodes that are up or full, so every attempt at any storagemaster goes to
one place, where one mirror's refusal of other bytes is enough.

A lookup costs the same with any number of volumes (multi-probe consistent hashing): each volume has
some points on a circle, and each photo some probes. The weight of a volume for a photo is the
shortest way from a probe forward to a point.
"""

import hashlib
import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from permission_urls import VolumeRanges, is_in_ranges
from volumes.cluster import Cluster, Volume
from volumes.photo_id import PhotoId
from volumes.photo_path import VOLUME_MAX, VolumeId

# The shares of volumes deviate by 1 / sqrt(2 * points * probes), which is 3 %. More points take
# more memory and time at the start, and more probes make each lookup slower.
POINTS = 32
PROBES = 16
SLOT_BITS = 3
_CIRCLE = 1 << 64


class KeyVolumes:
    """Volumes of a cluster, or of ranges of it, by the weights that a key's photo gives them."""

    def __init__(self, cluster: Cluster, ranges: VolumeRanges | None = None) -> None:
        own = {n: each for n, each in cluster.volumes.items() if is_in_ranges(n, ranges)}
        self._volumes = own
        self._open = _Ring(n for n, each in own.items() if each.state.accepts_new_photos)
        self._closed = _Ring(n for n, each in own.items() if not each.state.accepts_new_photos)

    def of(self, photo: PhotoId) -> tuple[Volume, ...]:
        """Return the volumes that can have the photo of a key, the key's own volume last.

        The weights of a volume do not depend on the other volumes, so a new volume takes over its
        share of the keys and changes no others. The own volume is the open one with the lowest
        weight. A closed volume with a lower one was the key's own until it was closed, so it can
        have the photo. Without an open volume, the last one is closed.
        """
        probes = sorted(_hash_to_circle(photo, PROBES))
        own = self._open.nearest(probes)
        before = self._closed.weights(probes, below=_CIRCLE if own is None else own[0])
        numbers = sorted(before, key=before.__getitem__) + ([own[1]] if own is not None else [])
        return tuple(self._volumes[number] for number in numbers)


class _Ring:
    """The points of some volumes, in the order of the circle. The last 16 bits are the volume."""

    def __init__(self, numbers: Iterable[int]) -> None:
        points = [
            point & ~VOLUME_MAX | number
            for number in numbers
            for point in _hash_to_circle(f"volume {number}", POINTS)
        ]
        self._points = array("Q", sorted(points))
        # Equal slots of a few points each, so that a search costs the same in a ring of any length.
        bits = max(len(points).bit_length() - SLOT_BITS, 0)
        self._shift = 64 - bits
        starts = (bisect_left(self._points, n << self._shift) for n in range(2**bits + 1))
        self._slots = array("I", starts)

    def nearest(self, probes: Sequence[int]) -> tuple[int, VolumeId] | None:
        """Return the lowest weight and its volume, or None without volumes."""
        points, slots, shift = self._points, self._slots, self._shift
        if not points:
            return None
        count, best, nearest = len(points), _CIRCLE, 0
        for probe in probes:
            slot = probe >> shift
            index = bisect_left(points, probe, slots[slot], slots[slot + 1])
            point = points[index] if index < count else points[0] + _CIRCLE
            if point - probe < best:
                best, nearest = point - probe, point
        return best, VolumeId(nearest & VOLUME_MAX)

    def weights(self, probes: Sequence[int], *, below: int) -> dict[VolumeId, int]:
        """Return the weights of the volumes that have a lower one. Probes are sorted."""
        found: dict[VolumeId, int] = {}
        # The probe that a point is nearest to is the last one before it.
        for probe, next_probe in pairwise((*probes, probes[0] + _CIRCLE)):
            for point in self._between(probe, min(probe + below, next_probe)):
                number = VolumeId(point & VOLUME_MAX)
                found[number] = min(found.get(number, _CIRCLE), point - probe)
        return found

    def _between(self, first: int, end: int) -> Iterator[int]:
        """Yield the points from one up to another, which can be on the next turn of the circle."""
        points = self._points
        yield from points[bisect_left(points, first) : bisect_left(points, end)]
        for point in points[: bisect_left(points, end - _CIRCLE)]:
            yield point + _CIRCLE


def _hash_to_circle(text: str, count: int) -> tuple[int, ...]:
    """Return as many positions on the circle, the same on every machine."""
    digest = hashlib.shake_128(text.encode()).digest(8 * count)
    return struct.unpack(f"<{count}Q", digest)
