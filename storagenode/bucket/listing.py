"""What is in the shards of a bucket, with digests, for as few requests as that takes.

A listing of a bucket has no digests of ours: they are notes of each object. What was once learned
of a name and an ETag holds for ever, and is kept twice: in memory for the latest, and for a whole
shard in `.digests/`, an object that may be deleted at any time. This process knows of its own
writes; what others wrote to the bucket it sees when it lists a volume again, once an hour.
"""

import contextlib
import hashlib
import io
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from storagenode.bucket.bucket import Bucket, ListedObject
from storagenode.disk.shard_listing import files_of_part, is_photo_file, listing_digest
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import ListedFile
from volumes.cold_tier import SizeFilter
from volumes.photo_id import PhotoId
from volumes.photo_path import SHARDS, VolumeId, shard_of

RELIST_SECONDS = 3600.0
# Some dozen megabytes of memory.
DIGEST_CACHE_MAX = 100_000
# Fewer unknown digests than this are asked for one by one, and are not worth writing down.
SINGLE_LOOKUPS_MAX = 16

DIGESTS = ".digests"


@dataclass(frozen=True, slots=True)
class _Shard:
    """A shard as it was listed: what tells whether it has changed, and its files."""

    signature: str
    digests: dict[SizeFilter | None, str]
    """Those that were asked for."""


@dataclass(slots=True)
class _Volume:
    """What is remembered of a volume."""

    listed_seconds: float
    shards: dict[str, _Shard]
    changed: set[str] = field(default_factory=set)


