"""Sniffing of the first bytes of uploads, compared with Pillow and tested with damaged files."""

import io
import random
import struct
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from storagemaster.image_header.sniff import (
    SPAN_BYTES_MAX,
    HeaderReader,
    NotAPhoto,
    Sniffed,
    sniff,
)

SEED = 1_048_583
SIZES = [(1, 1), (301, 203), (17, 1900), (2600, 33)]
PREFIXES = [
    b"",
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"RIFF\0\0\0\0WEBPVP8X",
    b"RIFF\0\0\0\0WEBPVP8L",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf\0\0\0\x40meta\0\0\0\0",
    b"<?xml",
]


def encode(file_format, size=(301, 203), mode="RGB", **options):
    """Return a gradient as Pillow writes it."""
    image = Image.linear_gradient("L").convert(mode).resize(size)
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def orientation(value):
    """Return EXIF with an orientation."""
    tags = Image.Exif()
    tags[0x0112] = value
    return tags


def real_files():
    """Return a file of every format and kind that Pillow writes, by name."""
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "green", "blue")]
    animated = {"save_all": True, "append_images": frames, "duration": 50}
    return {
        "jpg": encode("JPEG"),
        "jpg progressive": encode("JPEG", progressive=True),
        "jpg gray": encode("JPEG", mode="L"),
        "jpg cmyk": encode("JPEG", mode="CMYK"),
        "jpg turned": encode("JPEG", exif=orientation(6)),
        "jpg many pictures": encode("MPO", save_all=True, append_images=frames),
        "png": encode("PNG"),
        "png palette": encode("PNG", mode="P"),
        "png animated": encode("PNG", size=(40, 30), **animated),
        "gif": encode("GIF", mode="P"),
        "gif animated": encode("GIF", size=(40, 30), mode="P", **animated),
        "webp lossy": encode("WEBP"),
        "webp lossless": encode("WEBP", lossless=True),
        "webp alpha": encode("WEBP", mode="RGBA"),
        "webp turned": encode("WEBP", exif=orientation(6)),
        "webp animated": encode("WEBP", size=(40, 30), **animated),
        "avif": encode("AVIF"),
        "avif alpha": encode("AVIF", mode="RGBA"),
        "avif animated": encode("AVIF", size=(40, 30), **animated),
        "tif": encode("TIFF"),
        "tif packed": encode("TIFF", compression="tiff_lzw", size=(60, 40)),
        "tif big-endian": encode("TIFF", mode="I;16B"),
    }


REAL_FILES = real_files()


def refusal_of(data):
    """Return the reason why a file is refused."""
    found = sniff(data)
    assert isinstance(found, NotAPhoto), found
    return found.reason


def outcome_in_steps(data, step):
    """Return the result for a file that arrives in steps, and the most bytes that were held."""
    reader, held = HeaderReader(), 0
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
        held = max(held, len(reader._window))
    return reader.finish(), held


@pytest.mark.parametrize("name", REAL_FILES)
def test_dimensions_equal_pillows(name):
    """Real files of every kind have the format and dimensions that Pillow finds."""
    with Image.open(io.BytesIO(REAL_FILES[name])) as image:
        turned = name.endswith("turned")
        edges = sorted(image.size) if turned else image.size
        expected = Sniffed(
            ext=name.split()[0], width=edges[0], height=edges[1], is_on_its_side=turned
        )
        assert sniff(REAL_FILES[name]) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ext", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF"])
def test_extreme_dimensions_are_measured(ext, size):
    """One pixel, tall, and wide pictures keep their dimensions."""
    found = sniff(encode(ext, size=size))
    assert isinstance(found, Sniffed)
    assert (found.width, found.height) == size


def test_webp_of_the_largest_edge_is_measured():
    """All fourteen bits of an edge count, in lossy and in lossless files."""
    for lossless in (False, True):
        found = sniff(encode("WEBP", size=(16383, 2), lossless=lossless))
        assert found == Sniffed(ext="webp", width=16383, height=2)


