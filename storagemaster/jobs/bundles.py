"""Bundles of sizes from workers, mirrored with the info last."""

from collections.abc import Iterable, Sequence

from storagemaster.caches.info_cache import InfoCache, info_of
from storagemaster.errors import BadArgument
from storagemaster.events.events import Event, Events
from storagemaster.job_wire import SECOND_PASS_QUEUE, JobKind
from storagemaster.jobs.second_pass import SECOND_PASS_EXT, second_pass_of
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.copies import Copies
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.placement import Target
from storagenode.protocol.wire import BundledFile, parse_bundle
from volumes.attempts import reason_in
from volumes.photo_path import (
    Attempt,
    Failure,
    Info,
    InvalidPath,
    PhotoVersion,
    Variant,
    parse_path,
)
from volumes.sizes import Size, second_pass_letter


class Bundles:
    """The mirroring of bundles of sizes, and its consequences for cache, events, and queue."""

    def __init__(
        self,
        mirrors: Mirrors,
        mirroring: Mirroring,
        cache: InfoCache,
        events: Events,
        queue: SizesQueue,
    ) -> None:
        self._mirrors = mirrors
        self._mirroring = mirroring
        self._cache = cache
        self._events = events
        self._queue = queue

    async def take(self, photo_version: PhotoVersion, body: bytes, *, mtime_seconds: int) -> Copies:
        """Mirror a bundle; on return every file of it is fsynced on two nodes.

        Raises:
            BadArgument: The body is not a bundle of this version's sizes.
            UnknownVolume: The cluster has no such volume.
            PhotoGone: The photo or this version is deleted.
            Unavailable: Fewer than two nodes stored the bundle.
        """
        self._mirrors.volume(photo_version.volume)
        files = parse_bundle(body)
        info = check_bundle(photo_version, files, self._mirrors.cluster.sizes)
        placed = self._mirrors.place(
            photo_version.volume, outcome="the sizes were not stored", synchronous_only=True
        )

        async def put(target: Target) -> None:
            await self._mirrors.nodes[target.node].put_bundle(
                photo_version, body, hint_for=target.hint_for, mtime_seconds=mtime_seconds
            )

        now = self._cache.now()
        copies = await self._mirroring.write_all(placed, put)
        if info is not None:
            stored = info_of(info)
            if stored is not None:
                await self._cache.put_many({photo_version: stored}, confirmed_seconds=now)
            original = second_pass_of(photo_version, info)
            if original is not None:
                self._queue.enqueue(
                    original, queue_name=SECOND_PASS_QUEUE, kind=JobKind.SECOND_PASS
                )
        self._publish_event(photo_version, files)
        return copies

    def _publish_event(self, photo_version: PhotoVersion, files: Sequence[BundledFile]) -> None:
        """Publish the state that the bundle gives the photo."""
        match parse_path(files[-1].path):
            case Info():
                self._publish(photo_version, "ready")
            case Failure():
                self._publish(photo_version, "failed", reason_in(files[-1].data))
            case _:
                pass

    def _publish(self, photo_version: PhotoVersion, state: str, reason: str = "") -> None:
        self._events.publish(
            Event(
                volume=photo_version.volume,
                photo=photo_version.photo,
                version=photo_version.version,
                state=state,
                reason=reason,
            )
        )


def check_bundle(
    photo_version: PhotoVersion, files: Sequence[BundledFile], sizes: Iterable[Size]
) -> bytes | None:
    """Return the info document that ends a bundle, or None for an attempt or a second pass.

    Raises:
        BadArgument: A file is not of this version, or not at its position.
    """
    is_second_pass = bool(files)
    full_letter = second_pass_letter(sizes)
    for position, bundled in enumerate(files):
        try:
            file = parse_path(bundled.path)
        except InvalidPath as error:
            raise BadArgument(str(error)) from error
        match file:
            case Variant() if file.photo_version == photo_version and not file.is_original:
                is_late = file.ext == SECOND_PASS_EXT or file.size == full_letter
                is_second_pass = is_second_pass and is_late
            case Info() if file.photo_version == photo_version and position == len(files) - 1:
                return bundled.data
            case Attempt() | Failure() if file.photo_version == photo_version and len(files) == 1:
                return None
            case _:
                raise BadArgument(
                    f"invalid bundle of {photo_version}: unexpected file {bundled.path}"
                )
    if not is_second_pass:
        raise BadArgument(f"invalid bundle of {photo_version}: it does not end with an info")
    return None
