"""Uploads: sniff the photo, place it, mirror it, enqueue its sizes, and return a receipt."""

import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

from permission_urls import DEFAULT_APPLICATION, VolumeRanges
from runtime.crashpoint import crashpoint
from runtime.request_scope import describe_request
from storagemaster.errors import BadArgument, IdempotencyKeyReused, Unavailable
from storagemaster.events.events import Event, Events
from storagemaster.image_header.sniff import Sniffed
from storagemaster.job_wire import INTERACTIVE_QUEUE, NEW_QUEUE
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.copies import Copies, copies_of
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.placement import (
    NoPlacement,
    Placement,
    place_photo,
)
from storagemaster.mirrors.weighted_volumes import WeightedVolumes
from storagemaster.photos.photo_urls import NO_URLS, PhotoUrls, UrlGrant
from storagemaster.uploads.earlier_upload import EarlierUploads
from storagemaster.uploads.keyed_photos import VOLUME_SETS_MAX, KeyedPhotos
from storagemaster.uploads.stripping import BodyToStore, without_positions
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody
from storagemaster.wire import PHOTO, Receipt
from volumes.cluster import Volume
from volumes.photo_id import PhotoId, Version, mint_photo_id, mint_version
from volumes.photo_path import PhotoVersion, Variant, VolumeId
from volumes.sizes import ORIGINAL_LETTER


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    """An upload request without its body."""

    declared: DeclaredBody
    volume: VolumeId | None = None
    """The requested volume; None lets the storagemaster choose."""
    own_volumes: VolumeRanges | None = None
    """The volumes that the caller may use, or None for all."""
    urls: UrlGrant = NO_URLS
    """The URLs that the receipt can have."""
    idempotency_key: str | None = None
    application: str = DEFAULT_APPLICATION
    """The application that the key belongs to, or a namespace of it."""
    strict: bool = False
    """True if the upload must fail without copies in two colos."""
    is_waiting: bool = False
    """True if the client waits for the sizes."""
    bytes_max: int | None = None
    """The longest photo that the caller may upload, below the limit of the cluster."""
    formats: tuple[str, ...] | None = None
    """The formats that the caller may upload, or None for all."""
    ref: str | None = None
    """The application's own reference of a photo that is uploaded with a ticket."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Name, placement and time of a photo to write."""

    photo: PhotoId
    version: Version
    placed: Placement
    mtime_seconds: int
    stored_digest: str | None = None
    """Digest of an earlier upload with the same key, which the body must match."""

    @property
    def photo_version(self) -> PhotoVersion:
        """The name in the volume."""
        return PhotoVersion(self.placed.volume, self.photo, self.version)