@pytest.mark.parametrize("value", range(10))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_dimensions_are_as_displayed(file_format, value):
    """EXIF, or in AVIF the container, exchanges width and height by orientations 5 to 8."""
    found = sniff(encode(file_format, exif=orientation(value).tobytes()))
    assert isinstance(found, Sniffed)
    is_turned = value in {5, 6, 7, 8}
    assert (found.width, found.height) == ((203, 301) if is_turned else (301, 203))


def test_exif_behind_the_pixels_of_a_png_is_read():
    """The stored dimensions are known at once, and the displayed ones at the end."""
    plain, turned = encode("PNG"), encode("PNG", exif=orientation(6))
    at = turned.index(b"eXIf") - 4
    chunk = turned[at : at + 12 + int.from_bytes(turned[at : at + 4], "big")]
    reader = HeaderReader()
    reader.feed(plain[:100])
    assert (reader.result, reader.stored) == (None, Sniffed(ext="png", width=301, height=203))
    reader.feed(plain[100:-12] + chunk + plain[-12:])
    assert reader.finish() == Sniffed(ext="png", width=203, height=301, is_on_its_side=True)
    damaged = chunk[:-1] + bytes([chunk[-1] ^ 1])
    assert sniff(plain[:-12] + damaged + plain[-12:]) == Sniffed(ext="png", width=301, height=203)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            encode("JPEG", exif=b"Exif\0\0" + bytes(60_000), icc_profile=bytes(4_000_000)),
            id="JPEG behind 4 MB of segments",
        ),
        pytest.param(encode("TIFF", size=(1500, 1000)), id="TIFF"),
        pytest.param(encode("PNG", size=(1500, 1000), compress_level=0), id="PNG"),
    ],
)
def test_a_header_of_any_extent_takes_bounded_memory(data):
    """The reader drops the bytes that it skips."""
    found, held = outcome_in_steps(data, 4096)
    assert found == sniff(data)
    assert isinstance(found, Sniffed)
    assert len(data) > 2_000_000
    assert held < 70_000


def test_a_part_of_the_header_over_the_limit_is_refused():
    """The memory that one upload takes has a limit."""
    length = struct.pack(">I", SPAN_BYTES_MAX + 9)
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + length + b"meta"
    assert "over 2,097,152 bytes" in refusal_of(data)


def test_fill_bytes_and_junk_between_jpeg_segments_are_skipped():
    """Pillow reads such files as well."""
    plain = REAL_FILES["jpg"]
    padded = plain[:2] + b"\xff" * 40 + b"\xff\0junk" + plain[2:]
    assert sniff(padded) == Sniffed(ext="jpg", width=301, height=203)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xd8\xff\xe0\0\1", "impossible length"),
        (b"\xff\xd8\xff\xda\0\x08", "no frame header"),
        (b"\xff\xd8" + b"\xff\xd0" * 2000, "over 1000 segments"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI" + bytes(8), "header chunk"),
        (b"RIFF\0\0\0\0WEBPALPH" + bytes(20), "chunk of an image"),
        (b"RIFF\0\0\0\0WEBPVP8 " + bytes(20), "not a key frame"),
        (b"RIFF\0\0\0\0WEBPVP8L" + bytes(20), "signature"),
        (b"II*\0\x04\0\0\0\0\0", "no directory"),
        (b"II*\0\x08\0\0\0\xff\xff", "over 4096 entries"),
        (b"II*\0\x08\0\0\0\0\0", "no width and height"),
        (b"II*\0\x10\0\0\0CR\2\0", "CR2"),
    ],
)
def test_a_broken_header_is_refused_with_a_reason(data, words):
    """The reason names the fault of the header."""
    assert words in refusal_of(data)


@pytest.mark.parametrize(
    ("ext", "offset", "zeros"), [("jpg", None, 2), ("png", 16, 4), ("tif", 18, 4)]
)
def test_a_zero_dimension_is_refused(ext, offset, zeros):
    """A picture has a width and a height."""
    data = bytearray(REAL_FILES[ext])
    offset = data.index(b"\xff\xc0\0\x11") + 5 if offset is None else offset
    data[offset : offset + zeros] = bytes(zeros)
    assert "not a picture" in refusal_of(bytes(data))


