"""State of a photo version: what each combination of its files means."""

import itertools

import pytest

from volumes.photo_path import (
    Attempt,
    Failure,
    Info,
    PhotoTombstone,
    Variant,
    VersionTombstone,
    parse_photo_version,
)
from volumes.version_files import (
    VersionFiles,
    live_versions,
    originals_in,
    tombstones_of,
    versions_in,
)

VERSION = parse_photo_version("42/01jd3x8m2c9qp4k7/3fz8qd")
OTHER_VERSION = parse_photo_version("42/01jd3x8m2c9qp4k7/000001")
OTHER_PHOTO = parse_photo_version("42/01jd3x8m2c9qp5k7/3fz8qd")
ORIGINAL = Variant(VERSION, "o", "heic")
PHOTO_TOMBSTONE = PhotoTombstone(VERSION.volume, VERSION.photo)
# The first of these files that exists decides the state.
DECIDING = {
    PHOTO_TOMBSTONE: "gone",
    VersionTombstone(VERSION): "gone",
    Info(VERSION): "ready",
    Failure(VERSION): "failed",
    ORIGINAL: "pending",
}
IRRELEVANT = {
    Attempt(VERSION, 1),
    Variant(VERSION, "m", "jpg"),
    VersionTombstone(OTHER_VERSION),
    Info(OTHER_VERSION),
    Variant(OTHER_VERSION, "o", "jpg"),
    PhotoTombstone(42, OTHER_PHOTO.photo),
    Failure(OTHER_PHOTO),
}


@pytest.mark.parametrize("exists", list(itertools.product([True, False], repeat=len(DECIDING))))
def test_first_deciding_file_gives_the_state(exists):
    """Files that do not decide, or belong to another version, change nothing."""
    files = list(itertools.compress(DECIDING, exists))
    state = next(iter(map(DECIDING.get, files)), "unknown")
    for known in (set(files), {*files, *IRRELEVANT}):
        version = VersionFiles(VERSION, known)
        assert version.state == state
        assert version.is_gone is (state == "gone")
        assert version.original == (ORIGINAL if ORIGINAL in files else None)


def test_photo_tombstone_is_named_before_the_version_tombstone():
    """Both cover the version; the wider one is the reason."""
    assert tombstones_of(VERSION) == (PHOTO_TOMBSTONE, VersionTombstone(VERSION))
    assert VersionFiles(VERSION, set(tombstones_of(VERSION))).tombstone == PHOTO_TOMBSTONE
    assert VersionFiles(VERSION, {ORIGINAL}).tombstone is None


def test_versions_in_a_shard_are_sorted_and_see_all_files():
    """A photo tombstone names no version, and covers every version of its photo."""
    files = [Info(OTHER_PHOTO), ORIGINAL, VersionTombstone(OTHER_VERSION), PHOTO_TOMBSTONE]
    found = versions_in(files)
    assert [each.photo_version for each in found] == [OTHER_VERSION, VERSION, OTHER_PHOTO]
    assert [each.state for each in found] == ["gone", "gone", "ready"]
    assert versions_in([PHOTO_TOMBSTONE]) == []


def test_live_versions_are_those_with_an_original_and_no_tombstone():
    """Sizes and records alone are not: the mirror has not received the original yet."""
    other = Variant(OTHER_VERSION, "o", "jpg")
    files = [ORIGINAL, other, Variant(OTHER_PHOTO, "m", "jpg"), Failure(OTHER_PHOTO)]
    found = [each.photo_version for each in live_versions(files)]
    assert found == [OTHER_VERSION, VERSION]
    (left,) = live_versions([*files, VersionTombstone(VERSION)])
    assert left.photo_version == OTHER_VERSION
    assert live_versions([*files, PHOTO_TOMBSTONE]) == []


def test_only_originals_are_originals():
    """A size and a record are not."""
    assert originals_in([Info(VERSION), ORIGINAL, Variant(VERSION, "m", "jpg")]) == [ORIGINAL]
