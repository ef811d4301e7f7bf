"""Hints in a bucket. Their names are cached, because only this process changes them."""

import contextlib
from collections.abc import Callable, Iterable

from storagenode.bucket.bucket import Bucket
from storagenode.protocol.layout import HINTS, HintFile, Place
from volumes.cluster import NodeId
from volumes.photo_path import InvalidPath, parse_path


class BucketHints:
    """The hints that one node holds for others."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._places: dict[str, Place] = {}
        for listed in bucket.objects(f"{HINTS}/"):
            hint_for, _, photo_path = listed.path.removeprefix(f"{HINTS}/").partition("/")
            with contextlib.suppress(InvalidPath):
                self._places[listed.path] = Place(parse_path(photo_path), NodeId(hint_for))

    def __len__(self) -> int:
        return len(self._places)

    def paths(self) -> list[str]:
        """Return the paths of all hints."""
        return list(self._places)

    def add(self, places: Iterable[Place]) -> None:
        """Remember the hints among published files."""
        self._places.update({place.path: place for place in places if place.hint_for})

    def discard(self, place: Place) -> None:
        """Forget a hint that was removed."""
        self._places.pop(place.path, None)

    def forget(self, paths: Iterable[str]) -> None:
        """Forget the hints at some paths, which were removed."""
        for path in paths:
            self._places.pop(path, None)

    def files(
        self, is_wanted: Callable[[Place], bool], *, limit: int | None = None
    ) -> list[HintFile]:
        """Return up to `limit` wanted hints with their sizes and digests."""
        places = dict(self._places)
        paths = sorted(path for path, place in places.items() if is_wanted(place))[:limit]
        heads = self._bucket.map_parallel(self._bucket.head, paths)
        return [
            HintFile(places[path], head.bytes, head.digest or "")
            for path, head in zip(paths, heads, strict=True)
            if head is not None
        ]