def tiff(*entries, offset=8, order="<"):
    """Return a TIFF with one directory; an entry is a tag, its kind, and its value."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    pack = {3: f"{order}HHIHxx", 4: f"{order}HHII"}
    body = b"".join(struct.pack(pack[kind], tag, kind, 1, value) for tag, kind, value in entries)
    head = mark + struct.pack(f"{order}I", offset)
    return head + bytes(offset - 8) + struct.pack(f"{order}H", len(entries)) + body + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
def test_tiff_of_either_byte_order_and_number_type_is_measured(order, kind):
    """Edges are short or long numbers, little-endian or big-endian."""
    data = tiff((256, kind, 640), (257, kind, 480), order=order)
    assert sniff(data) == Sniffed(ext="tif", width=640, height=480)


@pytest.mark.parametrize("offset", [8, 9, 10, 100_000, 5_000_000])
def test_a_tiff_directory_can_be_anywhere(offset):
    """Most programs write it behind the pixels, as libtiff does."""
    data = tiff((256, 3, 640), (257, 3, 480), (274, 3, 6), offset=offset)
    found, held = outcome_in_steps(data, 1000)
    assert found == sniff(data) == Sniffed(ext="tif", width=480, height=640, is_on_its_side=True)
    assert held <= 1100


@pytest.mark.parametrize(
    ("tag", "words"), [((50706, 4, 1), "DNG"), ((254, 4, 1), "begins with a preview")]
)
def test_camera_raw_file_is_refused(tag, words):
    """A raw file is a TIFF whose first image is a thumbnail."""
    assert words in refusal_of(tiff((256, 3, 640), (257, 3, 480), tag))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the upload is empty"),
        (bytes(600), "all zero"),
        (b"%PDF-1.7\n", "look like PDF"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "look like SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -->\n<svg width="1">', "look like SVG"),
        (b"\n<!DOCTYPE html><html></html>", "look like HTML"),
        (b"<?xml version='1.0'?><feed/>", "look like XML"),
        (b"BM" + bytes(60), "look like BMP"),
        (b"II+\0" + bytes(60), "look like BigTIFF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "look like JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "look like JPEG 2000"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"RIFF\0\0\0\0WAVEfmt ", "sound or video"),
        (b"PK\3\4" + bytes(30), "a ZIP archive"),
        (b"\x1f\x8b\x08" + bytes(30), "look like gzip"),
        (b"/9j/4AAQSkZJRg", "base64"),
        (b"data:image/png;base64,iVBORw0KGgo", "base64"),
        (b"--x1\r\nContent-Disposition: form-data\r\n", "multipart form"),
        (b'{"error": "not found"}', "look like text"),
        (("x" * 511 + "\u00e9").encode(), "look like text"),
        (b"\xff" * 600, "begin like no photo"),
        (b"GIF80a" + bytes(30), "begin like no photo"),
        (b"\xff\xd8\xfe" + bytes(30), "begin like no photo"),
        (zlib.compress(bytes(99)), "begin like no photo"),
    ],
)
def test_bytes_of_another_kind_are_refused_by_name(data, words):
    """The reason names the format that the bytes look like."""
    reason = refusal_of(data)
    assert words in reason
    assert reason[0].islower()
    assert not reason.endswith(".")


@pytest.mark.parametrize("name", REAL_FILES)
def test_the_result_does_not_depend_on_how_the_bytes_arrive(name):
    """One byte at a time gives the same result as all bytes at once."""
    data = REAL_FILES[name]
    assert outcome_in_steps(data, 1)[0] == outcome_in_steps(data, 997)[0] == sniff(data)


@pytest.mark.parametrize(
    ("ext", "bytes_kept"),
    [("jpg", 3), ("jpg", 30), ("png", 23), ("gif", 9), ("webp", 29), ("avif", 40), ("tif", 20)],
)
def test_a_truncated_header_has_its_own_reason(ext, bytes_kept):
    """It is not reported as an unknown format."""
    found = sniff(REAL_FILES.get(ext, REAL_FILES.get(f"{ext} lossy"))[:bytes_kept])
    assert found == NotAPhoto("the file ends inside its header")


@pytest.mark.parametrize("name", REAL_FILES)
def test_a_truncated_file_has_the_right_dimensions_or_none(name):
    """No truncation gives a wrong result."""
    data = REAL_FILES[name]
    whole = sniff(data)
    for cut in range(min(len(data), 700)):
        found = sniff(data[:cut])
        # The orientation may have been cut off.
        width, height = whole.stored_dimensions
        stored = Sniffed(ext=whole.ext, width=width, height=height)
        assert found in {whole, stored} or isinstance(found, NotAPhoto)


@pytest.mark.parametrize("name", REAL_FILES)
def test_a_damaged_file_never_raises(name):
    """Bytes are changed, duplicated, and removed."""
    rng = random.Random(f"{SEED} {name}")
    head = REAL_FILES[name][:1500]
    for round_number in range(150):
        damaged = bytearray(head)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(damaged))
            damaged[at : at + rng.choice((0, 1, 1, 1, 4))] = rng.choice(
                (b"", b"\0", b"\xff", b"\xff\xff\xff\xff", rng.randbytes(1), bytes(4))
            )
        found = sniff(bytes(damaged))
        assert isinstance(found, Sniffed | NotAPhoto), f"seed {SEED}, round {round_number}"
        if isinstance(found, Sniffed):
            assert found.width > 0
            assert found.height > 0


@settings(max_examples=300)
@given(prefix=st.sampled_from(PREFIXES), rest=st.binary(max_size=400), step=st.integers(1, 50))
def test_no_bytes_raise_and_no_result_changes(prefix, rest, step):
    """A result is the same for any chunks, and more bytes do not change it."""
    data = prefix + rest
    whole = HeaderReader()
    whole.feed(data)
    early = whole.result
    assert outcome_in_steps(data, step)[0] == sniff(data) == whole.finish()
    assert early is None or sniff(data + b"more") == early


@pytest.mark.parametrize("byte", [b"\xff", b"\0", b"\xff\xd0", b"\xff\0", b"\1\0"])
def test_a_file_of_one_byte_takes_bounded_steps(byte):
    """A small unit that repeats is not read to the end of a large file."""
    for prefix in PREFIXES:
        started = time.process_time()
        sniff((prefix + byte * 8_000_000)[:8_000_000])
        assert time.process_time() - started < 2


def test_a_gif_has_the_size_of_its_screen_and_its_first_frame():
    """Browsers enlarge the screen to the first frame, also a screen of 0 x 0."""
    plain = encode("GIF", size=(40, 30), mode="P")
    for screen, size in (((0, 0), (40, 30)), ((50, 10), (50, 30)), ((90, 80), (90, 80))):
        data = plain[:6] + struct.pack("<HH", *screen) + plain[10:]
        assert sniff(data) == Sniffed(ext="gif", width=size[0], height=size[1])


def entry(tag, kind, count, value):
    """Return an EXIF entry."""
    return struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")


@pytest.mark.parametrize(
    "neighbor",
    [
        entry(0x010F, 2, 100, struct.pack("<I", 0xFFFFFF00)),
        entry(0x010E, 2, 0xFFFFFFFF, struct.pack("<I", 8)),
        entry(0x8769, 9, 1, struct.pack("<i", -5)),
        entry(0x8769, 4, 1, struct.pack("<I", 8)),
        entry(0x010F, 99, 1, b""),
        entry(0x010F, 0, 0, b""),
        entry(0x0112, 2, 4, b"six"),
        b"\xff" * 12,
        bytes(12),
    ],
)
@pytest.mark.parametrize("comes_first", [True, False])
def test_orientation_is_read_beside_any_damage(neighbor, comes_first):
    """An entry that is damaged costs no other."""
    sound = entry(0x0112, 3, 1, struct.pack("<H", 6))
    rows = [neighbor, sound] if comes_first else [sound, neighbor]
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 5) + b"".join(rows)
    found = sniff(encode("JPEG", exif=b"Exif\0\0" + block))
    assert found == Sniffed(ext="jpg", width=203, height=301, is_on_its_side=True)
