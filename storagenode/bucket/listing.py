"""Listings and digests of the shards of a bucket, with as few requests as possible.

A listing of a bucket has no SHA-256 digests, which are in the metadata of each object. The digest
of a name and an ETag never changes. It is cached in memory, and for a whole shard in `.digests/`,
which is safe to delete at any time. This process tracks its own writes. It lists each volume again
every hour to find writes of other processes.
"""

import contextlib
import hashlib
import io
import json
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from permission_urls import TombstoneProofs
from storagenode.bucket.bucket import Bucket, ListedObject
from storagenode.disk.shard_listing import filter_files, is_photo_file
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import (
    ListedFile,
    UnfinishedPhotos,
    VolumeSummary,
    is_original,
    listing_digest,
    volume_digest,
)
from volumes.cold_tier import SizeFilter
from volumes.json_text import parse_json
from volumes.photo_id import PhotoId
from volumes.photo_path import SHARDS, VolumeId, parse_name, shard_of
from volumes.photo_shapes import ShapeRule, photos_in

RELIST_SECONDS = 3600.0
# Tens of megabytes of memory.
DIGEST_CACHE_MAX = 100_000
# Up to this many unknown digests are looked up individually and not stored in `.digests/`.
SINGLE_LOOKUPS_MAX = 16

DIGESTS = ".digests"


@dataclass(frozen=True, slots=True)
class _Shard:
    """A listed shard: a signature that changes with its files, and its digests."""

    signature: str
    digests: dict[SizeFilter | None, str]
    """The digests computed so far, by size filter."""
    photos: int
    bytes: int
    pending: tuple[str, ...]
    shapes: tuple[str, ...]


@dataclass(slots=True)
class _Volume:
    """The cached listing of a volume."""

    listed_seconds: float
    shards: dict[str, _Shard]
    changed: set[str] = field(default_factory=set)


