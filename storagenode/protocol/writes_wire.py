"""Small files that a storagemaster has whole, several to a request: bodies and answers.

A body is a line of JSON with a row a file, which names its SHA-256, then the bytes of all of them.
It is signed over that line alone: no file is published whose bytes do not have the digest in it.
The answer has a row a file too, so that one that is refused stops no other.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storagenode.protocol import batch_wire, errors, wire
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from volumes.photo_path import render_path

WRITES_ROUTE = "/writes"
FILES_MAX = 64
BYTES_MAX = 1024 * 1024
"""What the files of one request have together; each has `wire.WHOLE_BYTES_MAX` at most."""
_LINE_BYTES_MAX = 64 * 1024
MTIME_SECONDS_MAX = 999_999_999_999


@dataclass(frozen=True, slots=True)
class InMemoryFile:
    """A file that is in memory, and where it is to be published."""

    place: Place
    data: bytes
    digest: str
    mtime_seconds: int


Outcome = Published | errors.NodeError


def render_line(files: Sequence[InMemoryFile]) -> bytes:
    """The first line of a body, which is what is signed; the bytes of the files follow it."""
    rows = [
        (render_path(f.place.file), f.place.hint_for or "", f.mtime_seconds, f.digest, len(f.data))
        for f in files
    ]
    return json.dumps(rows).encode() + b"\n"


def signed_part(body: bytes) -> bytes:
    """The first line of a body; all of a body without one."""
    return body[: body.find(b"\n", 0, _LINE_BYTES_MAX) + 1] or body


def parse_writes(body: bytes) -> list[InMemoryFile]:
    """The files of a body; whether their bytes are right is not looked at.

    Raises:
        BadRequest: It has none, too many, or not the bytes that it announces.
    """
    line = signed_part(body)
    offset = len(line)
    files = []
    try:
        for path, hint_for, mtime, digest, size in json.loads(line):
            place = wire.parse_place({"path": path, "hint_for": hint_for})
            if not 0 <= size <= wire.WHOLE_BYTES_MAX or not 0 <= mtime <= MTIME_SECONDS_MAX:
                raise errors.BadRequest(f"{path}: {size} bytes of second {mtime} are not taken")
            files.append(InMemoryFile(place, body[offset : offset + size], str(digest), int(mtime)))
            offset += size
    except (ValueError, TypeError) as error:
        raise errors.BadRequest(f"not the first line of writes: {error}") from error
    if offset != len(body) or not 0 < len(files) <= FILES_MAX:
        raise errors.BadRequest(f"{len(body)} bytes for {len(files)} files of {offset} bytes")
    return files


def render_outcomes(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What became of each file, as JSON."""
    return [
        batch_wire.render_refusal(each)
        if isinstance(each, errors.NodeError)
        else {
            "path": each.path,
            "digest": each.digest,
            "bytes": each.bytes,
            "existed": each.existed,
        }
        for each in outcomes
    ]


def parse_outcomes(rows: list[dict[str, Any]], *, count: int) -> list[Outcome]:
    """The inverse of `render_outcomes`.

    Raises:
        TypeError, KeyError: These are not the outcomes of so many files.
    """
    if len(rows) != count:
        raise TypeError(f"{len(rows)} outcomes of {count} files")
    return [batch_wire.parse_refusal(row) if "error" in row else Published(**row) for row in rows]
