"""Requests of format readers for bytes: spans of an upload, from its start to its end.

A reader is a generator. It yields a `Span` and receives its bytes, it yields `Known` once it knows
the format or the dimensions, and it returns the EXIF orientation. `HeaderReader` runs it. Spans
never overlap backwards, so the bytes before a span need not be kept.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")
_ByteOrder = Literal["little", "big"]


@dataclass(frozen=True, slots=True)
class Span:
    """A range of bytes, by its offset from the start of the upload."""

    offset: int
    count: int

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.count


@dataclass(frozen=True, slots=True)
class Known:
    """The format and, once the reader has them, the stored dimensions in pixels."""

    ext: str
    width: int | None = None
    height: int | None = None


Reading = Generator[Span | Known, bytes, T]
"""The type of a format reader, and of the functions it delegates to."""


class HeadTooShort(Exception):
    """The bytes end before the requested range."""

    def __init__(self, at_least_bytes: int) -> None:
        super().__init__(f"at least {at_least_bytes} bytes are needed")
        self.at_least_bytes = at_least_bytes


class UnusableHeader(Exception):
    """The header has no usable dimensions; `reason` says why, for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def number(offset: int, count: int, order: _ByteOrder = "big") -> Reading[int]:
    """Read an unsigned number of `count` bytes."""
    return int.from_bytes((yield Span(offset, count)), order)


class Head:
    """Bytes in memory, read by offset."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, offset: int, count: int) -> bytes:
        """Return `count` bytes.

        Raises:
            HeadTooShort: The bytes end before.
        """
        end = offset + count
        if end > len(self.data):
            raise HeadTooShort(end)
        return self.data[offset:end]

    def big(self, offset: int, count: int) -> int:
        """Return an unsigned number of `count` bytes, most significant first."""
        return int.from_bytes(self.take(offset, count), "big")
