"""The volume of an Idempotency-Key, which follows from the key and the volume map alone.

It never follows from the nodes that are up or full, so every attempt at any storagemaster goes to
one place, where one mirror's refusal of other bytes is enough.
"""

import hashlib

from permission_urls import VolumeRanges, is_in_ranges
from volumes.cluster import Cluster, Volume
from volumes.photo_id import PhotoId

_WEIGHT_BYTES = 8


class KeyVolumes:
    """Volumes of a cluster, or of ranges of it, by the weights that a key's photo gives them."""

    def __init__(self, cluster: Cluster, ranges: VolumeRanges | None = None) -> None:
        own = {n: each for n, each in cluster.volumes.items() if is_in_ranges(n, ranges)}
        self._volumes = own
        states = {number: volume.state for number, volume in own.items()}
        self._open = [number for number in states if states[number].accepts_new_photos]
        self._closed = [number for number in states if not states[number].accepts_new_photos]

    def of(self, photo: PhotoId) -> tuple[Volume, ...]:
        """Return the volumes that can have the photo of a key, the key's own volume last.

        A weight follows from the photo's id and the volume's number (rendezvous hashing), so a new
        volume takes over its share of the keys and changes no others. The own volume is the open
        one with the lowest weight. A closed volume with a lower one was the key's own until it was
        closed, so it can have the photo. Without an open volume, the last one is closed.
        """
        # One hash gives all weights; a higher number only makes it longer.
        count = max(self._volumes, default=0) + 1
        digest = hashlib.shake_128(photo.encode()).digest(_WEIGHT_BYTES * count)
        weight = memoryview(digest).cast("Q").__getitem__
        own = min(self._open, key=weight, default=None)
        before = [each for each in self._closed if own is None or weight(each) < weight(own)]
        numbers = sorted(before, key=weight) + ([own] if own is not None else [])
        return tuple(self._volumes[number] for number in numbers)
