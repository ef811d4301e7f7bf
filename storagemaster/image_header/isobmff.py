"""Format and dimensions of AVIF and HEIC: nested boxes (ISO/IEC 23008-12).

`ftyp` names the brands. `meta` has the number of the primary item (`pitm`), a list of properties
(`iprp/ipco`), and the properties of each item (`iprp/ipma`). The `ispe` of the primary item is its
size, even if the item is a grid of tiles with an `ispe` each. `clap` (crop) and `irot` (quarter
turns) then apply in their order in the list; a reader must not ignore them.
"""

from storagemaster.image_header.boxes import BOXES_MAX, Box, box_end, read_properties
from storagemaster.image_header.exif import UPRIGHT
from storagemaster.image_header.head import (
    Head,
    HeadTooShort,
    Known,
    Reading,
    Span,
    UnusableHeader,
    number,
)

_BRANDS_BYTES_MAX = 1024

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_ANY_CODEC_BRANDS = frozenset({b"mif1", b"msf1", b"mif2", b"mif3", b"miaf"})
_OTHERS = {
    b"crx ": "a camera raw file (CR3)",
    b"qt  ": "a QuickTime video",
}


def is_isobmff(head: bytes) -> bool:
    """Return True if these are the first bytes of a file of the family, videos included."""
    return head[4:8] == b"ftyp"


def read_isobmff() -> Reading[int]:
    """Read the brands and the primary image's properties.

    The orientation is always upright: the turns of the container are part of the dimensions, and
    readers ignore the EXIF beside them.
    """
    length = yield from number(0, 4)
    ext = yield from _read_brands(length)
    if ext is not None:
        yield Known(ext)
    meta = yield from _read_meta(length)
    try:
        properties = read_properties(meta)
        ext = ext or _ext_of_properties(properties.all)
        width, height = _dimensions(properties.primary, properties.all)
    except HeadTooShort:
        # The whole of meta is here, so the missing bytes are not on their way.
        raise UnusableHeader("the file has a box that is too short for its content") from None
    yield Known(ext, width, height)
    return UPRIGHT


def _read_brands(end: int) -> Reading[str | None]:
    """Return the format that the brands name, or None where any codec may follow."""
    if not 16 <= end <= _BRANDS_BYTES_MAX:
        raise UnusableHeader("the file's list of brands has an impossible length")
    box = yield Span(8, end - 8)
    brands = [box[at : at + 4] for at in (0, *range(8, len(box) - 3, 4))]
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


def _read_meta(start: int) -> Reading[Head]:
    """Return the content of the meta box, wherever it is among the outermost boxes."""
    for _ in range(BOXES_MAX):
        header = yield Span(start, 8)
        length, kind, content = int.from_bytes(header[:4], "big"), header[4:], start + 8
        if length == 1:
            length = yield from number(content, 8)
            content += 8
        end = box_end(start, content, length)
        if kind == b"meta":
            return Head((yield Span(content, end - content)))
        if kind == b"mini":
            raise UnusableHeader(
                "the file is a HEIF with a minimized header (a mini box), which is not accepted; "
                "save it without the minimized header, or as JPEG"
            )
        start = end
    raise UnusableHeader(f"the file has over {BOXES_MAX} boxes before its description")


def _ext_of_properties(properties: list[Box]) -> str:
    kinds = {box.kind for box in properties}
    if b"av1C" in kinds:
        return "avif"
    if b"hvcC" in kinds:
        return "heic"
    raise UnusableHeader("the HEIF file holds neither an AVIF nor a HEIC image")


def _dimensions(primary: list[Box], properties: list[Box]) -> tuple[int, int]:
    """Return the size of the primary item after crop and turns, or the largest size without one."""
    extents = [_extent(content) for kind, content in primary if kind == b"ispe"]
    # An extent is that of the stored image, wherever it is in the list.
    width, height = extents[0] if extents else _largest(properties)
    for kind, content in primary:
        if kind == b"irot" and content.big(0, 1) & 1:
            width, height = height, width
        elif kind == b"clap":
            width, height = _crop(content, width, height)
    return width, height


def _largest(properties: list[Box]) -> tuple[int, int]:
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
