"""Export of many photos: originals and infos as files, complete and verified by digest.

The info is written last, with the digest of the original. Another run verifies the original by it
and skips the photo.
"""

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from glassplate.client import Client
from glassplate.errors import (
    ContentMismatch,
    GlassplateError,
    NotAllowed,
    NotFound,
    PhotoGone,
    Unavailable,
    Unreachable,
    UnusableTarget,
)
from glassplate.transfer.importing import digest_of
from storagemaster.wire import BATCH_PHOTOS_MAX, PhotoStatus
from volumes.json_text import parse_json
from volumes.photo_id import PHOTO_ID_LENGTH, VERSION_LENGTH

_ERRORS = {"gone": PhotoGone, "unknown": NotFound, "unavailable": Unavailable}


class ExportProgress(Protocol):
    """Receives the progress of an export."""

    def end(self, moved_bytes: int = 0) -> None:
        """Count a photo, and its downloaded bytes."""


@dataclass(slots=True)
class ExportResult:
    """The result of an export. `failed` has the error of each reference."""

    exported: int = 0
    present: int = 0
    failed: dict[str, GlassplateError] = field(default_factory=dict)
    not_attempted: int = 0
    is_interrupted: bool = False


async def export_all(
    client: Client,
    references: Sequence[str],
    folder: Path,
    progress: ExportProgress,
    *,
    concurrency: int,
) -> ExportResult:
    """Export photos into a directory, and skip complete ones.

    A photo that fails does not stop the others. Once no server responds, no further download
    starts. A cancellation ends the export, and the result so far is returned.
    """
    exports = _Exports(client, folder, progress, asyncio.Semaphore(concurrency))
    result = exports.result
    with _exclusive(folder):
        _remove_parts(folder)
        try:
            for start in range(0, len(references), BATCH_PHOTOS_MAX):
                if not exports.is_unreachable:
                    statuses = await client.infos(references[start : start + BATCH_PHOTOS_MAX])
                    async with asyncio.TaskGroup() as group:
                        for status in statuses:
                            group.create_task(exports.export(status))
        except asyncio.CancelledError:
            result.is_interrupted = True
    done = result.exported + result.present + len(result.failed)
    result.not_attempted = len(references) - done
    return result


class _Exports:
    def __init__(
        self, client: Client, folder: Path, progress: ExportProgress, slots: asyncio.Semaphore
    ) -> None:
        self._client = client
        self._folder = folder
        self._progress = progress
        self._slots = slots
        self.result = ExportResult()
        self.is_unreachable = False

    async def export(self, status: PhotoStatus) -> None:
        """Export a photo, and record the outcome."""
        async with self._slots:
            if self.is_unreachable:
                return
            try:
                moved_bytes = await self._export(status)
            except GlassplateError as error:
                self.is_unreachable = self.is_unreachable or isinstance(error, Unreachable)
                self.result.failed[status.reference] = error
                moved_bytes = 0
            self._progress.end(moved_bytes)

    async def _export(self, status: PhotoStatus) -> int:
        """Return the number of downloaded bytes."""
        url = _url_of_original(status)
        stem = f"{status.photo}_{status.version}"
        target = self._folder / (stem + Path(urlsplit(url).path).suffix)
        record = self._folder / f"{stem}.json"
        sha256 = await asyncio.to_thread(verified_digest, target, record)
        is_present = bool(sha256)
        size = 0
        if is_present:
            self.result.present += 1
        else:
            done = await self._client.download(url, target, overwrite=True)
            if not done.is_verified:
                raise ContentMismatch(f"{status.reference}: the server sent no digest; try again")
            sha256, size = done.sha256, done.bytes
        await asyncio.to_thread(_write, record, _document(status, sha256))
        self.result.exported += not is_present
        return size


def verified_digest(target: Path, record: Path) -> str:
    """Return the digest of an exported original if its bytes have the recorded one, or ""."""
    try:
        recorded = parse_json(record.read_bytes())["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return str(recorded) if target.is_file() and digest_of(target) == recorded else ""


def _url_of_original(status: PhotoStatus) -> str:
    if status.state in _ERRORS:
        raise _ERRORS[status.state](status.reason)
    if "o" not in status.urls:
        raise NotAllowed("the response has no URL of the original: the token lacks scope original")
    return status.urls["o"]


def _document(status: PhotoStatus, sha256: str) -> dict[str, Any]:
    return {
        "reference": status.reference,
        "sha256": sha256,
        "state": status.state,
        "reason": status.reason,
        "info": status.info,
    }


def _write(path: Path, document: dict[str, Any]) -> None:
    """Replace a file in one step."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(json.dumps(document, indent=2) + "\n")
        part.replace(path)
    except OSError as error:
        raise UnusableTarget(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Create the directory, and keep other exports out of it until the block exits."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UnusableTarget(f"cannot write to {folder}: {error.strerror or error}") from error
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UnusableTarget(f"another export is writing to {folder}; wait for it") from error
    finally:
        os.close(number)


def _remove_parts(folder: Path) -> None:
    """Remove the incomplete downloads of a run that was killed."""
    for part in folder.glob(f".{'?' * PHOTO_ID_LENGTH}_{'?' * VERSION_LENGTH}.*.part"):
        part.unlink(missing_ok=True)
