"""Entries of the audit log: one JSON line each, with the hash of the line before it."""

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from volumes.json_text import parse_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A request of a caller that changed something, or that was refused."""

    act: str
    """The kind of act, such as "delete"."""
    target: str
    """The photo, volume, or node; for refused credentials the route."""
    result: str
    """"done", or the type of the problem."""
    caller: str = ""
    """The id of the token, "ticket ID", or empty if unknown."""
    application: str = ""
    request: str = ""
    """The id of the request."""
    count: int = 1
    """Number of equal refusals that share the entry."""


_FIELDS = tuple(field.name for field in fields(Act))
# `json.dumps` makes an encoder for each call with separators.
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Act):
    """An act in the log."""

    chain: str
    """The process of a storagemaster whose entries are chained."""
    number: int
    """Number in the chain, from 1."""
    previous: str
    """SHA-256 of the line before it in the chain; empty for the first."""
    time: str
    """Time in UTC, in RFC 3339."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log without its end, and its entry."""

    entry: Entry
    digest: str


class Chain:
    """Writer of the lines of one process. Each contains the hash of the one before it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        """Number of the last line."""
        self._previous = ""

    def line(self, act: Act, *, now_seconds: float) -> bytes:
        """Return the next line, with its end."""
        self.number += 1
        time = datetime.fromtimestamp(now_seconds, UTC).isoformat(timespec="milliseconds")
        entry = {
            "time": time.replace("+00:00", "Z"),
            **{name: getattr(act, name) for name in _FIELDS},
            "chain": self.name,
            "number": self.number,
            "previous": self._previous,
        }
        line = _encode(entry).encode()
        self._previous = digest_of(line)
        return line + b"\n"


def digest_of(line: bytes) -> str:
    """Return the SHA-256 of a line without its end."""
    return hashlib.sha256(line).hexdigest()


def parse_line(line: bytes) -> Line | None:
    """Return a line without its end, or None if it is not one of the log."""
    try:
        fields: dict[str, Any] = parse_json(line)
        entry = Entry(**fields)
    except (ValueError, TypeError):
        return None
    kinds = {name: int if name in {"count", "number"} else str for name in fields}
    if any(type(fields[name]) is not kind for name, kind in kinds.items()):
        return None
    return Line(entry, digest_of(line))
