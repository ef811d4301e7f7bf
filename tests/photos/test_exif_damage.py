"""EXIF with each entry damaged in turn: the orientation is read for itself."""

import struct

import pytest
from PIL import Image

from imageworker.make_sizes import make_sizes
from imageworker.recipe import DEFAULT_RECIPE
from storagemaster.image_header.sniff import Sniffed, sniff
from tests.imageworker.photo_zoo import picture, save
from tests.imageworker.variants import document
from tests.photos.judge import LEVELS_MAX, by_libvips, by_worker, levels_apart

WIDTH, HEIGHT = 90, 60
ORIENTATION, EXIF, GPS, INTEROP, TIME = 0x0112, 0x8769, 0x8825, 0xA005, 0x9003
ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SIGNED_LONG = 2, 3, 4, 5, 7, 9
# Tag, type, and value; a directory is a list.
FIRST = [
    (0x010E, ASCII, b"a description\0"),
    (0x010F, ASCII, b"Maker of cameras\0"),
    (0x0110, ASCII, b"Model 1 of it\0"),
    (ORIENTATION, SHORT, 6),
    (0x011A, RATIONAL, struct.pack("<II", 72, 1)),
    (0x8298, ASCII, b"(c) Jan\0"),
    (
        EXIF,
        LONG,
        [
            (TIME, ASCII, b"2024:05:01 10:20:30\0"),
            (0x9286, UNDEFINED, b"a comment of many words"),
            (INTEROP, LONG, [(1, ASCII, b"R98\0")]),
        ],
    ),
    (GPS, LONG, [(1, ASCII, b"N\0"), (2, RATIONAL, struct.pack("<IIIIII", 1, 1, 2, 1, 3, 1))]),
]
DAMAGES = {
    "offset behind the end": (8, b"\xf0\xff\xff\xff"),
    "offset at the header": (8, bytes(4)),
    "offset at itself": (8, b"\x08\0\0\0"),
    "count of four thousand million": (4, b"\xff\xff\xff\xff"),
    "count of none": (4, bytes(4)),
    "type 0": (2, b"\0\0"),
    "type 99": (2, b"\x63\0"),
    "signed type": (2, b"\x09\0"),
    "another tag": (0, b"\xff\xff"),
    "all ones": (0, b"\xff" * 12),
    "all zeros": (0, bytes(12)),
}


def render(directory, at):
    """Return a directory's bytes with all that it points to, and where its entries are."""
    behind = at + 2 + 12 * len(directory) + 4
    entries, values, places = b"", b"", []
    for number, (tag, kind, value) in enumerate(directory):
        places.append((tag, at + 2 + 12 * number))
        count = 1
        if isinstance(value, list):
            inner, inner_places = render(value, behind + len(values))
            places += inner_places
            place, values = struct.pack("<I", behind + len(values)), values + inner
        elif isinstance(value, int):
            place = struct.pack("<I", value)
        else:
            count = len(value) // {ASCII: 1, UNDEFINED: 1, RATIONAL: 8}[kind]
            place = value.ljust(4, b"\0")
            if len(value) > 4:
                place = struct.pack("<I", behind + len(values))
                values += value + b"\0" * (len(value) % 2)
        entries += struct.pack("<HHI", tag, kind, count) + place
    return struct.pack("<H", len(directory)) + entries + bytes(4) + values, places


BLOCK, PLACES = render(FIRST, 8)
BLOCK = b"II*\0\x08\0\0\0" + BLOCK


def photo(block, pillow_name="JPEG"):
    """Return a photo with this EXIF."""
    return save(picture(WIDTH, HEIGHT), pillow_name, quality=95, exif=b"Exif\0\0" + block)


