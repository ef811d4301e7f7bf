"""Positions are removed from originals of every format, and nothing else changes."""

import io
import random
import struct
import sys
import threading
import time
import zlib

import pillow_heif
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from storagemaster.image_header.positions import remove_positions

pillow_heif.register_heif_opener()

LATITUDE = (51.0, 28.0, 38.25)
TEXT = "+51.4772-000.0005+046.0/"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
    b'exif:GPSLatitude="51,28.6367N" drone-dji:GpsLongitude="-0.0005" dc:title="A garden">'
    b"<exif:GPSLongitude>0,0.03W</exif:GPSLongitude><dc:creator>Ann</dc:creator>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
POSITIONS = (b"51,28.6367N", b"-0.0005", b"0,0.03W", TEXT.encode())


def exif_with_position():
    """Return EXIF of a camera, with a position and an orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Copyright] = "Ann"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "2024:05:01 10:20:30"
    position = exif.get_ifd(ExifTags.IFD.GPSInfo)
    position[ExifTags.GPS.GPSLatitudeRef] = "N"
    position[ExifTags.GPS.GPSLatitude] = LATITUDE
    position[ExifTags.GPS.GPSLongitude] = LATITUDE
    return exif


def photo(kind, **options):
    """Return a photo with this EXIF and XMP."""
    data = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(data, kind, **options)
    return data.getvalue()


def tiff_with_position():
    """Return a TIFF with a GPS directory, which Pillow does not write."""
    data = bytearray(photo("TIFF", exif=exif_with_position()))
    start = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[start : start + 2], "little")
    entries = data[start + 2 : start + 2 + 12 * count]
    position = len(data)
    latitude = struct.pack("<6I", *(part for degrees in LATITUDE for part in (int(degrees), 1)))
    data += struct.pack("<HHHIIHHIII", 2, 1, 2, 2, 0x4E, 2, 5, 3, position + 30, 0) + latitude
    data[4:8] = len(data).to_bytes(4, "little")
    pointer = struct.pack("<HHII", 0x8825, 4, 1, position)
    data += struct.pack("<H", count + 1) + entries + pointer + bytes(4)
    return bytes(data)


def png_texts():
    """Return a PNG whose position is in a compressed XMP and in a raw profile."""
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    texts.add_text("Raw profile type exif", exif_with_position().tobytes().hex(), zip=True)
    texts.add_text("XML:com.adobe.xmp", XMP.decode(), zip=True)
    texts.add_text("exif:GPSLatitude", "51/1, 28/1, 3825/100")
    texts.add_text("Title", "A garden", zip=True)
    return photo("PNG", pnginfo=texts)


def photoshop_exif():
    """Return a JPEG whose EXIF is a resource of Photoshop."""
    exif = exif_with_position().tobytes().removeprefix(b"Exif\0\0")
    resource = b"8BIM\x04\x22\0\0" + len(exif).to_bytes(4, "big") + exif
    segment = b"Photoshop 3.0\0" + resource
    data = photo("JPEG")
    return data[:2] + b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]


PHOTOS = {
    "JPEG": lambda: photo("JPEG", exif=exif_with_position(), xmp=XMP),
    "JPEG with a second image": lambda: photo("JPEG") + photo("JPEG", exif=exif_with_position()),
    "JPEG with a video": lambda: photo("JPEG") + b"\0\0\0\x20\xa9xyz\0\x12\x15\xc7" + TEXT.encode(),
    "PNG": lambda: photo("PNG", exif=exif_with_position()),
    "PNG with texts": png_texts,
    "WebP": lambda: photo("WEBP", exif=exif_with_position().tobytes(), xmp=XMP),
    "TIFF": tiff_with_position,
    "AVIF": lambda: photo("AVIF", exif=exif_with_position().tobytes(), xmp=XMP),
    "HEIC": lambda: photo("HEIF", exif=exif_with_position().tobytes(), xmp=XMP),
    "GIF": lambda: photo("GIF") + XMP,
    "JPEG with Photoshop's EXIF": photoshop_exif,
}


def position_of(data):
    """Return what a reader finds."""
    with Image.open(io.BytesIO(data)) as image:
        return dict(image.getexif().get_ifd(ExifTags.IFD.GPSInfo))


@pytest.mark.parametrize("name", PHOTOS)
def test_a_photo_has_no_position_afterwards(name):
    """No reader finds one, pixels and other metadata stay, and a second removal finds nothing."""
    before = PHOTOS[name]()
    after = bytearray(before)
    assert remove_positions(after)
    assert len(after) == len(before)
    assert not any(position in after for position in POSITIONS)
    assert not position_of(after)
    assert b'Latitude="51' not in after
    with Image.open(io.BytesIO(before)) as old, Image.open(io.BytesIO(after)) as new:
        assert old.tobytes() == new.tobytes()
        for tag in (ExifTags.Base.Make, ExifTags.Base.Orientation, ExifTags.Base.Copyright):
            assert old.getexif().get(tag) == new.getexif().get(tag)
        details = [each.getexif().get_ifd(ExifTags.IFD.Exif) for each in (old, new)]
        assert details[0] == details[1]
    for kept in (b"A garden", b"Ann"):
        assert (kept in before) == (kept in after)
    assert not remove_positions(after)


def test_a_second_image_has_no_position_either():
    """Behind the end of the first image."""
    first = photo("JPEG")
    data = bytearray(first + photo("JPEG", exif=exif_with_position()))
    assert position_of(data[len(first) :])
    remove_positions(data)
    assert not position_of(data[len(first) :])


def test_compressed_texts_without_a_position_stay():
    """The checksums of all chunks are right."""
    data = bytearray(png_texts())
    remove_positions(data)
    at = 8
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        assert zlib.crc32(data[at + 4 : end]) == int.from_bytes(data[end : end + 4], "big")
        at = end + 4
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.text["Title"] == "A garden"
        assert "XML:com.adobe.xmp" not in image.text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_a_photo_without_a_position_does_not_change(kind):
    """Not one byte, with or without other metadata."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    for options in ({}, {} if kind == "GIF" else {"exif": exif}):
        before = photo(kind, **options)
        after = bytearray(before)
        assert not remove_positions(after)
        assert after == before


