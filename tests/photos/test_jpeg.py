"""JPEG: files without an end, many scans, and segments of any size before the pixels."""

import struct
import time

import numpy as np
import pytest
import pyvips
from PIL import Image

from imageworker.make_sizes import make_sizes
from imageworker.pixels.readers.jpeg_reader import SCANS_MAX
from imageworker.processing_errors import BrokenPhoto, PhotoTooLarge, TruncatedPhoto
from imageworker.recipe import DEFAULT_RECIPE
from storagemaster.image_header.sniff import Sniffed, sniff
from tests.imageworker.photo_zoo import picture, save
from tests.photos.judge import LEVELS_MAX, by_libvips, by_worker, levels_apart

KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "4:4:4": {"subsampling": 0},
    "restarts": {"restart_marker_blocks": 3},
    "gray": {},
    "CMYK": {},
}
WIDTH, HEIGHT = 361, 243


def jpeg(kind, size=(WIDTH, HEIGHT)):
    """Return a JPEG of a kind."""
    mode = {"gray": "L", "CMYK": "CMYK"}.get(kind, "RGB")
    return save(picture(*size).convert(mode), "JPEG", quality=95, **KINDS[kind])


def noise(size):
    """Return a progressive JPEG of noise: every scan has many bytes."""
    pixels = np.random.default_rng(3).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return save(Image.fromarray(pixels), "JPEG", quality=80, progressive=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [b"", b"\xff", b"\0\0\0", b"\xff\xff\xff", b"\0" * 5000])
def test_a_photo_without_its_end_marker_is_made_if_its_rows_are_there(kind, end):
    """As browsers and libvips show it, whatever stands where the marker should."""
    whole = jpeg(kind)
    data = whole[:-2] + end
    assert levels_apart(by_worker(data), by_worker(whole)) == 0
    assert sniff(data) == Sniffed(ext="jpg", width=WIDTH, height=HEIGHT)
    assert make_sizes(data, recipe=DEFAULT_RECIPE).variants


@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_whose_rows_are_missing_is_refused(kind):
    """Wherever it is cut, nothing is filled up; the words have the share of rows."""
    data = jpeg(kind)
    start = data.index(b"\xff\xda") + 20
    for cut in np.linspace(start, len(data) - 4, 60).astype(int):
        with pytest.raises(TruncatedPhoto, match=r"ends (after about \d+ % of its rows|before)"):
            by_worker(data[:cut])


def test_a_progressive_photo_cut_between_scans_is_refused():
    """Every row is there, but coarse."""
    data = noise(64)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    for start in scans[1:]:
        table = data.rfind(b"\xff\xc4", 0, start)
        with pytest.raises(TruncatedPhoto):
            by_worker(data[: table if table > scans[0] else start])


def test_a_large_photo_without_its_end_is_decoded_small():
    """The decoder shrinks it twice, once with each continuation."""
    whole = jpeg("baseline", (4001, 3001))
    made, cut = (make_sizes(data, recipe=DEFAULT_RECIPE) for data in (whole, whole[:-2]))
    assert [v.data for v in made.variants] == [v.data for v in cut.variants]


@pytest.mark.parametrize("more", [0, 1])
def test_scans_are_counted_before_any_is_decoded(more):
    """As many as libjpeg-turbo advises are made, and one more is refused at once."""
    data = save(picture(3000, 2000), "JPEG", progressive=True)
    scans = data.count(b"\xff\xda")
    last = data[data.rindex(b"\xff\xda") : -2]
    many = data[:-2] + last * (SCANS_MAX - scans + more) + data[-2:]
    started = time.process_time()
    if not more:
        assert by_worker(save(picture(30, 20), "JPEG", progressive=True)).shape == (20, 30, 3)
        return
    with pytest.raises(PhotoTooLarge, match=f"more than {SCANS_MAX} scans"):
        by_worker(many)
    assert time.process_time() - started < 1


def test_start_markers_in_metadata_are_not_scans():
    """A preview in EXIF, and noise in a comment."""
    data = jpeg("baseline")
    segment = b"\xff\xfe" + struct.pack(">H", 2 + 60_000) + b"\xff\xda" * 30_000
    assert levels_apart(by_worker(data[:2] + segment + data[2:]), by_worker(data)) == 0


@pytest.mark.parametrize("megabytes", [0, 1, 3, 9])
def test_segments_before_the_frame_can_have_any_size(megabytes):
    """Extended XMP of a portrait has its depth map and its original."""
    data = jpeg("baseline")
    xmp = b"http://ns.adobe.com/xmp/extension/\0".ljust(65_000, b"x")
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(xmp)) + xmp
    large = data[:2] + segment * (megabytes * 1_000_000 // len(segment)) + data[2:]
    assert sniff(large) == Sniffed(ext="jpg", width=WIDTH, height=HEIGHT)
    assert levels_apart(by_worker(large), by_libvips(data)) <= LEVELS_MAX


@pytest.mark.parametrize(
    ("marker", "bits", "words"),
    [(0xC0, 12, "12-bit"), (0xC3, 8, ""), (0xC1, 12, "12-bit")],
)
def test_a_kind_that_is_not_read_is_not_called_unsound(marker, bits, words):
    """The words are true of a sound file as well."""
    data = bytearray(jpeg("baseline"))
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, bits
    with pytest.raises((BrokenPhoto, TruncatedPhoto)) as caught:
        by_worker(bytes(data))
    assert words in caught.value.reason
    assert "sound" not in caught.value.reason


def test_libvips_shows_a_photo_without_its_end():
    """Its opinion is that such a file is a photo."""
    data = jpeg("baseline")[:-2]
    image = pyvips.Image.new_from_buffer(data, "", fail_on="none")
    assert levels_apart(image.numpy(), by_worker(data)) <= LEVELS_MAX
