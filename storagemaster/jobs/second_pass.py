"""Slow variants, AVIF so far, which are made when the photo is ready already: who still owes which.

A photo's info announces them, because it is written only once. Whoever mirrors the info asks for
them; what the queue then loses is found on the disks, by the sweep. Three times at most, for there
is no note on a disk of a second pass that failed: the photo is ready all the same.
"""

import json
from collections.abc import Iterable

from storagemaster.job_wire import SECOND_PASS_QUEUE, JobKind
from storagemaster.jobs.sizes_queue import SizesQueue
from storagenode.client import NodeClient
from storagenode.disk.shard_listing import ListedFile
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place
from volumes.photo_path import (
    EXTENSIONS,
    Info,
    PhotoVersion,
    Variant,
    VolumeId,
    parse_name,
)
from volumes.sizes import ORIGINAL_LETTER, Size
from volumes.variant_formats import VariantFormats
from volumes.version_files import VersionFiles, VersionState

SECOND_PASS_EXT = "avif"  # noqa: S105  # a format, no password
ENQUEUES_MAX = 3
WAITING_STATES = ("queued", "started", "scheduled", "deferred")


class SecondPasses:
    """Asks again for second passes that the queue has forgotten."""

    def __init__(self, formats: VariantFormats, sizes: tuple[Size, ...], queue: SizesQueue) -> None:
        self._letters = frozenset(size.letter for size in sizes if formats.has_avif(size))
        self._queue = queue
        self._asks: dict[tuple[VolumeId, str], dict[PhotoVersion, int]] = {}

    async def sweep(
        self, node: NodeClient, volume: VolumeId, shard: str, files: Iterable[ListedFile]
    ) -> bool:
        """Ask for what photos of a shard lack; whether one of them is still to be waited for.

        A photo is asked for at its second sight: at the first, its job may be on its way.
        """
        before = self._asks.pop((volume, shard), {})
        now: dict[PhotoVersion, int] = {}
        for photo_version in missing_second_pass(volume, files, self._letters):
            asks = before.get(photo_version)
            if asks == ENQUEUES_MAX:
                now[photo_version] = asks
                continue
            try:
                original = second_pass_of(
                    photo_version, (await node.fetch(Place(Info(photo_version)))).data
                )
            except NodeError:
                now[photo_version] = asks or 0
                continue
            if original is None:
                now[photo_version] = ENQUEUES_MAX
            else:
                now[photo_version] = 0 if asks is None else asks + await self._ask(original)
        if now:
            self._asks[volume, shard] = now
        return any(asks < ENQUEUES_MAX for asks in now.values())

    async def _ask(self, original: Variant) -> bool:
        """Ask for one; whether that counts. What only waits behind all else has not been tried."""
        state = await self._queue.job_state(original, JobKind.SECOND_PASS)
        if state is None:
            return False
        self._queue.enqueue(original, queue_name=SECOND_PASS_QUEUE, kind=JobKind.SECOND_PASS)
        return state not in WAITING_STATES


def missing_second_pass(
    volume: VolumeId, files: Iterable[ListedFile], letters: frozenset[str]
) -> set[PhotoVersion]:
    """The photos of a shard that are ready, and have a JPEG of one of these sizes but no AVIF."""
    found = {parse_name(volume, listed.name) for listed in files}
    lacking = {
        file.photo_version
        for file in found
        if isinstance(file, Variant)
        and file.ext == "jpg"
        and file.size in letters
        and Variant(file.photo_version, file.size, SECOND_PASS_EXT) not in found
    }
    return {each for each in lacking if VersionFiles(each, found).state is VersionState.READY}


def second_pass_of(photo_version: PhotoVersion, info: bytes) -> Variant | None:
    """The original to make slow variants of, if the info document announces any."""
    try:
        document = json.loads(info)
        announced, ext = document.get("second_pass"), document["original"]["ext"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Variant(photo_version, ORIGINAL_LETTER, ext) if announced and ext in EXTENSIONS else None