def test_damaged_metadata_is_survived():
    """Any byte can be wrong; nothing is raised, and the length stays."""
    rng = random.Random(7)
    samples = [make() for make in PHOTOS.values()]
    for _ in range(300):
        data = bytearray(rng.choice(samples))
        for _ in range(rng.randint(1, 40)):
            data[rng.randrange(min(len(data), 700))] = rng.randrange(256)
        before = len(data)
        remove_positions(data)
        assert len(data) == before


def test_a_position_is_found_wherever_it_begins():
    """The search goes in steps, and finds what is across two of them."""
    exif, text = exif_with_position().tobytes(), XMP + TEXT.encode()
    for metadata in (exif, text):
        for shift in range(0, len(metadata) + 8, 7):
            data = bytearray(b"\xff" * (65_536 - shift) + metadata + b"\xff" * 70_000)
            assert remove_positions(data)
            assert not any(position in data for position in POSITIONS)
            assert not remove_positions(data)


@pytest.mark.parametrize("text", [b"+12.34567890", bytes(10)])
def test_other_threads_run_during_a_search(text):
    """Otherwise a long upload would stop all others of its storagemaster for seconds."""
    data = bytearray(text * (8_000_000 // len(text)))
    is_done, turns = threading.Event(), 0

    def take_turns():
        nonlocal turns
        while not is_done.is_set():
            time.sleep(0)
            turns += 1

    other = threading.Thread(target=take_turns)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    other.start()
    before = turns
    try:
        remove_positions(data)
    finally:
        during = turns - before
        sys.setswitchinterval(interval)
        is_done.set()
        other.join()
    assert during > 16


def test_a_damaged_directory_costs_no_pixels():
    """A value is no longer than a position can be, and not behind the end of its block."""
    position = bytearray(tiff_with_position())
    at = position.rindex(struct.pack("<HHI", 2, 5, 3))
    position[at + 4 : at + 12] = struct.pack("<II", 20_000, 8)
    jpeg = bytearray(photo("JPEG", exif=exif_with_position()))
    entry = jpeg.index(struct.pack(">HHI", 2, 5, 3))
    jpeg[entry + 4 : entry + 8] = (150).to_bytes(4, "big")
    for damaged in (position, jpeg):
        after = bytearray(damaged)
        assert remove_positions(after)
        with Image.open(io.BytesIO(damaged)) as old, Image.open(io.BytesIO(after)) as new:
            assert old.tobytes() == new.tobytes()


@pytest.mark.parametrize("kind", ["icc", "iptc"])
def test_a_raw_profile_without_a_position_stays(kind):
    """Programs write profiles of several kinds as text."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text(f"Raw profile type {kind}", "00", zip=True)
    data = bytearray(photo("PNG", pnginfo=texts))
    assert not remove_positions(data)


def test_compressed_text_is_looked_into_up_to_a_limit():
    """Longer text counts as a position, also in many chunks."""
    texts = PngImagePlugin.PngInfo()
    for _ in range(5):
        texts.add_itxt("XML:com.adobe.xmp", "x" * 1_500_000, zip=True)
    data = bytearray(photo("PNG", pnginfo=texts))
    assert remove_positions(data)
    assert data.count(b"XML:com.adobe.xmp") == 2
