"""Parsers of metadata."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, IptcImagePlugin

from imageworker.pixels.formats import AVIF, HEIC, JPEG, WEBP, PhotoFormat
from imageworker.pixels.metadata import (
    CREDIT_LENGTH_MAX,
    TEXT_LENGTH_MAX,
    Metadata,
    parse_capture_time,
    parse_text,
    read_metadata,
    render_credit,
)
from imageworker.pixels.readers.open_photo import open_photo
from tests.imageworker.hostile_zoo import iptc_credited
from tests.imageworker.photo_zoo import picture, save


def _read(data: bytes, photo_format: PhotoFormat = JPEG) -> Metadata:
    photo = open_photo(data, photo_format, pixels_max=10**6, frames_max=1)
    return read_metadata(data, photo, photo_format)


def _of(exif: Image.Exif) -> Metadata:
    return _read(save(picture(), "JPEG", exif=exif.tobytes()))


@pytest.mark.parametrize(
    ("time", "offset", "expected"),
    [
        ("2024:05:01 10:20:30", "+02:00", "2024-05-01T10:20:30+02:00"),
        ("2024:05:01 10:20:30", "Z", "2024-05-01T10:20:30Z"),
        ("2024:05:01 10:20:30", None, "2024-05-01T10:20:30"),
        ("2024:05:01 10:20:30", "+99:00", "2024-05-01T10:20:30"),
        (b"2024:05:01 10:20:30\0", "", "2024-05-01T10:20:30"),
        ("0000:00:00 00:00:00", None, None),
        ("2024:13:01 10:20:30", None, None),
        ("2023:02:31 10:20:30", None, None),
        ("2023:02:29 10:20:30", "+02:00", None),
        ("2024:02:29 10:20:30", "+02:00<script>", "2024-02-29T10:20:30"),
        ("2024:02:29 10:20:30", "x+02:00", "2024-02-29T10:20:30"),
        ("2024:02:29 10:20:30", "+15:00", "2024-02-29T10:20:30"),
        ("2024:02:29 24:20:30", None, None),
        ("0000:01:01 10:20:30", None, None),
        ("2024-05-01 10:20:30", None, None),
        ("    :  :     :  :  ", None, None),
        ("2024:05:01 10:20:30<script>", None, None),
        (20240501, None, None),
        (None, None, None),
    ],
)
def test_a_capture_time_is_iso_or_nothing(
    time: object, offset: object, expected: str | None
) -> None:
    """A time that does not match EXIF's format is dropped and not repaired."""
    assert parse_capture_time(time, offset) == expected


@given(st.one_of(st.text(), st.binary(), st.none(), st.integers()))
def test_text_from_metadata_is_short_and_printable(value: object) -> None:
    """Text has no control characters or line breaks, and is cut at the limit."""
    text = parse_text(value)
    assert text is None or (text.isprintable() and 0 < len(text) <= TEXT_LENGTH_MAX)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Jan\u00c3\u00a9", "Jané"),
        ("Jané".encode(), "Jané"),
        ("Jané".encode("latin-1"), "Jané"),
        ("one\0two", "one"),
        ("  a\t\n b  ", "a b"),
        ("\x1b[2J", "[2J"),
        ("é".encode() * 500, "é" * TEXT_LENGTH_MAX),
        (b"a" + "é".encode() * 500, "a" + "é" * (TEXT_LENGTH_MAX - 1)),
        (b"ab" + "日".encode() * 500, "ab" + "日" * (TEXT_LENGTH_MAX - 2)),
        (b"Jan\xc3", "Jan\u00c3"),
    ],
)
def test_text_is_taken_for_utf8_before_latin1(value: object, text: str) -> None:
    """Text is decoded as UTF-8, or as Latin-1 if that fails."""
    assert parse_text(value) == text


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("NIKON CORPORATION", "NIKON D850", "NIKON D850"),
        ("FUJIFILM", "X-T5", "FUJIFILM X-T5"),
        ("Apple", "", "Apple"),
        ("", "iPhone 15", "iPhone 15"),
        ("", "", None),
        ("M" * 90, "N" * 90, ("M" * 90 + " " + "N" * 90)[:TEXT_LENGTH_MAX]),
    ],
)
def test_a_camera_is_its_maker_and_model(make: str, model: str, camera: str | None) -> None:
    """The maker's name appears once, and the joined text is cut at the limit."""
    exif = Image.Exif()
    if make:
        exif[ExifTags.Base.Make] = make
    if model:
        exif[ExifTags.Base.Model] = model
    assert _of(exif).camera == camera


def test_credit_is_found_in_iptc_too() -> None:
    """Agencies write the photographer and the copyright there, and not in EXIF."""
    metadata = _read(iptc_credited())
    assert (metadata.artist, metadata.copyright) == ("Press Photographer", "(c) An Agency")


@pytest.mark.parametrize("photo_format", [JPEG, WEBP, AVIF])
def test_a_rendered_credit_reads_back(photo_format: PhotoFormat) -> None:
    """Variants carry the credit of the original, with every letter."""
    credit = Metadata(artist="Jané 日本", copyright="© " + "x" * (CREDIT_LENGTH_MAX - 2))
    data = save(picture(), photo_format.title, exif=render_credit(credit))
    found = _read(data, photo_format)
    assert (found.artist, found.copyright) == (credit.artist, credit.copyright)


