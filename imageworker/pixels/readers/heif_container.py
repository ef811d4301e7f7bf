"""Properties and corrections of an AVIF or HEIC container, beside its pixels."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from imageworker.pixels.readers.heif_transforms import Rectangle, reduce_transforms
from storagemaster.image_header.boxes import (
    Box,
    Properties,
    associations_in,
    boxes_in,
    read_properties,
)
from storagemaster.image_header.head import Head, HeadTooShort, UnusableHeader

_OUTER_BOXES_MAX = 1000
_META_BYTES_MAX = 2 * 1024 * 1024
_HDR_TRANSFERS = frozenset({16, 18})
_ALPHA_URNS = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_REPEATS = 1
_SEQUENCE = b"msf1"
# A time that is not known, in the two versions of a header.
_ENDLESS = (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True, slots=True)
class _Place:
    kind: bytes
    start: int
    content: int
    end: int


def transforms_of(original: bytes, width: int, height: int) -> tuple[Rectangle, int]:
    """Return the part of the stored primary image that is shown, and its orientation."""
    try:
        return reduce_transforms(_properties_of(original).primary, width, height)
    except (HeadTooShort, UnusableHeader):
        return (0, 0, width, height), 1


def is_hdr(original: bytes) -> bool:
    """Return True if the primary image's samples are PQ or HLG."""
    try:
        profiles = [box for kind, box in _properties_of(original).primary if kind == b"colr"]
        return any(
            box.take(0, 4) == b"nclx" and box.big(6, 2) in _HDR_TRANSFERS for box in profiles
        )
    except (HeadTooShort, UnusableHeader):
        return False


def loops_of(original: bytes) -> int:
    """Return how often a sequence plays, 0 for endlessly, as in browsers if it does not say."""
    try:
        edits, movie = _edits_of(original)
    except (HeadTooShort, UnusableHeader, StopIteration, KeyError):
        return 0
    if edits is None:
        return 0
    version, flags = edits.big(0, 1), edits.big(3, 1)
    if not flags & _REPEATS:
        return 1
    segment = edits.big(8, 8 if version else 4)
    return 0 if movie in _ENDLESS or not segment else -(-movie // segment)


def with_brand(original: bytes, brand: bytes) -> bytes:
    """Return a still image with this brand alone, if it has others that readers stop at.

    Some readers know the codec by the brands only, and one that names a sequence has them look for
    tracks. A sequence stays as it is.
    """
    end = int.from_bytes(original[:4], "big")
    brands = [original[at : at + 4] for at in (8, *range(16, min(end, len(original)) - 3, 4))]
    has_tracks = any(place.kind == b"moov" for place in _outer_boxes(original))
    if has_tracks or (brand in brands and _SEQUENCE not in brands):
        return original
    minor_version = original[12:16]
    renamed = brand + minor_version + brand * (len(brands) - 1)
    return b"".join((original[:8], renamed, memoryview(original)[8 + len(renamed) :]))


def without_exif(original: bytes) -> bytes:
    """Return the file with its EXIF as an item of an unknown type."""
    place = _find(original, b"meta")
    meta = original[place.content : place.end]
    at = meta.find(b"iinf")
    hidden = meta[:at] + meta[at:].replace(b"Exif", b"none", 1)
    return b"".join((original[: place.content], hidden, memoryview(original)[place.end :]))


def with_sound_associations(original: bytes) -> bytes:
    """Return the file with one list of property associations, in which alpha has its extent.

    Some writers give each item a list of its own, or alpha no extent. libavif rejects both, and
    browsers and libheif read them. The corrected description is appended, so no pixel moves.
    """
    try:
        place = _find(original, b"meta")
        meta = Head(original[place.content : place.end])
        boxes = list(boxes_in(meta, 4))
        inner = [box for kind, content in boxes if kind == b"iprp" for box in boxes_in(content, 0)]
        lists = [content for kind, content in inner if kind == b"ipma"]
        properties = read_properties(meta)
        additions = _missing_extents(properties)
        if len(lists) < 2 and not additions:
            return original
        items: dict[int, list[int]] = {}
        for each in lists:
            for item, indexes in associations_in(each):
                items.setdefault(item, []).extend(indexes)
    except (HeadTooShort, UnusableHeader):
        return original
    for item, index in additions.items():
        items[item].insert(0, index)
    others = b"".join(_render(*box) for box in inner if box.kind != b"ipma")
    corrected = _render(b"iprp", Head(others + _render_associations(items)))
    kept = b"".join(corrected if box.kind == b"iprp" else _render(*box) for box in boxes)
    appended = _render(b"meta", Head(meta.take(0, 4) + kept))
    head = original[: place.start + 4] + b"free"
    return b"".join((head, memoryview(original)[place.start + 8 :], appended))


def _missing_extents(properties: Properties) -> dict[int, int]:
    """Return the items of alpha without an extent, with the index of the primary item's."""
    kinds = [box.kind for box in properties.all]
    own = properties.by_item.get(properties.primary_item or 0, [])
    extent = next((at for at in own if 0 < at <= len(kinds) and kinds[at - 1] == b"ispe"), None)
    missing = {}
    for item, indexes in properties.by_item.items():
        boxes = [properties.all[at - 1] for at in indexes if 0 < at <= len(kinds)]
        is_alpha = any(box.kind == b"auxC" and _is_alpha(box) for box in boxes)
        if extent is not None and is_alpha and all(box.kind != b"ispe" for box in boxes):
            missing[item] = extent
    return missing


def _is_alpha(auxiliary: Box) -> bool:
    return auxiliary.content.data[4:].startswith(_ALPHA_URNS)


def _render(kind: bytes, content: Head) -> bytes:
    return struct.pack(">I4s", 8 + len(content.data), kind) + content.data


def _render_associations(items: dict[int, list[int]]) -> bytes:
    rows = [
        struct.pack(f">IB{len(indexes)}H", item, len(indexes), *indexes)
        for item, indexes in sorted(items.items())
    ]
    return _render(b"ipma", Head(struct.pack(">BxxBI", 1, 1, len(items)) + b"".join(rows)))


def _properties_of(original: bytes) -> Properties:
    place = _find(original, b"meta")
    return read_properties(Head(original[place.content : place.end]))


def _edits_of(original: bytes) -> tuple[Head | None, int]:
    """Return the edit list of the first track, and how long the track is with it."""
    place = _find(original, b"moov")
    movie = list(boxes_in(Head(original[place.content : place.end]), 0))
    track = dict(reversed(list(boxes_in(next(c for k, c in movie if k == b"trak"), 0))))
    header = track[b"tkhd"]
    length = header.big(28, 8) if header.big(0, 1) else header.big(20, 4)
    if b"edts" not in track:
        return None, length
    edits = dict(reversed(list(boxes_in(track[b"edts"], 0))))
    return edits.get(b"elst"), length


def _find(original: bytes, kind: bytes) -> _Place:
    for place in _outer_boxes(original):
        if place.kind == kind:
            if place.end - place.content > _META_BYTES_MAX:
                break
            return place
    raise UnusableHeader(f"the file has no {kind.decode('latin-1')} box")


def _outer_boxes(original: bytes) -> Iterator[_Place]:
    head, start = Head(original), 0
    for _ in range(_OUTER_BOXES_MAX):
        if start == len(original):
            return
        length, kind, content = head.big(start, 4), head.take(start + 4, 4), start + 8
        if length == 1:
            length = head.big(content, 8)
            content += 8
        end = start + length if length else len(original)
        if end < content or end > len(original):
            return
        yield _Place(kind, start, content, end)
        start = end
