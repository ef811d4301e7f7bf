"""Taking in a photo: sniff, place, mirror, ask for its sizes, and give a receipt."""

import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from runtime.crashpoint import crashpoint
from storagemaster.errors import TooManyPixels, Unavailable, UnknownVolume
from storagemaster.image_header.sniff import Sniffed
from storagemaster.job_wire import INTERACTIVE_QUEUE, NEW_QUEUE
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.mirroring import Copies, Mirroring
from storagemaster.mirrors.placement import (
    NoPlacement,
    Placement,
    order_by_free_space,
    order_by_key,
    place_in_volume,
    place_photo,
)
from storagemaster.photos.photo_urls import PhotoUrls
from storagemaster.uploads.earlier_upload import EarlierUploads
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody
from storagemaster.wire import Copy, Receipt, version_path
from storagenode.protocol.wire import WHOLE_BYTES_MAX
from volumes.cluster import Cluster, Volume
from volumes.photo_id import PhotoId, Version, derive_photo_id, mint_photo_id, mint_version
from volumes.photo_path import PhotoVersion, Variant, VolumeId
from volumes.sizes import ORIGINAL_LETTER


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    """What a client asks for beside the bytes."""

    announced: DeclaredBody
    volume: VolumeId | None = None
    """The volume it wants; None lets the storagemaster choose."""
    idempotency_key: str | None = None
    first_attempt: bool = False
    """Whether the client says that the key is fresh."""
    strict: bool = False
    """Whether it wants two colos or nothing."""
    is_waiting: bool = False
    """Whether somebody waits for the sizes."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Under which name, where and when a photo is to be written."""

    photo: PhotoId
    version: Version
    placed: Placement
    mtime_seconds: int
    kept_digest: str | None = None
    """What an earlier upload with the same key has left: only the same bytes may follow."""


class Uploads:
    """The write path of one storagemaster."""

    def __init__(
        self,
        cluster: Cluster,
        fleet: Fleet,
        mirroring: Mirroring,
        earlier: EarlierUploads,
        urls: PhotoUrls,
        queue: SizesQueue,
        *,
        key_secret: bytes,
        now_seconds: Callable[[], float] = time.time,
        randomness: random.Random | None = None,
    ) -> None:
        self._cluster = cluster
        self._fleet = fleet
        self._mirroring = mirroring
        self._earlier = earlier
        self._urls = urls
        self._queue = queue
        self._key_secret = key_secret
        self._now_seconds = now_seconds
        self._random = randomness or random.SystemRandom()
        # Which volume comes first is no secret, and each number of the system's is a call to it.
        self._rng = randomness or random.Random()  # noqa: S311  # see above

    async def take(self, incoming: UploadBody, request: UploadRequest) -> tuple[Receipt, bool]:
        """Keep a photo; its receipt, and whether it is new.

        Raises:
            MasterError: Nothing was acknowledged; the subclass says why.
        """
        sniffed = await incoming.sniff()
        self._refuse_pixels(sniffed)
        strict = request.strict or self._cluster.strict
        plan = await self._plan(request, strict=strict)
        crashpoint("id_minted")
        photo_version = PhotoVersion(plan.placed.volume, plan.photo, plan.version)
        original = Variant(photo_version, ORIGINAL_LETTER, sniffed.ext)
        copies = await self._mirroring.stream(
            original,
            await _whole_or_stream(incoming.body(kept_digest=plan.kept_digest), request.announced),
            plan.placed,
            mtime_seconds=plan.mtime_seconds,
            bytes_total=request.announced.bytes_total,
            digest=incoming.digest,
            strict=strict,
        )
        crashpoint("copies_made")
        queue_name = INTERACTIVE_QUEUE if request.is_waiting else NEW_QUEUE
        self._queue.enqueue(original, queue_name=queue_name)
        return self._receipt(photo_version, sniffed, copies), not copies.existed

    def _refuse_pixels(self, sniffed: Sniffed) -> None:
        pixels = sniffed.width * sniffed.height
        if pixels > self._cluster.limits.pixels_max:
            raise TooManyPixels(
                f"{sniffed.width} x {sniffed.height} is {pixels} pixels, the limit is "
                f"{self._cluster.limits.pixels_max} (limits.pixels_max)"
            )

    async def _plan(self, request: UploadRequest, *, strict: bool) -> _Plan:
        now = self._now_seconds()
        if request.idempotency_key is None:
            photo = mint_photo_id(
                now_milliseconds=int(now * 1000), random_bits=self._random.getrandbits
            )
            version = mint_version(self._random.getrandbits)
            return _Plan(photo, version, self._place(request, strict=strict), int(now))
        key = request.idempotency_key
        photo, version = derive_photo_id(key, secret=self._key_secret)
        if not request.first_attempt:
            earlier = await self._earlier.find(photo, version)
            if earlier is not None:
                placed = self._place_again(earlier.volume, strict=strict)
                return _Plan(photo, version, placed, earlier.mtime_seconds, earlier.digest)
        return _Plan(photo, version, self._place(request, strict=strict), int(now))

    def _place(self, request: UploadRequest, *, strict: bool) -> Placement:
        placed = place_photo(self._cluster, self._fleet.view(), self._order(request), strict=strict)
        if isinstance(placed, NoPlacement):
            raise Unavailable(f"{placed.reason}; nothing was kept, try again")
        return placed

    def _place_again(self, volume: VolumeId, *, strict: bool) -> Placement:
        found = self._cluster.volumes[volume]
        placed = place_in_volume(
            self._cluster, self._fleet.view(), found, strict=strict, synchronous_only=True
        )
        if isinstance(placed, NoPlacement):
            raise Unavailable(f"{placed.reason}; try again")
        return placed

    def _order(self, request: UploadRequest) -> list[Volume]:
        if request.volume is not None:
            if request.volume not in self._cluster.volumes:
                raise UnknownVolume(f"volume {request.volume} is not in the cluster's config")
            return [self._cluster.volumes[request.volume]]
        if request.idempotency_key is not None:
            return order_by_key(self._cluster, request.idempotency_key)
        return order_by_free_space(self._cluster, self._fleet.view(), self._rng.random)

    def _receipt(self, photo_version: PhotoVersion, sniffed: Sniffed, copies: Copies) -> Receipt:
        return Receipt(
            volume=photo_version.volume,
            photo=photo_version.photo,
            version=photo_version.version,
            format=sniffed.ext,
            bytes=copies.size_bytes,
            sha256=copies.digest,
            width=sniffed.width,
            height=sniffed.height,
            durability=copies.durability,
            copies=copies_of(self._cluster, copies),
            pending_mirrors=copies.pending_mirrors,
            urls=self._urls.all_sizes(
                photo_version, width=sniffed.width, height=sniffed.height, original_ext=sniffed.ext
            ),
            status=version_path(photo_version),
        )


async def _whole_or_stream(
    body: AsyncIterator[bytes], announced: DeclaredBody
) -> AsyncIterator[bytes] | bytes:
    """A body that is announced as short is read here, and sent to the nodes in one piece each."""
    if announced.bytes_total is None or announced.bytes_total > WHOLE_BYTES_MAX:
        return body
    return b"".join([chunk async for chunk in body])


def copies_of(cluster: Cluster, copies: Copies) -> tuple[Copy, ...]:
    """The copies as a document lists them."""
    return tuple(
        Copy(
            node=target.node,
            colo=cluster.nodes[target.node].colo,
            hint_for=target.hint_for or "",
        )
        for target in copies.targets
    )
