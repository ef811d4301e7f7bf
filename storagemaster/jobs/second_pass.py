"""Second pass: the slow variants of photos that are ready: AVIF, and the full size of large photos.

An info is written once, so it already declares the second pass. The storagemaster that mirrors the
info enqueues the job, and the sweep enqueues jobs that the queue has lost. The sweep gives up after
three attempts, because no file records a failed second pass: the photo is ready without it.
"""

from collections.abc import Container, Iterable, Sequence

from storagemaster.job_wire import SECOND_PASS_QUEUE, JobKind
from storagemaster.jobs.sizes_queue import SizesQueue
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import ListedFile
from storagenode.protocol.layout import Place
from volumes.json_text import parse_json
from volumes.photo_path import (
    EXTENSIONS,
    Info,
    PhotoFile,
    PhotoVersion,
    Variant,
    VolumeId,
    parse_name,
)
from volumes.photo_shapes import ShapeRule
from volumes.sizes import ORIGINAL_LETTER, Size, second_pass_letter
from volumes.variant_formats import VariantFormats
from volumes.version_files import VersionFiles, VersionState

SECOND_PASS_EXT = "avif"  # noqa: S105  # a format, no password
ENQUEUES_MAX = 3
WAITING_STATES = ("queued", "started", "scheduled", "deferred")


class SecondPasses:
    """The second passes that the queue has lost, with the number of attempts at each."""

    def __init__(self, formats: VariantFormats, sizes: tuple[Size, ...], queue: SizesQueue) -> None:
        self._letters = frozenset(size.letter for size in sizes if formats.has_avif(size))
        self._full_letter = second_pass_letter(sizes)
        self.rule = ShapeRule(
            sizes="".join(sorted(size.letter for size in sizes)),
            avif_sizes="".join(sorted(self._letters)),
            full_size=self._full_letter,
            has_webp=formats.webp or formats.animation,
        )
        self._queue = queue
        self._attempts: dict[tuple[VolumeId, str], dict[PhotoVersion, int]] = {}

    async def sweep(
        self, node: NodeClient, volume: VolumeId, shard: str, files: Sequence[ListedFile]
    ) -> bool:
        """Enqueue the missing second passes of a shard, and return True if one is still pending.

        A photo is enqueued when a second sweep finds it: at the first one, its job may still be on
        the way to the queue.
        """
        before = self._attempts.pop((volume, shard), {})
        now: dict[PhotoVersion, int] = {}
        present = {parse_name(volume, listed.name) for listed in files}
        for photo_version in missing_second_pass(volume, files, self._letters, self._full_letter):
            attempts = before.get(photo_version)
            if attempts == ENQUEUES_MAX:
                now[photo_version] = attempts
                continue
            try:
                original = second_pass_of(
                    photo_version, (await node.fetch(Place(Info(photo_version)))).data, present
                )
            except NodeError:
                now[photo_version] = attempts or 0
                continue
            if original is None:
                now[photo_version] = ENQUEUES_MAX
            elif attempts is None:
                now[photo_version] = 0
            else:
                now[photo_version] = attempts + await self._enqueue(original)
        if now:
            self._attempts[volume, shard] = now
        return any(attempts < ENQUEUES_MAX for attempts in now.values())

    async def _enqueue(self, original: Variant) -> bool:
        """Enqueue a second pass, and return True if the previous job counts as an attempt.

        A job that still waits or runs is not an attempt yet.
        """
        state = await self._queue.job_state(original, JobKind.SECOND_PASS)
        if state is None:
            return False
        self._queue.enqueue(original, queue_name=SECOND_PASS_QUEUE, kind=JobKind.SECOND_PASS)
        return state not in WAITING_STATES


def missing_second_pass(
    volume: VolumeId, files: Iterable[ListedFile], letters: frozenset[str], full_letter: str
) -> set[PhotoVersion]:
    """Return the ready photos of a shard that lack a full size, or AVIF beside a JPEG.

    The first pass makes the full size of small photos, so that only large ones lack it. A full size
    as WebP is missing if another size has one.
    """
    found = {parse_name(volume, listed.name) for listed in files}
    without_avif = {
        file.photo_version
        for file in found
        if isinstance(file, Variant)
        and file.ext == "jpg"
        and file.size in letters
        and Variant(file.photo_version, file.size, SECOND_PASS_EXT) not in found
    }
    versions = {file.photo_version for file in found if isinstance(file, Info)}
    with_webp = {
        file.photo_version for file in found if isinstance(file, Variant) and file.ext == "webp"
    }
    without_full = {
        each
        for each in versions
        for ext in (("jpg", "webp") if each in with_webp else ("jpg",))
        if full_letter and Variant(each, full_letter, ext) not in found
    }
    return {
        each
        for each in without_avif | without_full
        if VersionFiles(each, found).state is VersionState.READY
    }


def second_pass_of(
    photo_version: PhotoVersion, info: bytes, present: Container[PhotoFile] = ()
) -> Variant | None:
    """Return the original if the info declares variants that are not present, otherwise None."""
    try:
        document = parse_json(info)
        ext = document["original"]["ext"]
        declared = [Variant(photo_version, e["size"], e["ext"]) for e in document["second_pass"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if all(each in present for each in declared) or ext not in EXTENSIONS:
        return None
    return Variant(photo_version, ORIGINAL_LETTER, ext)
