"""Import of many photos: each once, whatever interrupts it, and with a reason if it fails.

The Idempotency-Key of a photo follows from its digest, so equal files are one photo, and another
import of the same application makes no second one. A photo that the cluster has is not sent.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from glassplate.client import Client
from glassplate.errors import GlassplateError, PhotoGone, Unreachable, UnusableSource
from glassplate.transfer.import_sources import ImportSource
from glassplate.transfer.journal import Journal, JournalEntry, SourceFile
from storagemaster.known_wire import KnownPhoto, digest_key
from storagemaster.wire import BATCH_PHOTOS_MAX

# One request looks the photos of this many files up, or of one file that is longer.
BATCH_FILES_MAX = 20
BATCH_BYTES_MAX = 8 * 1024 * 1024
# States of journaled photos that need no import. One that cannot be looked up was stored before.
_PRESENT_STATES = frozenset({"pending", "ready", "failed", "unavailable"})


class ImportProgress(Protocol):
    """Receives the progress of an import."""

    def sent(self, more_bytes: int) -> None:
        """Count sent bytes. A retry takes back the bytes of the attempt before."""

    def end(self) -> None:
        """Count a photo."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The files to import, and the number of files in the cluster."""

    missing: tuple[SourceFile, ...]
    present: int

    @property
    def bytes_total(self) -> int:
        """The bytes to import."""
        return sum(file.bytes for file in self.missing)


@dataclass(slots=True)
class ImportResult:
    """The result of an import. `failed` has the error of each path."""

    imported: int = 0
    present: int = 0
    """Photos that the journal lacked and the cluster has."""
    failed: dict[str, GlassplateError] = field(default_factory=dict)
    not_attempted: int = 0
    is_interrupted: bool = False


async def plan_import(
    client: Client, files: Iterable[SourceFile], entries: dict[str, JournalEntry]
) -> ImportPlan:
    """Return the files that the journal lacks, or whose photos the cluster no longer has."""
    missing, known = [], []
    for file in files:
        entry = entries.get(file.path)
        if entry is not None and entry.describes(file):
            known.append((file, entry.reference))
        else:
            missing.append(file)
    present = 0
    for start in range(0, len(known), BATCH_PHOTOS_MAX):
        batch = known[start : start + BATCH_PHOTOS_MAX]
        states = await client.infos([reference for _, reference in batch])
        for (file, _), status in zip(batch, states, strict=True):
            if status.state in _PRESENT_STATES:
                present += 1
            else:
                missing.append(file)
    return ImportPlan(tuple(missing), present)


async def import_all(
    client: Client,
    source: ImportSource,
    files: Sequence[SourceFile],
    journal: Journal,
    progress: ImportProgress,
    *,
    concurrency: int,
) -> ImportResult:
    """Import the files, and record each outcome in the journal.

    A file that fails does not stop the others. Once no storagemaster responds, no further upload
    starts. A cancellation ends the import, and the result so far is returned.
    """
    imports = _Imports(client, source, journal, progress, iter(files))
    workers = [asyncio.create_task(imports.work()) for _ in range(concurrency)]
    try:
        await asyncio.gather(*workers)
    except asyncio.CancelledError:
        imports.result.is_interrupted = True
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    result = imports.result
    result.not_attempted = len(files) - result.imported - result.present - len(result.failed)
    return result


@dataclass(frozen=True, slots=True)
class _Hashed:
    """A file with its digest, or the error of reading it."""

    file: SourceFile
    path: Path = Path()
    sha256: str = ""
    error: GlassplateError | None = None


class _Imports:
    def __init__(
        self,
        client: Client,
        source: ImportSource,
        journal: Journal,
        progress: ImportProgress,
        files: Iterator[SourceFile],
    ) -> None:
        self._client = client
        self._source = source
        self._journal = journal
        self._progress = progress
        self._files = files
        self.result = ImportResult()
        self._is_unreachable = False

    async def work(self) -> None:
        """Import files until none is left, or no storagemaster responds."""
        while not self._is_unreachable and (batch := self._next_batch()):
            async with contextlib.AsyncExitStack() as copies:
                hashed = [await self._hash(file, copies) for file in batch]
                known = await self._known([each.sha256 for each in hashed if each.sha256])
                for each in hashed:
                    if self._is_unreachable:
                        return
                    entry = await self._import(each, known.get(each.sha256))
                    if entry.reference:  # an equal file of the batch need not be sent
                        known[each.sha256] = KnownPhoto(
                            sha256=each.sha256, state="stored", reference=entry.reference
                        )
                    self._journal.record(entry)
                    self._progress.end()

    def _next_batch(self) -> list[SourceFile]:
        """Return the next files, whose photos one request looks up."""
        batch: list[SourceFile] = []
        while len(batch) < BATCH_FILES_MAX and sum(f.bytes for f in batch) < BATCH_BYTES_MAX:
            if (file := next(self._files, None)) is None:
                break
            batch.append(file)
        return batch

    async def _hash(self, file: SourceFile, copies: contextlib.AsyncExitStack) -> "_Hashed":
        try:
            path = await copies.enter_async_context(self._source.local_copy(file))
            return _Hashed(file, path, await asyncio.to_thread(digest_of, path))
        except GlassplateError as error:
            return _Hashed(file, error=error)

    async def _known(self, digests: list[str]) -> dict[str, KnownPhoto | GlassplateError]:
        """Return the photo of each digest, or the error of the request."""
        try:
            return {found.sha256: found for found in await self._client.known(digests)}
        except GlassplateError as error:
            return dict.fromkeys(digests, error)

    async def _import(
        self, hashed: "_Hashed", known: KnownPhoto | GlassplateError | None
    ) -> JournalEntry:
        file, reference, reason = hashed.file, "", ""
        try:
            reference = self._find(hashed, known) or await self._put(hashed.path, hashed.sha256)
        except GlassplateError as error:
            self._is_unreachable = self._is_unreachable or isinstance(error, Unreachable)
            self.result.failed[file.path] = error
            reason = str(error)
        return JournalEntry(
            path=file.path,
            bytes=file.bytes,
            mtime_nanoseconds=file.mtime_nanoseconds,
            sha256=hashed.sha256,
            reference=reference,
            reason=reason,
        )

    def _find(self, hashed: "_Hashed", known: KnownPhoto | GlassplateError | None) -> str:
        """Return the reference of a photo that need not be sent, or an empty text."""
        if hashed.error is not None:
            raise hashed.error
        if isinstance(known, GlassplateError):
            raise known
        assert known is not None, "each digest was looked up"
        if known.state == "gone":
            raise PhotoGone("the photo was imported before, and has been deleted since")
        if known.reference is None:
            return ""
        self._progress.sent(hashed.file.bytes)
        self.result.present += 1
        return known.reference

    async def _put(self, path: Path, sha256: str) -> str:
        receipt = await self._client.put(
            path,
            idempotency_key=digest_key(sha256),
            sha256=sha256,
            on_progress=_differences(self._progress),
        )
        self.result.imported += 1
        return receipt.reference


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        UnusableSource: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnusableSource(f"cannot read {path}: {error.strerror or error}") from error


class _differences:  # noqa: N801  # a callback, as a function with one variable
    """Progress of one upload, reported as differences."""

    def __init__(self, progress: ImportProgress) -> None:
        self._progress = progress
        self._sent = 0

    def __call__(self, sent: int, _: int) -> None:
        self._progress.sent(sent - self._sent)
        self._sent = sent
