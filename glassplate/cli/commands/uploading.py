"""Concurrent uploads of many files. A failed file does not stop the others."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from glassplate.cli.views.output import error_document
from glassplate.cli.views.progress import TransferProgress
from glassplate.client import Client
from glassplate.errors import ClusterError, GlassplateError, SizesFailed, Unreachable
from storagemaster.wire import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """Options of all uploads of a command."""

    volume: int | None = None
    durability: Literal["strict", "degraded"] | None = None
    idempotency_key: str | None = None
    known: bool = False
    """True if a photo that is stored by its digest need not be sent."""
    wait_seconds: float | None = None
    """Time to wait for the sizes of a photo, or None to not wait."""
    concurrency: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A stored file. `sizes_error` is the error of waiting for its sizes, if any."""

    path: Path
    receipt: Receipt
    state: str = "pending"
    sizes_error: GlassplateError | None = None


@dataclass(frozen=True, slots=True)
class NotUploaded:
    """A file that was not stored, and the reason."""

    path: Path
    error: GlassplateError


Outcome = Uploaded | NotUploaded


class NotAttempted(ClusterError):
    """An upload that was skipped or interrupted."""

    code = "not-attempted"


async def upload_all(
    client: Client, files: Sequence[Path], options: UploadOptions, progress: TransferProgress
) -> list[Outcome]:
    """Upload files, and return the outcome of each, in order.

    Once no storagemaster is reachable, no further upload starts. A cancellation ends the uploads,
    and the receipts of completed ones are returned.
    """
    uploads = _Uploads(client, options, progress)
    tasks = [asyncio.create_task(uploads.upload(path)) for path in files]
    try:
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [uploads.outcome_of(path) for path in files]


class _Uploads:
    def __init__(self, client: Client, options: UploadOptions, progress: TransferProgress) -> None:
        self._client = client
        self._options = options
        self._progress = progress
        self._semaphore = asyncio.Semaphore(options.concurrency)
        self._is_unreachable = False
        self._started: set[Path] = set()
        self._outcomes: dict[Path, Outcome] = {}

    async def upload(self, path: Path) -> None:
        async with self._semaphore:
            self._started.add(path)
            self._outcomes[path] = await self._put(path)
        outcome = self._outcomes[path]
        if isinstance(outcome, Uploaded) and self._options.wait_seconds is not None:
            self._outcomes[path] = await self._wait(outcome, self._options.wait_seconds)

    def outcome_of(self, path: Path) -> Outcome:
        if path in self._outcomes:
            return self._outcomes[path]
        if path in self._started:
            return NotUploaded(
                path, NotAttempted("interrupted during the upload; the photo may be stored")
            )
        return NotUploaded(path, NotAttempted("skipped: interrupted before the upload"))

    async def _put(self, path: Path) -> Outcome:
        if self._is_unreachable:
            return NotUploaded(path, NotAttempted("skipped: no storagemaster is reachable"))
        task, on_progress = self._progress.start(path.name, _size_of(path))
        try:
            receipt = await self._client.put(
                path,
                volume=self._options.volume,
                durability=self._options.durability,
                idempotency_key=self._options.idempotency_key,
                known=self._options.known,
                on_progress=on_progress,
            )
        except GlassplateError as error:
            self._is_unreachable = self._is_unreachable or isinstance(error, Unreachable)
            return NotUploaded(path, error)
        finally:
            self._progress.end(task)
        return Uploaded(path=path, receipt=receipt)

    async def _wait(self, uploaded: Uploaded, seconds: float) -> Uploaded:
        try:
            status = await self._client.wait_until_ready(uploaded.receipt.reference, seconds)
        except SizesFailed as error:
            return replace(uploaded, state="failed", sizes_error=error)
        except GlassplateError as error:
            return replace(uploaded, sizes_error=error)
        return replace(uploaded, state=status.state)


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON."""
    if isinstance(outcome, NotUploaded):
        problem = outcome.error.problem
        return {
            "file": str(outcome.path),
            **error_document(outcome.error),
            "type": problem.type if problem else None,
            "idempotency_key": getattr(outcome.error, "idempotency_key", ""),
        }
    return {
        "file": str(outcome.path),
        "reference": outcome.receipt.reference,
        **asdict(outcome.receipt),
        "state": outcome.state,
        "reason": str(outcome.sizes_error or ""),
    }


def _size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
