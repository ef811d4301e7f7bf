"""Lenient reader of EXIF directories: each entry is read for itself.

An entry that is damaged, or that refers to bytes behind the end, is left out. It never hides the
entries beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

_ByteOrder = Literal["little", "big"]

ORIENTATION = 0x0112
UPRIGHT = 1
_ORIENTATIONS = range(1, 9)
# EXIF's orientations that exchange width and height.
ON_THEIR_SIDE = frozenset({5, 6, 7, 8})

_PREFIX = b"Exif\0\0"
_BYTE_ORDERS: Mapping[bytes, _ByteOrder] = {b"II": "little", b"MM": "big"}
_ENTRY_BYTES = 12
# Bytes of one value, by EXIF's number of its type; a signed type has the size of its unsigned one.
VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_WHOLE_NUMBERS = frozenset({1, 3, 4, 6, 8, 9, 13})


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of one entry, as bytes in the order of the file."""

    kind: int
    value: bytes
    order: _ByteOrder

    @property
    def number(self) -> int | None:
        """The first whole number of the value, without its sign, or None."""
        return next(iter(self.numbers), None)

    @property
    def numbers(self) -> list[int]:
        """The whole numbers of the value, without their signs."""
        if self.kind not in _WHOLE_NUMBERS:
            return []
        size = VALUE_BYTES[self.kind]
        return [
            int.from_bytes(self.value[at : at + size], self.order)
            for at in range(0, len(self.value), size)
        ]


@dataclass(frozen=True, slots=True)
class Exif:
    """The bytes of an EXIF block, and its first directory."""

    data: bytes
    order: _ByteOrder = "big"
    first: Mapping[int, Entry] = field(default_factory=dict)

    def directory(self, pointer: int) -> Mapping[int, Entry]:
        """Return the directory that an entry of the first one points to, or an empty one."""
        return self.directory_at(self.first.get(pointer))

    def directory_at(self, entry: Entry | None) -> Mapping[int, Entry]:
        """Return the directory that an entry points to, or an empty one."""
        offset = None if entry is None else entry.number
        return {} if offset is None else read_directory(self.data, offset, self.order)

    @property
    def orientation(self) -> int:
        """The orientation, 1 to 8; 1 if no valid one is present."""
        entry = self.first.get(ORIENTATION)
        return UPRIGHT if entry is None else entry.number or UPRIGHT


def parse_exif(data: bytes) -> Exif:
    """Parse an EXIF block, with or without the prefix that JPEG puts before it."""
    while data.startswith(_PREFIX):
        data = data[len(_PREFIX) :]
    order = _BYTE_ORDERS.get(data[:2])
    if order is None or int.from_bytes(data[2:4], order) != 42:
        return Exif(data)
    first = read_directory(data, int.from_bytes(data[4:8], order), order)
    return Exif(data, order, first)


def read_directory(data: bytes, offset: int, order: _ByteOrder) -> dict[int, Entry]:
    """Return the sound entries of a directory by tag. The first entry of a repeated tag counts."""
    count = int.from_bytes(data[offset : offset + 2], order)
    start = offset + 2
    entries: dict[int, Entry] = {}
    for at in range(start, min(start + count * _ENTRY_BYTES, len(data) - _ENTRY_BYTES + 1), 12):
        tag = int.from_bytes(data[at : at + 2], order)
        entry = _entry(data, at, order)
        if entry is not None and (tag != ORIENTATION or entry.number in _ORIENTATIONS):
            entries.setdefault(tag, entry)
    return entries


def _entry(data: bytes, at: int, order: _ByteOrder) -> Entry | None:
    kind = int.from_bytes(data[at + 2 : at + 4], order)
    if kind not in VALUE_BYTES:
        return None
    length = int.from_bytes(data[at + 4 : at + 8], order) * VALUE_BYTES[kind]
    start = at + 8 if length <= 4 else int.from_bytes(data[at + 8 : at + 12], order)
    value = data[start : start + length]
    return Entry(kind, value, order) if len(value) == length else None
