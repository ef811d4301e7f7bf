"""Photo paths: round trips and random texts."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volumes.photo_id import ALPHABET, InvalidPhotoId
from volumes.photo_path import (
    ATTEMPT_NUMBERS,
    EXTENSIONS,
    SHARDS,
    VOLUME_MAX,
    Attempt,
    Failure,
    Info,
    InvalidPath,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    parse_name,
    parse_path,
    parse_photo_version,
    parse_volume,
    render_path,
    render_stem,
    shard_of,
    volume_of,
)

VOLUMES = st.integers(1, VOLUME_MAX)
PHOTOS = st.text(ALPHABET, min_size=16, max_size=16)
VERSIONS = st.builds(PhotoVersion, VOLUMES, PHOTOS, st.text(ALPHABET, min_size=6, max_size=6))
FILES = st.one_of(
    st.builds(
        Variant,
        VERSIONS,
        st.sampled_from("abcdefghijklmnopqrstuvwxyz"),
        st.sampled_from(EXTENSIONS),
    ),
    st.builds(Info, VERSIONS),
    st.builds(Attempt, VERSIONS, st.sampled_from(ATTEMPT_NUMBERS)),
    st.builds(Failure, VERSIONS),
    st.builds(VersionTombstone, VERSIONS),
    st.builds(PhotoTombstone, VOLUMES, PHOTOS),
)
# Texts of the characters of paths are more similar to paths.
NOISE = st.one_of(st.text(), st.text(alphabet="/._0127abjkmgonesfailtry", max_size=45))


@given(FILES)
def test_parse_undoes_render(file):
    """Every file survives the round trip."""
    assert parse_path(render_path(file)) == file


@given(st.one_of(NOISE, st.tuples(FILES.map(render_path), NOISE).map("".join)))
def test_render_undoes_parse(text):
    """An accepted text is the only spelling of its file."""
    try:
        file = parse_path(text)
    except InvalidPath:
        return
    assert render_path(file) == text


@given(FILES, st.integers(0, 60), st.characters())
def test_a_path_with_one_character_changed_is_refused_or_names_another_file(file, place, character):
    """No two texts name the same file."""
    path = render_path(file)
    place %= len(path)
    changed = path[:place] + character + path[place + 1 :]
    if changed == path:
        return
    with contextlib.suppress(InvalidPath):
        assert parse_path(changed) != file


@given(FILES)
def test_a_name_in_its_directory_names_the_same_file(file):
    """The name in a directory listing identifies the file."""
    volume, _, name = render_path(file).split("/")
    assert parse_name(int(volume), name) == file


@given(VERSIONS)
def test_a_photo_version_is_parsed_from_its_text(photo_version):
    """VOLUME/PHOTO/VERSION, as in receipts."""
    assert parse_photo_version(str(photo_version)) == photo_version


@given(VERSIONS)
def test_all_paths_of_a_version_begin_with_its_stem(photo_version):
    """The files of a version can be found by prefix."""
    for file in (
        Variant(photo_version, "m", "jpg"),
        Info(photo_version),
        Attempt(photo_version, 2),
        Failure(photo_version),
        VersionTombstone(photo_version),
    ):
        assert render_path(file).startswith(render_stem(photo_version))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("42/01jd3x8m2c9qp4k7", InvalidPath),
        ("42/01jd3x8m2c9qp4k7/3fz8qd/m", InvalidPath),
        ("0/01jd3x8m2c9qp4k7/3fz8qd", InvalidPath),
        ("42/01jd3x8m2c9qp4k/3fz8qd", InvalidPhotoId),
        ("42/01jd3x8m2c9qp4k7/3fz8q", InvalidPhotoId),
        ("42/01JD3X8M2C9QP4K7/3fz8qd", InvalidPhotoId),
        ("", InvalidPath),
    ],
)
def test_an_invalid_photo_version_is_rejected(text, error):
    """The error names the invalid part."""
    with pytest.raises(error):
        parse_photo_version(text)


def test_there_are_1024_shards_and_every_photo_has_one():
    """There are two characters of a 32-letter alphabet, each pair once."""
    assert len(SHARDS) == len(set(SHARDS)) == 1024
    assert shard_of("01jd3x8m2c9qp4k7") == "k7"
    assert shard_of("01jd3x8m2c9qp4k7") in SHARDS


def test_volumes_are_accepted_to_the_last_and_no_further():
    """Volumes are 1 to 65535."""
    assert (parse_volume("1"), parse_volume("65535")) == (1, 65535)
    for text in ("0", "65536", "01", ""):
        with pytest.raises(InvalidPath):
            parse_volume(text)


def test_an_original_knows_that_it_is_one():
    """Size `o` is the original, and no other letter is."""
    photo_version = PhotoVersion(42, "01jd3x8m2c9qp4k7", "3fz8qd")
    originals = [
        s for s in "abcdefghijklmnopqrstuvwxyz" if Variant(photo_version, s, "jpg").is_original
    ]
    assert originals == ["o"]


@pytest.mark.parametrize(
    "file",
    [
        PhotoTombstone(7, "01jd3x8m2c9qp4k7"),
        Info(PhotoVersion(7, "01jd3x8m2c9qp4k7", "3fz8qd")),
    ],
)
def test_every_file_knows_its_volume(file):
    """Also the one that belongs to no version."""
    assert volume_of(file) == 7


def test_the_first_two_failed_attempts_have_files_of_their_own():
    """The third is final, and its file is the failure."""
    assert ATTEMPT_NUMBERS == (1, 2)
