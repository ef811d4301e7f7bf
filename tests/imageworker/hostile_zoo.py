"""Hostile and damaged files: bombs, polyglots, other formats with a wrong name, fragments."""

import functools
import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from PIL import ExifTags, Image, PngImagePlugin

from imageworker.pixels.readers.jpeg_reader import SCANS_MAX
from tests.imageworker import png_writer
from tests.imageworker.photo_zoo import animated, good, moving, picture, save

SECRETS = (b"GPS-SECRET", b"XMP-SECRET", b"COMMENT-SECRET", b"MAKER-SECRET", b"SERIAL-SECRET")
"""Secrets that `full_of_secrets` hides, and that no variant can contain."""

CREDIT = ("Jané Müller", "© 2024 Jané Müller, all rights reserved")
TEXT_BOMB_BYTES = 200_000_000


def full_of_secrets(pillow_name: str) -> bytes:
    """Return a photo with a location, a serial number, comments, XMP, and a credit."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "NIKON CORPORATION"
    exif[ExifTags.Base.Model] = "NIKON D850"
    exif[ExifTags.Base.Artist] = CREDIT[0].encode()
    exif[ExifTags.Base.Copyright] = CREDIT[1].encode()
    exif[ExifTags.Base.ImageDescription] = "COMMENT-SECRET"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "2024:05:01 10:20:30"
    details[ExifTags.Base.OffsetTimeOriginal] = "+02:00"
    details[ExifTags.Base.BodySerialNumber] = "SERIAL-SECRET"
    details[ExifTags.Base.MakerNote] = b"MAKER-SECRET" * 20
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0), 29: "GPS-SECRET"}
    )
    settings: dict[str, object] = {"exif": exif.tobytes(), "quality": 90}
    if pillow_name in {"JPEG", "WEBP", "AVIF"}:
        settings["xmp"] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>XMP-SECRET</x:xmpmeta>"
    if pillow_name == "JPEG":
        settings["comment"] = b"COMMENT-SECRET"
    if pillow_name == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "COMMENT-SECRET")
        text.add_itxt("XML:com.adobe.xmp", "XMP-SECRET", zip=True)
        settings["pnginfo"] = text
    return save(picture(), pillow_name, **settings)


def lying_heic(width: int) -> bytes:
    """Return a HEIC of 52 x 40 in a frame of 64 x 64, whose crop declares another width."""
    heic = save(picture(52, 40), "HEIF")
    at = heic.index(b"clap") + 4
    return heic[:at] + struct.pack(">I", width) + heic[at + 4 :]


def iptc_credited() -> bytes:
    """Return a JPEG with a credit only in IPTC, as press agencies write it."""
    records = b"".join(
        struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text
        for number, text in ((80, b"Press Photographer"), (116, b"(c) An Agency"))
    )
    resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(records)) + records
    resource += b"\0" * (len(resource) % 2)
    return _with_segment(good("JPEG").data, 0xED, b"Photoshop 3.0\0" + resource)


@functools.cache
def refused() -> Mapping[str, bytes]:
    """Return files that are not photos of a supported format, by the first bytes of each."""
    shown = picture()
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.jpg", b"x")
    return {
        "nothing": b"",
        "one byte": b"\xff",
        "text": b"hello, I am a photo",
        "HTML": b"<!DOCTYPE html><script>alert(1)</script>",
        "SVG": svg,
        "SVG with entities": b"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY a 'aaaa'>]>" + svg,
        "zipped SVG": gzip.compress(svg),
        "EPS": save(shown, "EPS"),
        "PostScript": b"%!PS-Adobe-3.0\n(%pipe%id) (r) file\n",
        "PDF": save(shown, "PDF"),
        "MVG": b"push graphic-context\nviewbox 0 0 640 480\nfill 'url(https://example.com/)'\npop",
        "BMP": save(shown, "BMP"),
        "PPM": save(shown, "PPM"),
        "TGA": save(shown, "TGA"),
        "ICO": save(shown, "ICO"),
        "DDS": save(shown, "DDS"),
        "JPEG 2000": save(shown, "JPEG2000"),
        "PCX": save(shown, "PCX"),
        "ICNS": save(shown, "ICNS"),
        "FITS": b"SIMPLE  =                    T" + bytes(2850),
        "PSD": b"8BPS\0\1" + bytes(40),
        "ZIP": zipped.getvalue(),
        "ELF": b"\x7fELF" + bytes(60),
        "BigTIFF": b"II+\0\x08\0\0\0" + bytes(60),
        "MP4": b"\0\0\0\x18ftypmp42" + bytes(60),
    }


@functools.cache
def too_large() -> Mapping[str, bytes]:
    """Return bombs that the header already reveals."""
    end = png_writer.chunk(b"IDAT", zlib.compress(bytes(100))) + png_writer.chunk(b"IEND", b"")
    return {
        "PNG of 65535 x 65535": png_writer.SIGNATURE + png_writer.header(65535, 65535) + end,
        "PNG of 2 thousand million pixels": png_writer.SIGNATURE
        + png_writer.header(2**31 - 1, 1)
        + end,
        "JPEG of 65535 x 65535": _with_dimensions(good("JPEG").data, 65535, 65535),
        "GIF of 65535 x 65535": _gif_canvas(65535, 65535),
        "TIFF of 60000 x 60000": _tiff_header(60000, 60000),
        "GIF of 100000 frames": many_frames(100_000),
        "APNG that says 2000 million frames": _apng_of(2_000_000_000),
        "animated WebP of 5100 frames": _webp_of(5100),
        "animated WebP on a canvas of 16383 x 16383": _webp_canvas(16383, 16383),
        "AVIF that says 16000 x 16000": _with_extents(good("AVIF").data, 16000, 16000),
        "JPEG of 501 scans": _many_scans(SCANS_MAX - 9),
        "HEIC that says 65535 x 65535": _with_extents(good("HEIC").data, 65535, 65535),
    }


@functools.cache
def small_and_costly() -> Mapping[str, bytes]:
    """Return files within every limit that cost a decoder more than their size suggests.

    The decoder decides which of them are photos.
    """
    jpeg = good("JPEG").data
    frame, table = jpeg.index(b"\xff\xc0"), jpeg.index(b"\xff\xdb")
    return {
        "108 megapixels in 13 KB": _one_bit_png(12800, 8500),
        "JPEG of 500 scans": _many_scans(SCANS_MAX - 10),
        "JPEG that divides by nothing": jpeg[: table + 5] + bytes(64) + jpeg[table + 69 :],
        "JPEG that says it is arithmetic": jpeg[: frame + 1] + b"\xc9" + jpeg[frame + 2 :],
        "JPEG that says it is lossless": jpeg[: frame + 1] + b"\xc3" + jpeg[frame + 2 :],
        "JPEG of 12 bits": jpeg[: frame + 4] + b"\x0c" + jpeg[frame + 5 :],
        "JPEG of two frames": jpeg[:frame] + jpeg[frame : frame + 19] + jpeg[frame:],
        "JPEG of no width": _with_dimensions(jpeg, 0, 100),
    }


def many_frames(count: int) -> bytes:
    """Return a GIF of many tiny frames."""
    two = save(moving(2, (8, 8))[0], "GIF", save_all=True, append_images=moving(2, (8, 8))[1:])
    frame_at = two.rindex(b"\x21\xf9")
    frame = two[frame_at:-1]
    return two[:-1] + frame * (count - 2) + b";"


@functools.cache
def broken() -> Mapping[str, bytes]:
    """Return files that begin like a photo but are broken; each must fail."""
    jpeg, png = good("JPEG").data, good("PNG").data
    return {
        "only a JPEG's magic": jpeg[:3],
        "only a PNG's magic": png[:8],
        "only a WebP's magic": good("WebP").data[:12],
        "only an AVIF's brands": good("AVIF").data[:32],
        "PNG of 0 x 0": png_writer.SIGNATURE + png_writer.header(0, 0),
        "PNG with a wrong check sum": png[:29] + b"\0\0\0\0" + png[33:],
        "JPEG without tables": jpeg[:2] + jpeg[jpeg.index(b"\xff\xc0") :],
        "TIFF of floats": save(picture().convert("F"), "TIFF"),
        "TIFF that is its own directory": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "HEIC of nothing": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
        "WebP of nothing": b"RIFF\xff\0\0\0WEBPVP8L" + bytes(200),
    }


@functools.cache
def polyglots() -> Mapping[str, tuple[bytes, bytes]]:
    """Return photos that are also something else, with the payload that no variant can contain."""
    script = b"<script>alert('PAYLOAD')</script>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("PAYLOAD.class", b"PAYLOAD" * 10)
    php = b"<?php __HALT_COMPILER(); ?>PAYLOAD"
    payloads = {"HTML": script, "ZIP": archive.getvalue(), "PHAR": php, "PDF": b"%PDF-1.4 PAYLOAD"}
    jpeg, png, gif = good("JPEG").data, good("PNG").data, good("GIF").data
    found = {}
    for kind, payload in payloads.items():
        found[f"JPEG with {kind} behind it"] = (jpeg + payload, b"PAYLOAD")
        found[f"JPEG with {kind} in a comment"] = (_with_segment(jpeg, 0xFE, payload), b"PAYLOAD")
        found[f"PNG with {kind} behind it"] = (png + payload, b"PAYLOAD")
        in_text = png[:33] + png_writer.chunk(b"tEXt", b"c\0" + payload) + png[33:]
        found[f"PNG with {kind} in a text"] = (in_text, b"PAYLOAD")
        found[f"GIF with {kind} behind it"] = (gif + payload, b"PAYLOAD")
    return found


@functools.cache
def odd_metadata() -> Mapping[str, bytes]:
    """Sound pixels beside metadata that is not: each still has to get its sizes."""
    jpeg, png = good("JPEG").data, good("PNG").data
    bomb = zlib.compress(bytes(TEXT_BOMB_BYTES), 9)
    loop = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"
    nine = Image.Exif()
    nine[ExifTags.Base.Orientation] = 9
    markup = Image.Exif()
    markup[ExifTags.Base.Model] = "<script>alert(1)</script>\x1b[2J" + "x" * 5000
    return {
        "EXIF that loops": _with_segment(jpeg, 0xE1, loop),
        "EXIF of noise": _with_segment(jpeg, 0xE1, b"Exif\0\0" + bytes(range(256)) * 50),
        "EXIF cut short": _with_segment(jpeg, 0xE1, b"Exif\0\0II*\0"),
        "orientation 9": _with_segment(jpeg, 0xE1, nine.tobytes()),
        "markup for a camera": _with_segment(jpeg, 0xE1, markup.tobytes()),
        "segments of 64 KiB": _with_segment(
            _with_segment(jpeg, 0xE5, b"x" * 65533), 0xFE, b"y" * 65533
        ),
        "profile of noise": save(picture(), "JPEG", icc_profile=bytes(range(256)) * 200),
        "profile cut short": save(picture(), "JPEG", icc_profile=b"\0\0\2\x0clcms"),
        "profile of 4 MiB": save(picture(), "JPEG", icc_profile=bytes(4 * 1024 * 1024)),
        "malformed multi-picture": _with_segment(jpeg, 0xE2, b"MPF\0II*\0" + b"\xff" * 60),
        "garbage behind its end": jpeg + bytes(range(256)) * 100,
        "PNG with a text bomb": png[:33]
        + png_writer.chunk(b"iTXt", b"a\0\1\0\0\0" + bomb)
        + png[33:],
        "PNG with a packed text bomb": png[:33]
        + png_writer.chunk(b"zTXt", b"a\0\0" + bomb)
        + png[33:],
        "PNG with a profile bomb": png[:33] + png_writer.chunk(b"iCCP", b"a\0\0" + bomb) + png[33:],
    }


def _with_segment(jpeg: bytes, marker: int, data: bytes) -> bytes:
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + jpeg[2:]


def _with_dimensions(jpeg: bytes, width: int, height: int) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def _gif_canvas(width: int, height: int) -> bytes:
    gif = good("GIF").data
    return gif[:6] + struct.pack("<HH", width, height) + gif[10:]


def _tiff_header(width: int, height: int) -> bytes:
    entries = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 200), (279, 100))
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + table + bytes(300)


def _apng_of(frames: int) -> bytes:
    png = good("PNG").data
    return png[:33] + png_writer.chunk(b"acTL", struct.pack(">II", frames, 0)) + png[33:]


def _webp_of(frames: int) -> bytes:
    webp = animated("WEBP")
    last = webp[webp.rindex(b"ANMF") :]
    longer = webp + last * (frames - len(moving()))
    return longer[:4] + struct.pack("<I", len(longer) - 8) + longer[8:]


def _webp_canvas(width: int, height: int) -> bytes:
    webp = animated("WEBP")
    at = webp.index(b"VP8X") + 12
    edges = b"".join((edge - 1).to_bytes(3, "little") for edge in (width, height))
    return webp[:at] + edges + webp[at + 6 :]


def _with_extents(boxes: bytes, width: int, height: int) -> bytes:
    at = boxes.index(b"ispe") + 8
    return boxes[:at] + struct.pack(">II", width, height) + boxes[at + 8 :]


def _one_bit_png(width: int, height: int) -> bytes:
    header = png_writer.chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    row = bytes(1 + (width + 7) // 8)
    data = png_writer.chunk(b"IDAT", zlib.compress(row * height, 9))
    return png_writer.SIGNATURE + header + data + png_writer.chunk(b"IEND", b"")


def _many_scans(more: int) -> bytes:
    """Return a progressive JPEG, which has ten scans, with the last one repeated."""
    jpeg = save(picture(1000, 700), "JPEG", progressive=True)
    end = len(jpeg) - 2
    return jpeg[:end] + jpeg[jpeg.rindex(b"\xff\xda") : end] * more + jpeg[end:]
