"""Sniffing of the first bytes of uploads, compared with Pillow and tested with damaged files."""

import io
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from storagemaster.image_header.sniff import HEAD_BYTES_MAX, NeedMore, NotAPhoto, Sniffed, sniff

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


def outcome_of(data, **options):
    """Return the result for a complete file."""
    return sniff(data, complete=True, **options)


def refusal_of(data):
    """Return the reason why a complete file is refused."""
    found = outcome_of(data)
    assert isinstance(found, NotAPhoto), found
    return found.reason


def outcome_in_steps(data, step):
    """Return the result for a file that arrives in steps of the requested bytes."""
    had = 0
    while had < len(data):
        found = sniff(data[:had])
        if not isinstance(found, NeedMore):
            return found
        assert found.at_least_bytes > had
        had = max(had + step, min(found.at_least_bytes, len(data)))
    return outcome_of(data)


@pytest.mark.parametrize("name", REAL_FILES)
def test_dimensions_equal_pillows(name):
    """Real files of every kind have the format and dimensions that Pillow finds."""
    with Image.open(io.BytesIO(REAL_FILES[name])) as image:
        expected = Sniffed(ext=name.split()[0], width=image.width, height=image.height)
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


def test_exif_orientation_is_not_applied():
    """Dimensions are as stored."""
    assert sniff(encode("JPEG", exif=orientation(6))) == Sniffed(ext="jpg", width=301, height=203)


def test_rotation_of_the_container_is_applied():
    """Pillow writes the orientation of an AVIF as `irot`."""
    found = sniff(encode("AVIF", exif=orientation(6)))
    assert found == Sniffed(ext="avif", width=203, height=301)


def test_a_jpeg_with_much_metadata_needs_more_bytes():
    """A profile in many segments is skipped."""
    data = encode("JPEG", exif=b"Exif\0\0" + bytes(60_000), icc_profile=bytes(150_000))
    first = sniff(data[:4096])
    assert isinstance(first, NeedMore)
    assert 60_000 < first.at_least_bytes < len(data)
    assert outcome_in_steps(data, 4096) == Sniffed(ext="jpg", width=301, height=203)


def test_jpeg_with_metadata_over_the_limit_is_refused_with_advice():
    """A caller can raise the limit."""
    data = encode("JPEG", icc_profile=bytes(HEAD_BYTES_MAX))
    assert "first 262,144 bytes" in refusal_of(data)
    assert sniff(data, head_bytes_max=2 * HEAD_BYTES_MAX) == Sniffed(
        ext="jpg", width=301, height=203
    )


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
        (b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI\0\0\0\0", "header chunk"),
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
    ("ext", "offset", "zeros"), [("jpg", None, 2), ("png", 16, 4), ("gif", 8, 2), ("tif", 18, 4)]
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


def test_a_tiff_directory_after_the_pixels_needs_more_bytes():
    """The result names the number of bytes up to the directory."""
    data = tiff((256, 3, 640), (257, 3, 480), offset=100_000)
    assert sniff(data[:512]) == NeedMore(100_002)
    assert outcome_in_steps(data, 1000) == Sniffed(ext="tif", width=640, height=480)


def test_tiff_with_its_directory_beyond_the_limit_is_refused_at_once():
    """The caller does not read bytes that `sniff` would ignore."""
    found = sniff(tiff((256, 3, 640), (257, 3, 480), offset=HEAD_BYTES_MAX)[:512])
    assert isinstance(found, NotAPhoto)
    assert "first 262,144 bytes" in found.reason


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
    assert outcome_in_steps(data, 1) == outcome_in_steps(data, 997) == sniff(data)


@pytest.mark.parametrize(
    ("ext", "bytes_kept"),
    [("jpg", 3), ("jpg", 30), ("png", 23), ("gif", 9), ("webp", 29), ("avif", 40), ("tif", 20)],
)
def test_a_truncated_header_has_its_own_reason(ext, bytes_kept):
    """It is not reported as an unknown format."""
    found = outcome_of(REAL_FILES.get(ext, REAL_FILES.get(f"{ext} lossy"))[:bytes_kept])
    assert found == NotAPhoto("the file ends inside its header")


@pytest.mark.parametrize("name", REAL_FILES)
def test_a_truncated_file_has_the_right_dimensions_or_none(name):
    """No truncation gives a wrong result."""
    data = REAL_FILES[name]
    whole = sniff(data)
    for cut in range(min(len(data), 700)):
        found = outcome_of(data[:cut])
        assert found == whole or isinstance(found, NotAPhoto)


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
        found = outcome_of(bytes(damaged))
        assert isinstance(found, Sniffed | NotAPhoto), f"seed {SEED}, round {round_number}"
        if isinstance(found, Sniffed):
            assert found.width > 0
            assert found.height > 0


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    prefix=st.sampled_from(PREFIXES),
    rest=st.binary(max_size=400),
    limit=st.integers(min_value=0, max_value=600),
)
def test_no_bytes_raise_or_need_more_than_the_limit(prefix, rest, limit):
    """A request for more bytes is always larger than the current head."""
    data = prefix + rest
    assert not isinstance(outcome_of(data, head_bytes_max=limit), NeedMore)
    early = sniff(data, head_bytes_max=limit)
    if isinstance(early, NeedMore):
        assert min(len(data), limit) < early.at_least_bytes <= limit
    else:
        assert outcome_of(data + b"more", head_bytes_max=limit) == early


@pytest.mark.parametrize("byte", [b"\xff", b"\0", b"\xff\xd0", b"\xff\0"])
def test_a_full_head_of_one_byte_takes_bounded_steps(byte):
    """No reader loops over a head byte by byte."""
    for prefix in PREFIXES:
        data = (prefix + byte * HEAD_BYTES_MAX)[:HEAD_BYTES_MAX]
        assert not isinstance(sniff(data), NeedMore)
