"""Batches of files in one request: reads and pulls for repair, writes for uploads.

A file that cannot be read or written has an error in its row, and affects no other file.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from storagenode.protocol import errors, wire
from storagenode.protocol.files import Published
from storagenode.protocol.framing import frame_parts, parse_frame, render_frame
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull
from volumes.json_text import parse_json

# A larger file has a request of its own.
FILE_BYTES_MAX = 256 * 1024
BATCH_FILES_MAX = 64
BATCH_BYTES_MAX = 4 * 1024 * 1024
WRITE_BYTES_MAX = 1024 * 1024
"""The total size of files that share a write request: up to `wire.SHARING_BYTES_MAX` each."""
MTIME_SECONDS_MAX = 999_999_999_999


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The bytes of one file, not verified, and its modification time."""

    data: bytes
    mtime_seconds: int


@dataclass(frozen=True, slots=True)
class InMemoryFile:
    """A file in memory, and the place to publish it at."""

    place: Place
    data: bytes
    digest: str
    mtime_seconds: int


_PUBLISHED_FIELDS = tuple(field.name for field in fields(Published))

ReadOutcome = ReadFile | errors.NodeError
WriteOutcome = Published | errors.NodeError


def render_places(places: Iterable[Place]) -> bytes:
    """Return the places of a read batch as JSON."""
    return json.dumps([wire.render_place(place) for place in places]).encode()


def parse_places(body: bytes) -> list[Place]:
    """Parse what `render_places` returns.

    Raises:
        BadRequest: The body is not a list of places, or has too many.
    """
    try:
        return [wire.parse_place(fields) for fields in _parse_rows(body)]
    except (ValueError, TypeError, KeyError) as error:
        raise errors.BadRequest(f"invalid list of places: {error!r}") from error


def render_pulls(pulls: Iterable[Pull]) -> bytes:
    """Return the pulls of a batch as JSON."""
    return json.dumps([parse_json(wire.render_pull(pull)) for pull in pulls]).encode()


def parse_pulls(body: bytes) -> list[Pull]:
    """Parse what `render_pulls` returns.

    Raises:
        BadRequest: The body is not a list of pulls, has too many, or names several sources.
    """
    pulls = [wire.parse_pull(json.dumps(fields).encode()) for fields in _parse_rows(body)]
    if len({pull.source for pull in pulls}) > 1:
        raise errors.BadRequest("invalid batch of pulls: all must have the same source")
    return pulls


def render_reads(outcomes: Sequence[ReadOutcome]) -> bytes:
    """Return the files of a read batch as a frame. A row is an error or has `mtime`."""
    return render_frame(
        (
            {"bytes": len(each.data), "mtime": each.mtime_seconds}
            if isinstance(each, ReadFile)
            else render_failure(each)
            for each in outcomes
        ),
        (each.data for each in outcomes if isinstance(each, ReadFile)),
    )


def parse_reads(body: bytes) -> list[ReadOutcome]:
    """Parse what `render_reads` returns.

    Raises:
        Unreachable: The body is not a batch, so the outcomes are unknown.
    """
    try:
        return [
            parse_failure(row) if "error" in row else ReadFile(data, int(row["mtime"]))
            for row, data in parse_frame(body)
        ]
    except (errors.BadRequest, ValueError, TypeError, KeyError) as error:
        raise errors.Unreachable(f"invalid batch from a node: {error}") from error


def render_writes(files: Sequence[InMemoryFile]) -> list[bytes]:
    """Return the parts of a frame with a write batch. The request is signed over the first."""
    return frame_parts(
        (
            {
                **wire.render_place(file.place),
                "mtime": file.mtime_seconds,
                "sha256": file.digest,
                "bytes": len(file.data),
            }
            for file in files
        ),
        (file.data for file in files),
    )


def parse_writes(body: bytes) -> list[InMemoryFile]:
    """Parse what `render_writes` returns, without checking the digests.

    Raises:
        BadRequest: The body is not a batch of one to `BATCH_FILES_MAX` small files.
    """
    rows = parse_frame(body, copied_bytes_max=wire.SHARING_BYTES_MAX)
    if not 0 < len(rows) <= BATCH_FILES_MAX:
        raise errors.BadRequest(
            f"invalid batch of {len(rows)} files: must be 1 to {BATCH_FILES_MAX}"
        )
    try:
        return [_parse_write(row, data) for row, data in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise errors.BadRequest(f"invalid batch of writes: {error!r}") from error


def render_outcomes(outcomes: Sequence[WriteOutcome]) -> list[dict[str, Any]]:
    """Return the outcome of each write as JSON."""
    # `asdict` copies each value.
    return [
        render_failure(each)
        if isinstance(each, errors.NodeError)
        else {name: getattr(each, name) for name in _PUBLISHED_FIELDS}
        for each in outcomes
    ]


def parse_outcomes(rows: list[dict[str, Any]], *, count: int) -> list[WriteOutcome]:
    """Parse what `render_outcomes` returns for `count` files.

    Raises:
        TypeError, KeyError: The rows are not the outcomes of `count` writes.
    """
    if len(rows) != count:
        raise TypeError(f"{len(rows)} outcomes for {count} files")
    return [parse_failure(row) if "error" in row else Published(**row) for row in rows]


def render_failure(error: errors.NodeError) -> dict[str, str]:
    """Return the row of a file that could not be read or written."""
    _, name, text = errors.render_error(error)
    return {"error": name, "text": text}


def parse_failure(row: dict[str, str]) -> errors.NodeError:
    """Parse what `render_failure` returns."""
    return errors.parse_error(500, row["error"], row["text"])


def _parse_write(row: dict[str, Any], data: bytes) -> InMemoryFile:
    mtime = row["mtime"]
    if len(data) > wire.WHOLE_BYTES_MAX or not 0 <= mtime <= MTIME_SECONDS_MAX:
        raise errors.BadRequest(f"cannot write {len(data)} bytes with modification time {mtime}")
    return InMemoryFile(wire.parse_place(row), data, str(row["sha256"]), int(mtime))


def _parse_rows(body: bytes) -> list[dict[str, str]]:
    try:
        rows: list[dict[str, str]] = parse_json(body)
        size = len(rows)
    except (ValueError, TypeError) as error:
        raise errors.BadRequest(f"invalid batch: {error}") from error
    if not isinstance(rows, list) or size > BATCH_FILES_MAX:
        raise errors.BadRequest(f"invalid batch: must list up to {BATCH_FILES_MAX} files")
    return rows