class BucketListings:
    """Lists shards, and remembers digests."""

    def __init__(self, bucket: Bucket, *, now_seconds: Callable[[], float]) -> None:
        self._bucket = bucket
        self._now_seconds = now_seconds
        self._volumes: dict[VolumeId, _Volume] = {}
        self._learned: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._doubted: set[str] = set()
        self._lock = threading.Lock()
        self._listing = threading.Lock()

    def list_shard(self, volume: VolumeId, shard: str) -> tuple[ListedFile, ...]:
        """The photo files of a shard, in order of names."""
        known = self._volumes.get(volume)
        if known is None or self._is_old(known):
            self.digests(volume)
            known = self._volumes[volume]
        if shard not in known.shards.keys() | known.changed:
            return ()
        return self._listed(volume, shard, self._objects(f"{volume}/{shard}/"), is_complete=True)

    def list_photo(self, volume: VolumeId, photo: PhotoId) -> tuple[ListedFile, ...]:
        """The files of one photo, in order of names."""
        shard = shard_of(photo)
        objects = self._objects(f"{volume}/{shard}/{photo}")
        return self._listed(volume, shard, objects, is_complete=False)

    def digests(self, volume: VolumeId, part: SizeFilter | None = None) -> dict[str, str]:
        """The digest of every shard that has photo files, or files of one part of them."""
        with self._listing:
            known = self._volumes.get(volume)
            if known is None or self._is_old(known):
                known = self._relist(volume, known.shards if known else {}, part)
            unknown = {name for name, each in known.shards.items() if part not in each.digests}
            self._list_again(volume, known, unknown | known.changed, part)
            shards = ((name, known.shards[name]) for name in SHARDS if name in known.shards)
            return {name: each.digests[part] for name, each in shards if each.digests[part]}

    def changed(self, volume: VolumeId, shard: str) -> None:
        """A shard has other files than before, or may have."""
        with self._lock:
            known = self._volumes.get(volume)
            if known is not None:
                known.changed.add(shard)

    def mark_unverified(self, volume: VolumeId, shard: str, path: str) -> None:
        """An object has lost its digest, and its ETag does not tell."""
        with self._listing, self._lock:
            self._doubted.add(path)
            known = self._volumes.get(volume)
            if known is not None:
                known.shards.pop(shard, None)
                known.changed.add(shard)

    def learn(self, path: str, etag: str, digest: str) -> None:
        """The bytes that have this ETag at this path have this digest."""
        with self._lock:
            self._learned[path, etag] = digest
            self._doubted.discard(path)
            if len(self._learned) > DIGEST_CACHE_MAX:
                self._learned.popitem(last=False)

    def _is_old(self, known: _Volume) -> bool:
        return self._now_seconds() - known.listed_seconds > RELIST_SECONDS

    def _relist(
        self, volume: VolumeId, before: dict[str, _Shard], part: SizeFilter | None
    ) -> _Volume:
        # Known from now on, so that what changes while it is listed is listed again.
        known = _Volume(self._now_seconds(), before)
        with self._lock:
            self._volumes[volume] = known
        by_shard: dict[str, list[ListedObject]] = {}
        try:
            for each in self._objects(f"{volume}/"):
                by_shard.setdefault(each.path.split("/")[1], []).append(each)
            known.shards = {
                shard: self._remembered(volume, shard, objects, before.get(shard), part)
                for shard, objects in by_shard.items()
            }
        except BaseException:
            with self._lock:
                self._volumes.pop(volume, None)
            raise
        return known

    def _list_again(
        self, volume: VolumeId, known: _Volume, shards: set[str], part: SizeFilter | None
    ) -> None:
        for shard in sorted(shards):
            with self._lock:
                known.changed.discard(shard)
            try:
                objects = self._objects(f"{volume}/{shard}/")
                if objects:
                    before = known.shards.get(shard)
                    known.shards[shard] = self._remembered(volume, shard, objects, before, part)
                else:
                    known.shards.pop(shard, None)
            except BaseException:
                self.changed(volume, shard)
                raise

    def _remembered(
        self,
        volume: VolumeId,
        shard: str,
        objects: Sequence[ListedObject],
        before: _Shard | None,
        part: SizeFilter | None,
    ) -> _Shard:
        lines = "".join(f"{each.path} {each.etag}\n" for each in objects)
        signature = hashlib.sha256(lines.encode()).hexdigest()
        kept = before.digests if before is not None and before.signature == signature else {}
        if before is not None and part in kept:
            return before
        files = self._listed(volume, shard, objects, is_complete=True)
        if not all(file.digest for file in files):
            # What nobody can vouch for is like no mirror's, so that reconcile looks into it.
            return _Shard("", {part: f"{listing_digest(files)}-{self._bucket.location}"})
        digest = listing_digest(files_of_part(volume, files, part))
        return _Shard(signature, {**kept, part: digest})

    def _objects(self, prefix: str) -> list[ListedObject]:
        """The photo files below a prefix within a volume."""
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
        gone = set(self._bucket.map_parallel(self._ask, unknown))
        if is_complete and len(unknown) > SINGLE_LOOKUPS_MAX:
            self._write_digests(volume, shard, objects)
        return tuple(
            ListedFile(each.path.rpartition("/")[2], each.bytes, self._digest(each) or "")
            for each in objects
            if each.path not in gone
        )

    def _digest(self, each: ListedObject) -> str | None:
        return None if each.path in self._doubted else self._learned.get((each.path, each.etag))

    def _ask(self, each: ListedObject) -> str:
        """Learn an object's digest; its path if it was deleted since it was listed."""
        metadata = self._bucket.head(each.path)
        if metadata is None:
            return each.path
        if metadata.digest:
            self.learn(each.path, metadata.etag, metadata.digest)
        return ""

    def _read_digests(self, volume: VolumeId, shard: str) -> None:
        # A damaged one is as good as none.
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            text = self._bucket.read_whole(f"{DIGESTS}/{volume}/{shard}.json")
            for name, (etag, digest) in json.loads(text or b"{}").items():
                path = f"{volume}/{shard}/{name}"
                if path not in self._doubted:
                    self.learn(path, str(etag), str(digest))

    def _write_digests(self, volume: VolumeId, shard: str, objects: Sequence[ListedObject]) -> None:
        known = {
            each.path.rpartition("/")[2]: [each.etag, digest]
            for each in objects
            if (digest := self._digest(each))
        }
        data = json.dumps(known, separators=(",", ":")).encode()
        with contextlib.suppress(NodeError):  # it only saves requests
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