class BucketListings:
    """Shard listings of a bucket, with cached digests."""

    def __init__(
        self, bucket: Bucket, proofs: TombstoneProofs, *, now_seconds: Callable[[], float]
    ) -> None:
        self._bucket = bucket
        self._proofs = proofs
        self._now_seconds = now_seconds
        self._volumes: dict[VolumeId, _Volume] = {}
        self._learned: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._unverified: set[str] = set()
        self._lock = threading.Lock()
        self._listing = threading.Lock()

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """Return the photo files of a shard, sorted by name."""
        known = self._volumes.get(volume)
        if known is None or self._is_old(known):
            self.digests(volume)
            known = self._volumes[volume]
        if shard not in known.shards.keys() | known.changed:
            return ()
        return self._listed(volume, shard, self._objects(f"{volume}/{shard}/"), is_complete=True)

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """Return the files of one photo, sorted by name."""
        shard = shard_of(photo)
        objects = self._objects(f"{volume}/{shard}/{photo}")
        return self._listed(volume, shard, objects, is_complete=False)

    def digests(self, volume: VolumeId, sizes: SizeFilter | None = None) -> dict[str, str]:
        """Return the digest of every shard that has files matching the size filter."""
        found = self._all(volume, sizes)
        return {name: each.digests[sizes] for name, each in found.items() if each.digests[sizes]}

    def shards(self, volume: VolumeId) -> list[str]:
        """Return the shards of a volume that have files, in order."""
        return list(self._all(volume, None))

    def volume_summary(self, volume: VolumeId) -> VolumeSummary:
        """Return the summary of all shards of a volume."""
        found = self._all(volume, None)
        return VolumeSummary(
            volume_digest({name: each.digests[None] for name, each in found.items()}),
            photos=sum(each.photos for each in found.values()),
            bytes=sum(each.bytes for each in found.values()),
        )

    def unfinished(self, volume: VolumeId, rule: ShapeRule) -> UnfinishedPhotos:
        """Return the photos of a volume that lack sizes."""
        found = self._all(volume, None)
        digests = {name: each.digests[None] for name, each in found.items()}
        return UnfinishedPhotos(
            volume_digest(digests),
            pending=tuple(name for each in found.values() for name in each.pending),
            doubtful={
                shard: digests[shard]
                for shard, each in found.items()
                if any(map(rule.is_doubtful, each.shapes))
            },
        )

    def _all(self, volume: VolumeId, sizes: SizeFilter | None) -> dict[str, _Shard]:
        with self._listing:
            known = self._volumes.get(volume)
            if known is None or self._is_old(known):
                known = self._relist(volume, known.shards if known else {}, sizes)
            unknown = {name for name, each in known.shards.items() if sizes not in each.digests}
            self._relist_shards(volume, known, unknown | known.changed, sizes)
            return {name: known.shards[name] for name in SHARDS if name in known.shards}

    def tombstones(self, volume: VolumeId) -> dict[str, list[str]]:
        """Return the names of the tombstones of each shard that has any, from a new listing."""
        found: dict[str, list[str]] = {}
        for each in self._objects(f"{volume}/"):
            _, shard, name = each.path.split("/")
            if name.endswith(".gone"):
                found.setdefault(shard, []).append(name)
        return found

    def list_again(self, volume: VolumeId) -> None:
        """List a volume completely for its next digest."""
        with self._lock:
            known = self._volumes.get(volume)
            if known is not None:
                known.listed_seconds = -math.inf

    def mark_changed(self, volume: VolumeId, shard: str) -> None:
        """Mark a shard as changed, or as possibly changed."""
        with self._lock:
            known = self._volumes.get(volume)
            if known is not None:
                known.changed.add(shard)

    def mark_unverified(self, volume: VolumeId, shard: str, path: str) -> None:
        """Drop the cached digest of an object that has lost its recorded digest."""
        with self._listing, self._lock:
            self._unverified.add(path)
            known = self._volumes.get(volume)
            if known is not None:
                known.shards.pop(shard, None)
                known.changed.add(shard)

    def learn(self, path: str, etag: str, digest: str) -> None:
        """Cache the digest of the bytes with this ETag at this path."""
        with self._lock:
            self._learned[path, etag] = digest
            self._unverified.discard(path)
            if len(self._learned) > DIGEST_CACHE_MAX:
                self._learned.popitem(last=False)

    def _is_old(self, known: _Volume) -> bool:
        return self._now_seconds() - known.listed_seconds > RELIST_SECONDS

    def _relist(
        self, volume: VolumeId, before: dict[str, _Shard], sizes: SizeFilter | None
    ) -> _Volume:
        # Register the volume first, so that changes during the listing are listed again.
        known = _Volume(self._now_seconds(), before)
        with self._lock:
            self._volumes[volume] = known
        by_shard: dict[str, list[ListedObject]] = {}
        try:
            for each in self._objects(f"{volume}/"):
                by_shard.setdefault(each.path.split("/")[1], []).append(each)
            known.shards = {
                shard: self._cached(volume, shard, objects, before.get(shard), sizes)
                for shard, objects in by_shard.items()
            }
        except BaseException:
            with self._lock:
                self._volumes.pop(volume, None)
            raise
        return known

    def _relist_shards(
        self, volume: VolumeId, known: _Volume, shards: set[str], sizes: SizeFilter | None
    ) -> None:
        for shard in sorted(shards):
            with self._lock:
                known.changed.discard(shard)
            try:
                objects = self._objects(f"{volume}/{shard}/")
                if objects:
                    before = known.shards.get(shard)
                    known.shards[shard] = self._cached(volume, shard, objects, before, sizes)
                else:
                    known.shards.pop(shard, None)
            except BaseException:
                self.mark_changed(volume, shard)
                raise

    def _cached(
        self,
        volume: VolumeId,
        shard: str,
        objects: Sequence[ListedObject],
        before: _Shard | None,
        sizes: SizeFilter | None,
    ) -> _Shard:
        lines = "".join(f"{each.path} {each.etag}\n" for each in objects)
        signature = hashlib.sha256(lines.encode()).hexdigest()
        kept = before.digests if before is not None and before.signature == signature else {}
        if before is not None and sizes in kept:
            return before
        files = self._listed(volume, shard, objects, is_complete=True)
        names = {parse_name(volume, each.name): each.name for each in files}
        unfinished = photos_in(names)
        rest = (
            sum(map(is_original, names.values())),
            sum(each.bytes for each in files),
            tuple(names[original] for original in unfinished.pending),
            unfinished.shapes,
        )
        if not all(file.digest for file in files):
            # The suffix differs from every mirror's digest, so reconcile always checks this shard.
            return _Shard("", {sizes: f"{listing_digest(files)}-{self._bucket.location}"}, *rest)
        digest = listing_digest(filter_files(volume, files, sizes))
        return _Shard(signature, {**kept, sizes: digest}, *rest)

    def _objects(self, prefix: str) -> list[ListedObject]:
        """Return the photo files below a prefix within a volume."""
        return [
            each
            for each in self._bucket.objects(prefix)
            if each.path.count("/") == 2 and _is_photo_path(each.path)
        ]

    def _listed(
        self, volume: VolumeId, shard: str, objects: Sequence[ListedObject], *, is_complete: bool
    ) -> tuple[ListedFile, ...]:
        unknown = [each for each in objects if self._digest(each) is None]
        if len(unknown) > SINGLE_LOOKUPS_MAX:
            self._read_digests(volume, shard)
            unknown = [each for each in objects if self._digest(each) is None]
        gone = set(self._bucket.map_parallel(self._look_up, unknown))
        if is_complete and len(unknown) > SINGLE_LOOKUPS_MAX:
            self._write_digests(volume, shard, objects)
        return tuple(
            ListedFile(
                each.path.rpartition("/")[2],
                each.bytes,
                self._proofs.known(each.path, self._digest(each) or ""),
            )
            for each in objects
            if each.path not in gone
        )

    def _digest(self, each: ListedObject) -> str | None:
        return None if each.path in self._unverified else self._learned.get((each.path, each.etag))

    def _look_up(self, each: ListedObject) -> str:
        """Cache the digest of an object; return its path if it was deleted after the listing."""
        metadata = self._bucket.head(each.path)
        if metadata is None:
            return each.path
        if metadata.digest:
            self.learn(each.path, metadata.etag, metadata.digest)
        return ""

    def _read_digests(self, volume: VolumeId, shard: str) -> None:
        # A damaged object is ignored.
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            text = self._bucket.read_whole(f"{DIGESTS}/{volume}/{shard}.json")
            for name, (etag, digest) in parse_json(text or b"{}").items():
                path = f"{volume}/{shard}/{name}"
                if path not in self._unverified:
                    self.learn(path, str(etag), str(digest))

    def _write_digests(self, volume: VolumeId, shard: str, objects: Sequence[ListedObject]) -> None:
        known = {
            each.path.rpartition("/")[2]: [each.etag, digest]
            for each in objects
            if (digest := self._digest(each))
        }
        data = json.dumps(known, separators=(",", ":")).encode()
        with contextlib.suppress(NodeError):  # the object only saves requests
            self._bucket.put(
                f"{DIGESTS}/{volume}/{shard}.json",
                io.BytesIO(data),
                digest=hashlib.sha256(data).hexdigest(),
                mtime_seconds=int(self._now_seconds()),
                only_if_new=False,
            )


def _is_photo_path(path: str) -> bool:
    volume, _, rest = path.partition("/")
    return is_photo_file(VolumeId(int(volume)), rest.partition("/")[2])
