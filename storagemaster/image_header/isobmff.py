"""Format and dimensions of AVIF and HEIC: nested boxes (ISO/IEC 23008-12).

`ftyp` names the brands. `meta` has the number of the primary item (`pitm`), a list of properties
(`iprp/ipco`), and the properties of each item (`iprp/ipma`). The `ispe` of the primary item is its
size, even if the item is a grid of tiles with an `ispe` each. `clap` (crop) and `irot` (quarter
turns) then apply in their order in the list; a reader must not ignore them.
"""

from collections.abc import Iterator
from typing import NamedTuple

from storagemaster.image_header.head import Head, HeadTooShort, UnusableHeader

# A photo from a phone has some 50 tiles and a few other boxes.
_BOXES_MAX = 1000
_ITEMS_MAX = 4096
# The standard allows one box for each combination of version and flags.
_ASSOCIATIONS_MAX = 4
_BRANDS_BYTES_MAX = 1024

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_ANY_CODEC_BRANDS = frozenset({b"mif1", b"msf1", b"mif2", b"miaf"})
_OTHERS = {
    b"crx ": "a camera raw file (CR3)",
    b"qt  ": "a QuickTime video",
}


class _Box(NamedTuple):
    kind: bytes
    content: Head


def is_isobmff(head: bytes) -> bool:
    """Return True if the bytes start like a file of the ISO BMFF family, videos included."""
    return head[4:8] == b"ftyp"


def read_isobmff(head: Head) -> tuple[str, int, int]:
    """Return the ext, width, and height of the primary image."""
    ext = _ext_of_brands(head)
    meta = _find_meta(head)
    try:
        properties, primary = _properties(meta)
        ext = ext or _ext_of_properties(properties)
        return ext, *_dimensions(ext, primary, properties)
    except HeadTooShort:
        # All of `meta` is here: more bytes of the upload do not help.
        raise UnusableHeader("the file has a box that is too short for its content") from None


def _ext_of_brands(head: Head) -> str | None:
    """Return the format of the first known brand, or None if the brands allow any codec."""
    end = head.big(0, 4)
    if not 16 <= end <= _BRANDS_BYTES_MAX:
        raise UnusableHeader("the file's list of brands has an impossible length")
    head.take(0, end)
    brands = [head.take(at, 4) for at in (8, *range(16, end - 3, 4))]
    if brands[0] in _OTHERS:
        raise UnusableHeader(f"the bytes look like {_OTHERS[brands[0]]}, which is not accepted")
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return "avif"
        if brand in _HEIC_BRANDS:
            return "heic"
    if _ANY_CODEC_BRANDS.isdisjoint(brands):
        raise UnusableHeader("the bytes look like a video (MP4), which is not accepted")
    return None


def _find_meta(head: Head) -> Head:
    """Return the content of the `meta` box, at any position among the outermost boxes."""
    start = 0
    for _ in range(_BOXES_MAX):
        kind, content, end = _box_header(head, start)
        if kind == b"meta":
            return Head(head.take(content, end - content))
        start = end
    raise UnusableHeader(f"the file has over {_BOXES_MAX} boxes before its description")


def _properties(meta: Head) -> tuple[list[_Box], list[_Box]]:
    """Return all properties and the properties of the primary item, each in their order."""
    item = None
    properties: list[_Box] = []
    associations: list[Head] = []
    for kind, content in _boxes_in(meta, 4):
        if kind == b"pitm":
            item = content.big(4, _item_number_bytes(content))
        elif kind == b"iprp":
            for inner_kind, inner in _boxes_in(content, 0):
                if inner_kind == b"ipco":
                    properties = list(_boxes_in(inner, 0))
                elif inner_kind == b"ipma":
                    associations.append(inner)
    indexes = [
        index for box in associations[:_ASSOCIATIONS_MAX] for index in _associated(box, item)
    ]
    return properties, [properties[at - 1] for at in indexes if 0 < at <= len(properties)]


def _associated(box: Head, item: int | None) -> Iterator[int]:
    """Yield the indexes, from 1, of an item's properties in one `ipma` box."""
    number_bytes = _item_number_bytes(box)
    index_bytes, index_mask = (2, 0x7FFF) if box.big(3, 1) & 1 else (1, 0x7F)
    at = 8
    for _ in range(min(box.big(4, 4), _ITEMS_MAX)):
        indexes = at + number_bytes + 1
        end = indexes + box.big(indexes - 1, 1) * index_bytes
        if box.big(at, number_bytes) == item:
            for index in range(indexes, end, index_bytes):
                yield box.big(index, index_bytes) & index_mask
            return
        at = end


def _item_number_bytes(box: Head) -> int:
    """Return the width of item numbers: two bytes in version 0 of a box, four in later ones."""
    return 4 if box.big(0, 1) else 2


def _ext_of_properties(properties: list[_Box]) -> str:
    kinds = {box.kind for box in properties}
    if b"av1C" in kinds:
        return "avif"
    if b"hvcC" in kinds:
        return "heic"
    raise UnusableHeader("the HEIF file holds neither an AVIF nor a HEIC image")


def _dimensions(ext: str, primary: list[_Box], properties: list[_Box]) -> tuple[int, int]:
    """Return the size of the primary item after crop and turns, or the largest size without one."""
    if not any(box.kind == b"ispe" for box in primary):
        return _largest(properties)
    width = height = 0
    for kind, content in primary:
        if kind == b"ispe":
            width, height = _extent(content)
        elif kind == b"irot" and content.big(0, 1) & 1:
            width, height = height, width
        # libheif crops. libavif, which Pillow uses for AVIF, leaves cropping to its caller.
        elif kind == b"clap" and ext == "heic":
            width, height = _crop(content, width, height)
    return width, height


def _largest(properties: list[_Box]) -> tuple[int, int]:
    extents = [_extent(content) for kind, content in properties if kind == b"ispe"]
    if not extents:
        raise UnusableHeader("the file does not say how large its image is")
    return max(extents, key=lambda extent: extent[0] * extent[1])


def _extent(content: Head) -> tuple[int, int]:
    return content.big(4, 4), content.big(8, 4)


def _crop(content: Head, width: int, height: int) -> tuple[int, int]:
    """Return the edges after the crop of a clean aperture. An invalid one does not crop."""
    wide, wide_parts, high, high_parts = (content.big(at, 4) for at in (0, 4, 8, 12))
    if not wide or not wide_parts or not high or not high_parts:
        return width, height
    return (
        min(width, max(1, round(wide / wide_parts))),
        min(height, max(1, round(high / high_parts))),
    )


def _boxes_in(content: Head, start: int) -> Iterator[_Box]:
    """Yield the boxes inside a box, from an offset to its end."""
    for _ in range(_BOXES_MAX):
        if start == len(content.data):
            return
        kind, inner, end = _box_header(content, start)
        yield _Box(kind, Head(content.take(inner, end - inner)))
        start = end
    raise UnusableHeader(f"the file has over {_BOXES_MAX} boxes in one box")


def _box_header(head: Head, start: int) -> tuple[bytes, int, int]:
    """Return the kind of a box, and the offsets of its content's start and end."""
    length = head.big(start, 4)
    kind = head.take(start + 4, 4)
    content = start + 8
    if length == 1:
        length = head.big(content, 8)
        content += 8
    if length == 0:
        # Length 0 means that the box extends to the end of the file: no `meta` box follows.
        raise UnusableHeader("the file ends without a description of a still image")
    if start + length < content:
        raise UnusableHeader("the file has a box of impossible length")
    return kind, content, start + length
