"""Hints in groups: the sizes of a version with their info, and every other file alone."""

from storagemaster.repair.hinted_handoff import _bundle_sizes
from storagenode.protocol.layout import HintFile, Place
from storagenode.protocol.wire import HINTS_PER_LIST_MAX
from volumes.photo_path import Info, PhotoVersion, Variant, VersionTombstone


def version_of(number):
    """Return a version."""
    return PhotoVersion(1, f"01jd3x8m2c{number:06d}", "3fz8qd")


def hint(file):
    """Return a hint of a file."""
    return HintFile(Place(file, "west-1"), 10, "d")


def sizes_of(number):
    """Return the hints of the sizes of a version, with the info first."""
    of = version_of(number)
    return [hint(Info(of)), hint(Variant(of, "m", "jpg")), hint(Variant(of, "s", "jpg"))]


def groups(hints):
    """Return the files of each group."""
    return [tuple(each.place.file for each in group) for group in _bundle_sizes(hints)]


def bundle(number):
    """Return the files of a delivered bundle, the info last."""
    of = version_of(number)
    return (Variant(of, "m", "jpg"), Variant(of, "s", "jpg"), Info(of))


def test_the_sizes_of_every_version_with_an_info_are_a_group():
    """Other files come first, each alone: originals, tombstones, and sizes without an info."""
    alone = [
        Variant(version_of(1), "o", "jpg"),
        VersionTombstone(version_of(3)),
        Variant(version_of(4), "m", "jpg"),
    ]
    hints = [*sizes_of(1), *map(hint, alone), *sizes_of(2)]
    assert groups(hints) == [*((each,) for each in alone), bundle(1), bundle(2)]


def test_a_version_at_the_end_of_a_full_list_is_left_to_a_later_pass():
    """The list can end in its middle. One file less is the whole list."""
    others = [hint(Variant(version_of(n + 10), "o", "jpg")) for n in range(HINTS_PER_LIST_MAX - 6)]
    full = [*others, *sizes_of(1), *sizes_of(2)]
    assert len(full) == HINTS_PER_LIST_MAX
    assert groups(full)[len(others) :] == [bundle(1)]
    assert groups(full[1:])[len(others) - 1 :] == [bundle(1), bundle(2)]


def test_an_original_at_the_end_of_a_full_list_leaves_nothing_out():
    """It is whole."""
    others = [hint(Variant(version_of(n + 10), "o", "jpg")) for n in range(HINTS_PER_LIST_MAX - 3)]
    assert groups([*sizes_of(1), *others])[-1] == bundle(1)