def is_turned(data, ext):
    """Return True if both readers turn the photo, False if neither does."""
    shown = by_worker(data)
    on_its_side = shown.shape[:2] == (WIDTH, HEIGHT)
    assert sniff(data) == Sniffed(
        ext=ext, width=shown.shape[1], height=shown.shape[0], is_on_its_side=on_its_side
    )
    return on_its_side


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    ("pillow_name", "ext"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")]
)
def test_each_damaged_entry_costs_itself_alone(damage, pillow_name, ext):
    """In every directory, before the orientation and behind it."""
    at, with_bytes = DAMAGES[damage]
    for tag, place in PLACES:
        block = BLOCK[: place + at] + with_bytes + BLOCK[place + at + len(with_bytes) :]
        data = photo(block, pillow_name)
        if tag == ORIENTATION:
            assert make_sizes(data, recipe=DEFAULT_RECIPE).info
            continue
        assert is_turned(data, ext), f"tag {tag:#x}"
        info = document(make_sizes(data, recipe=DEFAULT_RECIPE))
        if tag not in {0x010F, 0x0110}:
            assert info["camera"] == "Maker of cameras Model 1 of it"
        if tag not in {EXIF, TIME}:
            assert info["captured"] == "2024-05-01T10:20:30"
        if tag != 0x8298:
            assert info["credit"]["copyright"] == "(c) Jan"


def test_libvips_agrees_on_the_sound_block():
    """The specimens begin with a block that is right."""
    data = photo(BLOCK)
    assert is_turned(data, "jpg")
    assert levels_apart(by_worker(data), by_libvips(data)) <= LEVELS_MAX


@pytest.mark.parametrize("cut", range(0, len(BLOCK), 7))
def test_a_block_cut_anywhere_keeps_what_is_there(cut):
    """The orientation counts once its entry is complete."""
    (place,) = (place for tag, place in PLACES if tag == ORIENTATION)
    assert is_turned(photo(BLOCK[:cut]), "jpg") is (cut >= place + 12)


@pytest.mark.parametrize(
    ("kind", "value", "turned"),
    [
        (SHORT, 6, True),
        (LONG, 6, True),
        (1, 6, True),
        (SIGNED_LONG, 6, True),
        (SHORT, 0, False),
        (SHORT, 9, False),
        (SHORT, 0xFFFF, False),
        (ASCII, 0x36, False),
    ],
)
def test_an_orientation_is_a_number_from_1_to_8(kind, value, turned):
    """Of any type of whole number; what is none of them does not count."""
    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, ORIENTATION, kind, 1, value, 0)
    assert is_turned(photo(block), "jpg") is turned


@pytest.mark.parametrize("block", [b"", b"II", b"XX*\0\x08\0\0\0", b"II*\0\xff\xff\xff\xff"])
def test_no_block_turns_nothing(block):
    """Bytes without a valid start cost only themselves."""
    assert not is_turned(photo(block), "jpg")


@pytest.mark.parametrize(
    ("pillow_name", "ext"), [("JPEG", "jpg"), ("WEBP", "webp"), ("TIFF", "tif")]
)
def test_xmp_does_not_turn_a_photo(pillow_name, ext):
    """Browsers and libvips look at EXIF only."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>'
    settings = {"tiffinfo": {700: xmp}} if ext == "tif" else {"xmp": xmp}
    data = save(picture(WIDTH, HEIGHT), pillow_name, **settings)
    assert b"tiff:Orientation" in data
    assert not is_turned(data, ext)
    assert levels_apart(by_worker(data), by_libvips(data)) <= LEVELS_MAX


def test_a_broken_iptc_block_costs_no_exif():
    """Both have the credit; the one that can be read counts."""
    exif = Image.Exif()
    exif[0x8298] = "(c) Jan"
    plain = save(picture(WIDTH, HEIGHT), "JPEG", exif=exif.tobytes())
    for content in (b"\x1c\2\x74\xff\xff", b"\x1c\2\x74\x80\x7f\xff\xff\xff\xff", b"\x1c" * 9):
        resource = b"8BIM\4\4\0\0" + struct.pack(">I", len(content)) + content
        segment = b"Photoshop 3.0\0" + resource
        data = plain[:2] + b"\xff\xed" + struct.pack(">H", 2 + len(segment)) + segment + plain[2:]
        info = document(make_sizes(data, recipe=DEFAULT_RECIPE))
        assert info["credit"]["copyright"] == "(c) Jan"
