"""Sniffing of AVIF and HEIC: brands, properties of the primary item, and invalid boxes."""

import base64
import random
import struct

import pytest

from storagemaster.image_header.sniff import HeaderReader, NotAPhoto, Sniffed, sniff

SEED = 1_048_589

# What libheif wrote for 301 x 203 pixels: coded as 302 x 204, and cropped by a clean aperture.
HEAD_BY_LIBHEIF = base64.b64decode(
    "AAAAGGZ0eXBoZWljAAAAAG1pZjFoZWljAAABgG1ldGEAAAAAAAAAIWhkbHIAAAAAAAAAAHBpY3QAAAAAAAAAAAAA"
    "AAAAAAAAImlsb2MAAAAAREAAAQABAAAAAAGgAAEAAAAAAAAAYwAAACNpaW5mAAAAAAABAAAAFWluZmUCAAAAAAEA"
    "AGh2YzEAAAAADnBpdG0AAAAAAAEAAAEAaXBycAAAAOBpcGNvAAAAeWh2Y0MBA3AAAACQAAAAAAA88AD8/fj4AAAP"
    "A2AAAQAYQAEMAf//A3AAAAMAkAAAAwAAAwA8ugJAYQABACxCAQEDcAAAAwCQAAADAAADADygCYgNHV5bqSSmubgI"
    "aDAgAAADAyAAAAMAIWIAAQAHRAHBcrBiQAAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAAEuAAAAzAAA"
    "AChjbGFwAAABLQAAAAEAAADLAAAAAf////8AAAAC/////wAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAA"
    "AAAAAQABBYECAwWE"
)


