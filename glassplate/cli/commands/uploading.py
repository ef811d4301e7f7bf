"""Uploading many files at once, so that one that fails stops no other; with or without waiting."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from glassplate.cli.views.progress import TransferProgress
from glassplate.client import Client
from glassplate.errors import ClusterError, GlassplateError, SizesFailed, Unreachable
from storagemaster.wire import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """How files are to be uploaded."""

    volume: int | None = None
    durability: Literal["strict", "degraded"] | None = None
    idempotency_key: str | None = None
    wait_seconds: float | None = None
    """How long to wait for the sizes of a photo; None does not wait."""
    concurrency: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A file that is a photo now. `trouble` is why its sizes are not made, if they were to be."""

    path: Path
    receipt: Receipt
    state: str = "pending"
    sizes_error: GlassplateError | None = None


@dataclass(frozen=True, slots=True)
class NotUploaded:
    """A file that is not, and why."""

    path: Path
    error: GlassplateError


Outcome = Uploaded | NotUploaded


class NotAttempted(ClusterError):
    """The upload was not begun, or not ended: nobody answers, or somebody pressed Ctrl-C."""


async def upload_all(
    client: Client, files: Sequence[Path], options: UploadOptions, progress: TransferProgress
) -> list[Outcome]:
    """Upload files, so many at once; what became of each, in their order.

    Once nobody answers, nothing more is begun. Ctrl-C ends it too, and loses no receipt.
    """
    uploading = _Uploading(client, options, progress)
    tasks = [asyncio.create_task(uploading.upload(path)) for path in files]
    try:
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [uploading.outcome_of(path) for path in files]


class _Uploading:
    def __init__(self, client: Client, options: UploadOptions, progress: TransferProgress) -> None:
        self._client = client
        self._options = options
        self._progress = progress
        self._turns = asyncio.Semaphore(options.concurrency)
        self._nobody_answers = False
        self._begun: set[Path] = set()
        self._outcomes: dict[Path, Outcome] = {}

    async def upload(self, path: Path) -> None:
        async with self._turns:
            self._begun.add(path)
            self._outcomes[path] = await self._put(path)
        outcome = self._outcomes[path]
        if isinstance(outcome, Uploaded) and self._options.wait_seconds is not None:
            self._outcomes[path] = await self._wait(outcome, self._options.wait_seconds)

    def outcome_of(self, path: Path) -> Outcome:
        if path in self._outcomes:
            return self._outcomes[path]
        if path in self._begun:
            return NotUploaded(
                path, NotAttempted("interrupted while it was sent, so it may be kept")
            )
        return NotUploaded(path, NotAttempted("not tried, because of the interruption"))

    async def _put(self, path: Path) -> Outcome:
        if self._nobody_answers:
            return NotUploaded(path, NotAttempted("not tried, because nobody answers"))
        task, on_progress = self._progress.start(path.name, _size_of(path))
        try:
            receipt = await self._client.put(
                path,
                volume=self._options.volume,
                durability=self._options.durability,
                idempotency_key=self._options.idempotency_key,
                on_progress=on_progress,
            )
        except GlassplateError as error:
            self._nobody_answers = self._nobody_answers or isinstance(error, Unreachable)
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
    """An outcome as JSON shows it."""
    if isinstance(outcome, NotUploaded):
        problem = outcome.error.problem
        return {
            "file": str(outcome.path),
            "error": type(outcome.error).__name__,
            "message": str(outcome.error),
            "status": problem.status if problem else None,
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
