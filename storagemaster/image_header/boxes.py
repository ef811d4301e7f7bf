"""Boxes of ISO/IEC 14496-12, and the item properties of ISO/IEC 23008-12, in memory."""

from collections.abc import Iterator
from typing import NamedTuple

from storagemaster.image_header.head import Head, UnusableHeader

# A phone's photo has some 50 tiles, and a handful of boxes beside them.
BOXES_MAX = 1000
_ITEMS_MAX = 4096
# The standard allows one for each combination of version and flags; some writers have one an item.
_ASSOCIATIONS_MAX = 64

ESSENTIAL = 0x8000
"""The mark, on the index of a property, that a reader must understand it."""


class Box(NamedTuple):
    """A box's kind and its content."""

    kind: bytes
    content: Head


class Properties(NamedTuple):
    """The properties of a file, in order, and which of them each item has, by index from 1."""

    primary_item: int | None
    all: list[Box]
    by_item: dict[int, list[int]]

    @property
    def primary(self) -> list[Box]:
        """The properties of the primary item, in order."""
        indexes = self.by_item.get(self.primary_item or 0, [])
        return [self.all[at - 1] for at in indexes if 0 < at <= len(self.all)]


def read_properties(meta: Head) -> Properties:
    """Return the properties in the content of a meta box."""
    item = None
    properties: list[Box] = []
    by_item: dict[int, list[int]] = {}
    associations: list[Head] = []
    for kind, content in boxes_in(meta, 4):
        if kind == b"pitm":
            item = content.big(4, _item_number_bytes(content))
        elif kind == b"iprp":
            for inner_kind, inner in boxes_in(content, 0):
                if inner_kind == b"ipco":
                    properties = list(boxes_in(inner, 0))
                elif inner_kind == b"ipma":
                    associations.append(inner)
    for box in associations[:_ASSOCIATIONS_MAX]:
        for number, indexes in associations_in(box):
            by_item.setdefault(number, []).extend(index & ~ESSENTIAL for index in indexes)
    return Properties(item, properties, by_item)


def associations_in(box: Head) -> Iterator[tuple[int, list[int]]]:
    """Yield each item's number and property indexes in an ipma box, marks included."""
    number_bytes = _item_number_bytes(box)
    is_wide = box.big(3, 1) & 1
    at = 8
    for _ in range(min(box.big(4, 4), _ITEMS_MAX)):
        item = box.big(at, number_bytes)
        count = box.big(at + number_bytes, 1)
        at += number_bytes + 1
        if is_wide:
            yield item, [box.big(at + 2 * index, 2) for index in range(count)]
            at += 2 * count
        else:
            short = box.take(at, count)
            yield item, [index & 0x7F | (index & 0x80) << 8 for index in short]
            at += count


def _item_number_bytes(box: Head) -> int:
    """Return the bytes of an item's number: two in version 0 of a box, four in later ones."""
    return 4 if box.big(0, 1) else 2


def boxes_in(content: Head, start: int) -> Iterator[Box]:
    """Yield the boxes inside a box, from an offset to its end."""
    for _ in range(BOXES_MAX):
        if start == len(content.data):
            return
        length = content.big(start, 4)
        kind = content.take(start + 4, 4)
        inner = start + 8
        if length == 1:
            length = content.big(inner, 8)
            inner += 8
        end = box_end(start, inner, length)
        yield Box(kind, Head(content.take(inner, end - inner)))
        start = end
    raise UnusableHeader(f"the file has over {BOXES_MAX} boxes in one box")


def box_end(start: int, content: int, length: int) -> int:
    """Return where a box ends, by its length."""
    if length == 0:
        # It reaches to the end of the file, so nothing that describes the image follows it.
        raise UnusableHeader("the file ends without a description of a still image")
    if start + length < content:
        raise UnusableHeader("the file has a box of impossible length")
    return start + length