class Uploads:
    """The write path of one storagemaster."""

    def __init__(
        self,
        mirrors: Mirrors,
        mirroring: Mirroring,
        urls: PhotoUrls,
        queue: SizesQueue,
        events: Events,
        keyed_photos: KeyedPhotos,
        *,
        now_seconds: Callable[[], float] = time.time,
        randomness: random.Random | None = None,
    ) -> None:
        self._mirrors = mirrors
        self._weighted_volumes = lru_cache(VOLUME_SETS_MAX)(self._weighed_of_map)
        self._mirroring = mirroring
        self._earlier = EarlierUploads(mirrors)
        self._urls = urls
        self._queue = queue
        self._keyed_photos = keyed_photos
        self._events = events
        self._now_seconds = now_seconds
        self._random = randomness or random.SystemRandom()
        # The order of volumes is not secret, and each SystemRandom number costs a system call.
        self._rng = randomness or random.Random()  # noqa: S311  # see above

    async def take(self, incoming: UploadBody, request: UploadRequest) -> tuple[Receipt, bool]:
        """Store a photo; return its receipt, and True if it is new.

        Raises:
            MasterError: Nothing was acknowledged; the subclass states the reason.
        """
        ext = await incoming.sniff(pixels_max=self._mirrors.cluster.limits.pixels_max)
        strict = request.strict or self._mirrors.cluster.strict
        reserved = await self.reserve(request)
        crashpoint("id_minted")
        original = Variant(reserved.photo_version, ORIGINAL_LETTER, ext)
        async with self._to_store(incoming, reserved) as body:
            copies = await self._mirroring.stream(
                original,
                await _joined(body.chunks) if incoming.is_whole else body.chunks,
                reserved.placed,
                mtime_seconds=reserved.mtime_seconds,
                bytes_total=request.declared.bytes_total,
                digest=body.digest,
                strict=strict,
            )
        crashpoint("copies_made")
        receipt = self.commit(
            reserved.photo_version,
            incoming.photo,
            copies,
            urls=request.urls,
            is_waiting=request.is_waiting,
            ref=request.ref,
            stripped=body.stripped,
        )
        return receipt, not copies.existed

    @contextlib.asynccontextmanager
    async def _to_store(
        self, incoming: UploadBody, reserved: Reservation
    ) -> AsyncIterator[BodyToStore]:
        """Yield the body as it is stored: as received, or without positions."""
        stored = reserved.stored_digest
        if self._mirrors.cluster.variant_formats.strip_original == "none":
            yield BodyToStore(incoming.body(stored_digest=stored), incoming.digest)
            return
        async with without_positions(incoming.body()) as body:
            if stored not in {None, body.digest()}:
                raise IdempotencyKeyReused
            yield body

    def commit(
        self,
        photo_version: PhotoVersion,
        sniffed: Sniffed,
        copies: Copies,
        *,
        urls: UrlGrant = NO_URLS,
        is_waiting: bool = False,
        ref: str | None = None,
        stripped: str = "",
    ) -> Receipt:
        """Enqueue the sizes of a photo whose copies are durable, and return its receipt.

        With a `ref`, which can be empty, the application learns of the photo by an event.
        """
        queue_name = INTERACTIVE_QUEUE if is_waiting else NEW_QUEUE
        original = Variant(photo_version, ORIGINAL_LETTER, sniffed.ext)
        self._queue.enqueue(original, queue_name=queue_name)
        receipt = self.receipt(photo_version, sniffed, copies, urls)
        if stripped:
            receipt = replace(receipt, stripped=stripped)
        describe_request(reference=receipt.reference)
        if ref is None:
            return receipt
        version = asdict(photo_version)
        self._events.publish(Event(**version, state="uploaded", ref=ref))
        return replace(receipt, ref=ref)

    async def reserve(self, request: UploadRequest) -> Reservation:
        """Choose the id and the nodes of a new photo.

        Raises:
            MasterError: The photo cannot be stored now, or the key was used before.
        """
        strict = request.strict or self._mirrors.cluster.strict
        if request.idempotency_key is not None:
            return await self._reserve_key(request, request.idempotency_key, strict=strict)
        now = self._now_seconds()
        photo = mint_photo_id(
            now_milliseconds=int(now * 1000), random_bits=self._random.getrandbits
        )
        version = mint_version(self._random.getrandbits)
        if request.volume is not None:
            placed = self._place_in(self._mirrors.volume(request.volume), strict=strict)
        else:
            volumes = self._weighted_volumes(self._mirrors.cluster.map_version, request.own_volumes)
            placed = volumes.place(self._rng.random, strict=strict)
        return Reservation(photo, version, _require_placement(placed), int(now))

    async def _reserve_key(self, request: UploadRequest, key: str, *, strict: bool) -> Reservation:
        """Return the reservation of the key's photo: id, version and volume follow from the key."""
        keyed = self._keyed_photos.of(
            key, application=request.application, own_volumes=request.own_volumes
        )
        photo, version, volumes = keyed.photo, keyed.version, keyed.volumes
        own = volumes[-1]
        if request.volume not in {None, own.number}:
            self._mirrors.volume(request.volume)
            raise BadArgument(
                f"the volume of this Idempotency-Key is {own.number}, not {request.volume}: leave "
                "out either the key or the volume"
            )
        placed = self._place_in(own, strict=strict)
        if self._earlier.is_needed(volumes, placed):
            earlier = await self._earlier.find(volumes, photo, version)
            if earlier is not None:
                placed = self._mirrors.place(
                    earlier.volume,
                    outcome="nothing was stored",
                    strict=strict,
                    synchronous_only=True,
                )
                return Reservation(photo, version, placed, earlier.mtime_seconds, earlier.digest)
        return Reservation(photo, version, _require_placement(placed), int(self._now_seconds()))

    async def refuse_reused(
        self, photo_version: PhotoVersion, placed: Placement, *, sha256: str
    ) -> None:
        """Raise if the key of a reservation was used meanwhile, as far as the targets cannot tell.

        Raises:
            IdempotencyKeyReused: Other bytes are stored under it.
            PhotoGone: The photo was deleted.
            Unavailable: No mirror of the volume responded.
        """
        volumes = [self._mirrors.volume(photo_version.volume)]
        if self._earlier.is_needed(volumes, placed):
            photo, version = photo_version.photo, photo_version.version
            earlier = await self._earlier.find(volumes, photo, version)
            if earlier is not None and earlier.digest != sha256:
                raise IdempotencyKeyReused

    def _weighed_of_map(self, _map_version: int, ranges: VolumeRanges | None) -> WeightedVolumes:
        return WeightedVolumes(self._mirrors, ranges)

    def _place_in(self, volume: Volume, *, strict: bool) -> Placement | NoPlacement:
        return place_photo(
            self._mirrors.cluster, self._mirrors.fleet.view(), [volume], strict=strict
        )

    def receipt(
        self, photo_version: PhotoVersion, sniffed: Sniffed, copies: Copies, grant: UrlGrant
    ) -> Receipt:
        """Return the receipt of a photo with these copies."""
        stored_width, stored_height = sniffed.stored_dimensions
        return Receipt(
            volume=photo_version.volume,
            photo=photo_version.photo,
            version=photo_version.version,
            format=sniffed.ext,
            bytes=copies.size_bytes,
            sha256=copies.digest,
            width=sniffed.width,
            height=sniffed.height,
            stored_width=stored_width,
            stored_height=stored_height,
            durability=copies.durability,
            copies=copies_of(self._mirrors.cluster, copies),
            pending_mirrors=copies.pending_mirrors,
            urls=self._urls.all_sizes(
                photo_version,
                width=sniffed.width,
                height=sniffed.height,
                original_ext=sniffed.ext,
                grant=grant,
            ),
            status=PHOTO.path(asdict(photo_version)),
        )


def _require_placement(placed: Placement | NoPlacement) -> Placement:
    if isinstance(placed, NoPlacement):
        raise Unavailable(f"{placed.reason}; nothing was stored, try again")
    return placed


async def _joined(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])
