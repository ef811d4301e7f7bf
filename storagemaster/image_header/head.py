"""The first bytes of an upload as the format readers see them: reading past the end is a question.

A reader just reads. If the bytes are not there yet, `HeadTooShort` says how many would be enough,
and `sniff` turns that into an answer; so no reader has a branch for it.
"""

from typing import Literal

_ByteOrder = Literal["little", "big"]


class HeadTooShort(Exception):
    """The bytes end before what was asked for."""

    def __init__(self, at_least_bytes: int) -> None:
        super().__init__(f"at least {at_least_bytes} bytes are needed")
        self.at_least_bytes = at_least_bytes


class UnusableHeader(Exception):
    """The bytes say that no dimensions can be had from them; the reason is for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Head:
    """The bytes from an upload's start, read by absolute offset."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, offset: int, count: int) -> bytes:
        """Exactly so many bytes.

        Raises:
            HeadTooShort: They are not all there.
        """
        end = offset + count
        if end > len(self.data):
            raise HeadTooShort(end)
        return self.data[offset:end]

    def little(self, offset: int, count: int) -> int:
        """An unsigned number of so many bytes, least significant first."""
        return self.number(offset, count, "little")

    def big(self, offset: int, count: int) -> int:
        """An unsigned number of so many bytes, most significant first."""
        return self.number(offset, count, "big")

    def number(self, offset: int, count: int, order: _ByteOrder) -> int:
        """An unsigned number of so many bytes, in the order a file itself states."""
        return int.from_bytes(self.take(offset, count), order)