def test_no_credit_is_no_exif() -> None:
    """A variant of a photo without a credit has no EXIF."""
    assert render_credit(Metadata(orientation=6, camera="X")) == b""


def test_an_artist_without_a_copyright_notice_is_no_credit() -> None:
    """Cameras fill in the name of their owner, who may not want it in public."""
    assert render_credit(Metadata(artist="Jané")) == b""
    assert render_credit(Metadata(copyright="© Jané")) != b""


def test_adobe_rgb_is_known_by_its_interoperability_index() -> None:
    """The interoperability index R03 declares Adobe RGB without a profile."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.IFD.Interop] = {1: "R03"}
    assert _of(exif).is_adobe_rgb
    assert not _of(Image.Exif()).is_adobe_rgb


def test_a_lack_of_memory_is_not_taken_for_damaged_metadata(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the limit of the process, and not a fault of the bytes."""

    def run_out(_image: object) -> None:
        raise MemoryError

    monkeypatch.setattr(IptcImagePlugin, "getiptcinfo", run_out)
    with pytest.raises(MemoryError):
        _read(iptc_credited())


def test_an_iptc_parser_that_fails_costs_no_exif(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises."""

    def fail(_image: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(IptcImagePlugin, "getiptcinfo", fail)
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Jan"
    assert _of(exif).artist == "Jan"


def _image(exif: bytes | None = None, **options: Any) -> Any:
    """Return the parts of a loaded photo that are read."""
    return SimpleNamespace(info={} if exif is None else {"exif": exif}, **options)


def _exif(tag: int, value: Any) -> bytes:
    exif = Image.Exif()
    exif[tag] = value
    return exif.tobytes()


@pytest.mark.parametrize(
    ("photo_format", "options", "orientation"),
    [(JPEG, {}, 6), (AVIF, {"orientation": 3}, 3), (AVIF, {}, 1), (HEIC, {}, 1)],
)
def test_the_container_of_avif_and_heic_decides_the_orientation(
    photo_format: PhotoFormat, options: dict[str, int], orientation: int
) -> None:
    """EXIF decides it everywhere else."""
    image = _image(_exif(ExifTags.Base.Orientation, 6), **options)
    assert read_metadata(b"", image, photo_format).orientation == orientation


@pytest.mark.parametrize(
    ("exif", "is_readable"),
    [(None, True), (b"", True), (_exif(ExifTags.Base.Artist, "Ada"), True), (b"garbage", False)],
)
def test_only_metadata_that_is_there_is_unreadable(
    exif: bytes | None, *, is_readable: bool
) -> None:
    """A photo without metadata has nothing to read."""
    assert read_metadata(b"", _image(exif), JPEG).is_readable is is_readable


def test_a_photo_that_says_nothing_has_the_defaults() -> None:
    """It is upright and in sRGB."""
    found = read_metadata(b"", _image(), JPEG)
    assert found == Metadata()
    assert (found.orientation, found.is_adobe_rgb, found.is_readable) == (1, False, True)


def test_a_text_has_at_most_100_characters_and_a_credit_200() -> None:
    """Eight bytes for each character are read, whatever is removed from them."""
    assert parse_text("x" * 300) == "x" * 100
    credited = read_metadata(b"", _image(_exif(ExifTags.Base.Artist, "x" * 300)), JPEG)
    assert credited.artist == "x" * 200
    assert parse_text(b"\1" * 799 + b"x") == "x"
    assert parse_text(b"\1" * 800 + b"x") is None


@pytest.mark.parametrize(
    ("records", "artist", "copyright_"),
    [
        ({(2, 80): b"Ada"}, "Ada", None),
        ({(2, 110): b"Agency"}, "Agency", None),
        ({(2, 80): [b"Ada", b"Bea"], (2, 110): b"Agency"}, "Ada", None),
        ({(2, 116): b"2024"}, None, "2024"),
        ({(2, 80): b"Ada", (2, 116): b"(c) "}, "Ada", None),
    ],
)
def test_each_iptc_record_is_found(
    monkeypatch: pytest.MonkeyPatch, records: Any, artist: str | None, copyright_: str | None
) -> None:
    """The first by-line comes before the credit line."""
    monkeypatch.setattr(IptcImagePlugin, "getiptcinfo", lambda _: records)
    found = read_metadata(b"", _image(), JPEG)
    assert (found.artist, found.copyright) == (artist, copyright_)


@pytest.mark.parametrize("notice", ["", "    ", ", ", "(C)", "\u00a9 ,", "Copyright (c)"])
def test_a_copyright_notice_says_more_than_that_it_is_one(notice: str) -> None:
    """Cameras fill in a mark by themselves, and the name of their owner is in no variant."""
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Owner"
    exif[ExifTags.Base.Copyright] = notice
    found = _of(exif)
    assert (found.artist, found.copyright) == ("Owner", None)
    assert render_credit(found) == b""
