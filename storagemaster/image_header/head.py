"""The first bytes of an upload, as the format readers see them.

Reading past the end raises `HeadTooShort` with the number of bytes that are needed. `sniff` handles
it, so that no reader needs a branch for it.
"""

from typing import Literal

_ByteOrder = Literal["little", "big"]


class HeadTooShort(Exception):
    """The bytes end before the requested range."""

    def __init__(self, at_least_bytes: int) -> None:
        super().__init__(f"at least {at_least_bytes} bytes are needed")
        self.at_least_bytes = at_least_bytes


class UnusableHeader(Exception):
    """The header has no usable dimensions; the reason is for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Head:
    """The bytes from an upload's start, read by absolute offset."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, offset: int, count: int) -> bytes:
        """Return exactly `count` bytes.

        Raises:
            HeadTooShort: The bytes end before that.
        """
        end = offset + count
        if end > len(self.data):
            raise HeadTooShort(end)
        return self.data[offset:end]

    def little(self, offset: int, count: int) -> int:
        """Return an unsigned little-endian number of `count` bytes."""
        return self.number(offset, count, "little")

    def big(self, offset: int, count: int) -> int:
        """Return an unsigned big-endian number of `count` bytes."""
        return self.number(offset, count, "big")

    def number(self, offset: int, count: int, order: _ByteOrder) -> int:
        """Return an unsigned number of `count` bytes, in the byte order that the file states."""
        return int.from_bytes(self.take(offset, count), order)