def box(kind, content=b""):
    """Return a box of a kind."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def ftyp(*brands):
    """Return the list of brands, the major one first."""
    return box(b"ftyp", brands[0] + bytes(4) + b"".join(brands))


def ispe(width, height):
    """Return the property with the size of an item."""
    return box(b"ispe", struct.pack(">III", 0, width, height))


def irot(quarter_turns):
    """Return the property that turns an item."""
    return box(b"irot", bytes([quarter_turns]))


def clap(width, height, parts=1):
    """Return the property that crops an item around its center."""
    return box(b"clap", struct.pack(">8I", width, parts, height, parts, 0, 1, 0, 1))


def pitm(item):
    """Return the box that names the primary item."""
    return box(b"pitm", struct.pack(">IH", 0, item))


def ipma(items):
    """Return the box that associates properties, counted from 1, with items."""
    rows = [struct.pack(">HB", item, len(own)) + bytes(own) for item, own in items.items()]
    return box(b"ipma", struct.pack(">II", 0, len(items)) + b"".join(rows))


def wide_ipma(items):
    """Return the same box with item numbers of four bytes and property numbers of two."""
    rows = [
        struct.pack(">IB", item, len(own)) + b"".join(struct.pack(">H", 0x8000 | at) for at in own)
        for item, own in items.items()
    ]
    return box(b"ipma", b"\1\0\0\1" + struct.pack(">I", len(items)) + b"".join(rows))


def meta(properties, items, *, primary=1, association=ipma):
    """Return the box that describes a still image."""
    ipco = box(b"ipco", b"".join(properties))
    return box(b"meta", bytes(4) + pitm(primary) + box(b"iprp", ipco + association({**items})))


def measured(properties, items, **options):
    """Return the dimensions of a HEIC file with these properties."""
    found = sniff(ftyp(b"heic", b"mif1") + meta(properties, items, **options))
    assert isinstance(found, Sniffed), found
    return found.width, found.height


def refused(data):
    """Return the reason for the refusal of a complete file."""
    found = sniff(data)
    assert isinstance(found, NotAPhoto), found
    return found.reason


def test_heic_by_libheif_is_measured_after_its_crop():
    """The clean aperture of a real file removes the pixel that the codec added to each edge."""
    assert sniff(HEAD_BY_LIBHEIF) == Sniffed(ext="heic", width=301, height=203)


def test_a_grid_has_its_own_size_and_not_that_of_its_tiles():
    """The primary item of a photo from a phone is a grid of tiles."""
    properties = [ispe(512, 512), ispe(4032, 3024)]
    assert measured(properties, {1: [1], 2: [1], 50: [2]}, primary=50) == (4032, 3024)


@pytest.mark.parametrize(("quarter_turns", "size"), [(0, (40, 30)), (1, (30, 40)), (3, (30, 40))])
def test_quarter_turns_swap_the_edges(quarter_turns, size):
    """An odd number of quarter turns makes a wide picture tall."""
    assert measured([ispe(40, 30), irot(quarter_turns)], {1: [1, 2]}) == size


def test_crop_applies_before_or_after_the_turn_as_listed():
    """Transformations are an ordered list."""
    properties = [ispe(40, 30), irot(1), clap(20, 10)]
    assert measured(properties, {1: [1, 3, 2]}) == (10, 20)
    assert measured(properties, {1: [1, 2, 3]}) == (20, 10)


def test_an_invalid_crop_is_ignored():
    """A denominator of zero does not crop, and a crop never enlarges."""
    assert measured([ispe(40, 30), clap(20, 10, parts=0)], {1: [1, 2]}) == (40, 30)
    assert measured([ispe(40, 30), clap(9999, 10)], {1: [1, 2]}) == (40, 10)


@pytest.mark.parametrize("order", [[1, 2, 3], [2, 3, 1], [2, 1, 3]])
def test_the_extent_can_be_anywhere_in_the_list(order):
    """It is the extent of the stored image, and is not affected by the order."""
    assert measured([ispe(40, 30), clap(20, 10), irot(1)], {1: order}) == (10, 20)


def test_avif_is_cropped():
    """The worker crops what libavif leaves to its caller."""
    data = ftyp(b"avif") + meta([ispe(40, 30), clap(20, 10)], {1: [1, 2]})
    assert sniff(data) == Sniffed(ext="avif", width=20, height=10)


def test_wide_numbers_are_read():
    """Files with many items use four bytes for items and two for properties."""
    properties = [box(b"free")] * 130 + [ispe(40, 30)]
    assert measured(properties, {7: [1], 1: [131]}, association=wide_ipma) == (40, 30)


@pytest.mark.parametrize("items", [{}, {2: [1]}, {1: []}, {1: [99]}])
def test_the_largest_size_replaces_an_unknown_primary_item(items):
    """The primary item has no size of its own."""
    assert measured([ispe(8, 8), ispe(40, 30), ispe(16, 16)], items) == (40, 30)


@pytest.mark.parametrize(
    ("brands", "ext"),
    [
        ((b"avif",), "avif"),
        ((b"avis", b"avif", b"msf1"), "avif"),
        ((b"mif1", b"miaf", b"avif"), "avif"),
        ((b"heix", b"mif1"), "heic"),
        ((b"mif1", b"heic"), "heic"),
        ((b"msf1", b"hevc"), "heic"),
    ],
)
def test_brands_name_the_format(brands, ext):
    """The major brand decides. If it allows any codec, the compatible brands decide."""
    found = sniff(ftyp(*brands) + meta([ispe(40, 30)], {1: [1]}))
    assert found == Sniffed(ext=ext, width=40, height=30)


@pytest.mark.parametrize(("kind", "ext"), [(b"av1C", "avif"), (b"hvcC", "heic")])
def test_the_codec_decides_if_the_brands_do_not(kind, ext):
    """The brand allows any codec, and a property has the decoder settings."""
    found = sniff(ftyp(b"mif1") + meta([ispe(40, 30), box(kind, b"\x81")], {1: [1, 2]}))
    assert found == Sniffed(ext=ext, width=40, height=30)


@pytest.mark.parametrize(
    ("brand", "words"),
    [(b"isom", "video (MP4)"), (b"qt  ", "QuickTime"), (b"crx ", "camera raw file (CR3)")],
)
def test_videos_and_raw_files_of_the_family_are_refused_by_name(brand, words):
    """The reason names the format."""
    assert words in refused(ftyp(brand) + box(b"moov", bytes(50)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (ftyp(b"mif1") + meta([ispe(4, 3), box(b"jpgC")], {1: [1]}), "neither an AVIF nor"),
        (ftyp(b"heic") + meta([], {}), "how large"),
        (ftyp(b"heic") + meta([ispe(0, 3)], {1: [1]}), "not a picture"),
        (ftyp(b"heic") + box(b"meta", bytes(4) + box(b"pitm")), "too short"),
        (ftyp(b"heic") + box(b"meta", bytes(4) + b"\0\0\xff\xffpitm"), "too short"),
        (ftyp(b"heic") + b"\0\0\0\2meta", "impossible length"),
        (ftyp(b"heic") + b"\0\0\0\0mdat", "ends without"),
        (ftyp(b"heic") + box(b"free") * 1001, "over 1000 boxes"),
        (ftyp(b"heic") + box(b"meta", bytes(4) + box(b"free") * 1001), "over 1000 boxes"),
        (ftyp(b"heic")[:20], "ends inside its header"),
        (b"\0\0\0\x08ftypheic", "list of brands"),
        (b"\xff\xff\xff\xffftypheic", "list of brands"),
    ],
)
def test_invalid_boxes_are_refused_with_a_reason(data, words):
    """The reason names the fault of the box."""
    assert words in refused(data)


def test_a_description_after_the_pixels_needs_more_bytes():
    """A box length of eight bytes skips the pixels."""
    pixels = struct.pack(">I4sQ", 1, b"mdat", 16 + 90_000) + bytes(90_000)
    description = meta([ispe(40, 30)], {1: [1]})
    data = ftyp(b"heic") + pixels + description
    reader = HeaderReader()
    for at in range(0, len(data), 1000):
        reader.feed(data[at : at + 1000])
        assert len(reader._window) < 1200
    assert reader.finish() == sniff(data) == Sniffed(ext="heic", width=40, height=30)


@pytest.mark.parametrize("brand", [b"heic", b"avif"])
@pytest.mark.parametrize("count", [4, 12, 13, 60])
def test_a_brand_counts_wherever_it_is(brand, count):
    """Readers go through the whole list."""
    data = ftyp(b"mif1", *[b"xxxx"] * count, brand) + meta([ispe(40, 30)], {1: [1]})
    assert sniff(data) == Sniffed(ext=brand.decode(), width=40, height=30)


def test_a_minimized_header_is_refused_by_name():
    """It is a still image, and not a video."""
    data = struct.pack(">I4s4s4s", 16, b"ftyp", b"mif3", b"avif") + box(b"mini", bytes(40))
    assert "mini box" in refused(data)


def test_damaged_boxes_never_raise():
    """Every byte of a real head is replaced in turn."""
    rng = random.Random(SEED)
    for at in range(len(HEAD_BY_LIBHEIF)):
        for value in (0, 1, 0x7F, 0xFF, rng.randrange(256)):
            damaged = bytearray(HEAD_BY_LIBHEIF)
            damaged[at] = value
            found = sniff(bytes(damaged))
            assert isinstance(found, Sniffed | NotAPhoto), f"byte {at} as {value}, seed {SEED}"
