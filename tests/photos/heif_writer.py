"""AVIF and HEIC files with other brands, properties, and orders of boxes than encoders write."""

import struct
from collections.abc import Sequence

Box = tuple[bytes, bytes]


def box(kind: bytes, content: bytes) -> bytes:
    """Return a box: its length, its kind, and its content."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def boxes_in(data: bytes) -> list[Box]:
    """Return the boxes that follow each other."""
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + length]))
        at += length
    return found


def turn(quarters: int) -> Box:
    """Return the property that turns an item counterclockwise."""
    return b"irot", bytes([quarters])


def mirror(axis: int) -> Box:
    """Return the property that mirrors an item."""
    return b"imir", bytes([axis])


def crop(width: int, height: int, across: int = 0, down: int = 0) -> Box:
    """Return the property that crops an item, off its center by half pixels."""
    return b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, across, 2, down, 2)


def rewrite(
    data: bytes,
    *,
    properties: Sequence[Box] = (),
    comes_first: bool = False,
    brands: Sequence[bytes] | None = None,
    meta_last: bool = False,
    padding: int = 0,
    association_each: bool = False,
    alpha_has_extent: bool = True,
) -> bytes:
    """Return the file with these properties on its primary item, in place of its transforms.

    `padding` is the length of a box behind the brands.
    """
    outer = dict(boxes_in(data))
    head = box(b"ftyp", outer[b"ftyp"])
    if brands is not None:
        head = box(b"ftyp", brands[0] + bytes(4) + b"".join(brands))
    if padding:
        head += box(b"free", bytes(padding))
    pixels = box(b"mdat", outer[b"mdat"])
    before = data.index(b"mdat") - 4
    meta = b""
    for _ in range(2):  # the length of meta does not depend on the offsets in it
        at = len(head) + (0 if meta_last else len(meta))
        meta = _meta(
            outer[b"meta"],
            properties,
            shift=at - before,
            comes_first=comes_first,
            association_each=association_each,
            alpha_has_extent=alpha_has_extent,
        )
    return head + (pixels + meta if meta_last else meta + pixels)


def _meta(
    meta: bytes,
    added: Sequence[Box],
    *,
    shift: int,
    comes_first: bool,
    association_each: bool,
    alpha_has_extent: bool,
) -> bytes:
    inner = boxes_in(meta[4:])
    primary = int.from_bytes(dict(inner)[b"pitm"][4:6], "big")
    described = dict(boxes_in(dict(inner)[b"iprp"]))
    properties = boxes_in(described[b"ipco"])
    own = [0x80 | len(properties) + 1 + at for at in range(len(added))]
    kinds = [kind for kind, _ in properties]
    rows = []
    for item, indexes in _associations(described[b"ipma"]):
        dropped = {b"irot", b"imir", b"clap"} if item == primary else set()
        if item != primary and not alpha_has_extent:
            dropped = {b"ispe"}
        kept = [at for at in indexes if kinds[(at & 0x7F) - 1] not in dropped]
        if item == primary:
            kept = own + kept if comes_first else kept + own
        rows.append(struct.pack(">HB", item, len(kept)) + bytes(kept))
    lists = [[row] for row in rows] if association_each else [rows]
    container = b"".join(box(kind, content) for kind, content in [*properties, *added])
    corrected = {
        b"iprp": box(b"ipco", container)
        + b"".join(box(b"ipma", struct.pack(">II", 0, len(r)) + b"".join(r)) for r in lists),
        b"iloc": _shifted(dict(inner)[b"iloc"], shift),
    }
    return box(
        b"meta", meta[:4] + b"".join(box(kind, corrected.get(kind, each)) for kind, each in inner)
    )


def _associations(content: bytes) -> list[tuple[int, list[int]]]:
    rows, at = [], 8
    for _ in range(int.from_bytes(content[4:8], "big")):
        item, count = struct.unpack_from(">HB", content, at)
        rows.append((item, list(content[at + 3 : at + 3 + count])))
        at += 3 + count
    return rows


def _shifted(locations: bytes, shift: int) -> bytes:
    """Return an iloc box's content with every offset moved, or the base of the offsets."""
    assert locations[4] == 0x44, "offsets and lengths have four bytes"
    has_base = locations[5] >> 4 == 4
    moved, at = bytearray(locations), 8

    def move(place: int) -> None:
        (offset,) = struct.unpack_from(">I", moved, place)
        struct.pack_into(">I", moved, place, offset + shift)

    for _ in range(int.from_bytes(locations[6:8], "big")):
        at += 6 if locations[0] else 4
        if has_base:
            move(at)
            at += 4
        extents = int.from_bytes(locations[at : at + 2], "big")
        at += 2
        for _ in range(extents):
            if not has_base:
                move(at)
            at += 8
    return bytes(moved)
