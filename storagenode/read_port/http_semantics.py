"""The pure decision about conditional and range headers (RFC 9110).

A node decides as nginx with `max_ranges 1` does, so that it always agrees with its edge. An
ETag is the modification second in hex, a dash, and the size in hex. A request for several ranges
gets the full file. A date counts beside a tag, although the RFC lets the tag override it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

# The size of a file has at most eighteen digits.
_RANGE = re.compile(r" *([0-9]{1,18}) *- *([0-9]{0,18}) *")
_SUFFIX = re.compile(r" *-([0-9]{1,18}) *")


@dataclass(frozen=True, slots=True)
class Full:
    """200 with all bytes."""


@dataclass(frozen=True, slots=True)
class Partial:
    """206 with the bytes from `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class NotModified:
    """304: the client's copy is current."""


@dataclass(frozen=True, slots=True)
class PreconditionFailed:
    """412: the file does not meet the client's precondition."""


@dataclass(frozen=True, slots=True)
class RangeNotSatisfiable:
    """416: the range is outside the file."""


ReadOutcome = Full | Partial | NotModified | PreconditionFailed | RangeNotSatisfiable


def etag_of(*, mtime_seconds: int, size: int) -> str:
    """Return the ETag of a file, as nginx computes it.

    >>> etag_of(mtime_seconds=0x65f0c1a2, size=255)
    '"65f0c1a2-ff"'
    """
    return f'"{mtime_seconds:x}-{size:x}"'


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> str:
    """Return a Unix time in seconds as an HTTP date."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


def decide(headers: Mapping[str, str], *, etag: str, mtime_seconds: int, size: int) -> ReadOutcome:
    """Return the outcome of a GET or HEAD with these headers."""
    if not _preconditions_hold(headers, etag=etag, mtime_seconds=mtime_seconds):
        return PreconditionFailed()
    if _is_not_modified(headers, etag=etag, mtime_seconds=mtime_seconds):
        return NotModified()
    wanted = headers.get("Range")
    if wanted is None or not _if_range_holds(headers, etag=etag, mtime_seconds=mtime_seconds):
        return Full()
    return _decide_range(wanted, size)


def _preconditions_hold(headers: Mapping[str, str], *, etag: str, mtime_seconds: int) -> bool:
    unmodified_since = headers.get("If-Unmodified-Since")
    since = _parse_date(unmodified_since) if unmodified_since else None
    if since is not None and mtime_seconds > since:
        return False
    match = headers.get("If-Match")
    return match is None or _matches(match, etag, weak=False)


def _is_not_modified(headers: Mapping[str, str], *, etag: str, mtime_seconds: int) -> bool:
    none_match, since = headers.get("If-None-Match"), headers.get("If-Modified-Since")
    if none_match is None and since is None:
        return False
    # nginx also requires the exact second. Mirrors have the same second, and files never change.
    is_known_by_date = since is None or _parse_date(since) == mtime_seconds
    return is_known_by_date and (none_match is None or _matches(none_match, etag, weak=True))


def _if_range_holds(headers: Mapping[str, str], *, etag: str, mtime_seconds: int) -> bool:
    condition = headers.get("If-Range")
    if condition is None:
        return True
    if condition.startswith('"'):
        return condition == etag
    return _parse_date(condition) == mtime_seconds


def _matches(header: str, etag: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    given = (tag.strip() for tag in header.split(","))
    return any((tag.removeprefix("W/") if weak else tag) == etag for tag in given)


def _parse_date(text: str) -> int | None:
    try:
        date = parsedate_to_datetime(text)
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


def _decide_range(wanted: str, size: int) -> ReadOutcome:
    unit, _, ranges = wanted.partition("=")
    if unit.lower() != "bytes" or not ranges or "," in ranges:
        return Full()
    if suffix := _SUFFIX.fullmatch(ranges):
        length = min(int(suffix[1]), size)
        return Partial(size - length, size - 1) if length else RangeNotSatisfiable()
    match = _RANGE.fullmatch(ranges)
    if match is None:
        return RangeNotSatisfiable()
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    return Partial(first, last) if first <= last and first < size else RangeNotSatisfiable()
