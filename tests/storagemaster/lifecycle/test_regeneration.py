"""What of a shard there is to rebuild, and which version a recipe makes of one."""

from storagemaster.lifecycle.regeneration import live_versions, version_for_recipe
from storagenode.disk.shard_listing import ListedFile
from volumes.photo_path import parse_photo_version

PHOTO = "01jd3x8m2c9qp4k7"
OTHER = "01jd3x8m2c9qp5k7"
OF = parse_photo_version(f"42/{PHOTO}/3fz8qd")


def states(*names):
    """The state of every photo version of a shard that has these files."""
    found = live_versions(42, [ListedFile(name, 1, "") for name in names])
    return {f"{v.photo_version.photo}/{v.photo_version.version}": v.state for v in found}


def test_a_photo_is_pending_failed_or_ready_by_the_files_beside_its_original():
    """An info overrules a failure, and attempts change nothing."""
    original, photo_version = f"{PHOTO}_3fz8qd_o.jpg", f"{PHOTO}/3fz8qd"
    assert states(original) == {photo_version: "pending"}
    assert states(original, f"{PHOTO}_3fz8qd_1.try") == {photo_version: "pending"}
    assert states(original, f"{PHOTO}_3fz8qd.fail") == {photo_version: "failed"}
    assert states(original, f"{PHOTO}_3fz8qd.fail", f"{PHOTO}_3fz8qd.json") == {
        photo_version: "ready"
    }


def test_what_is_gone_is_not_rebuilt():
    """Neither a version nor a photo; another version of it may be."""
    names = [f"{PHOTO}_3fz8qd_o.jpg", f"{PHOTO}_000001_o.jpg", f"{OTHER}_3fz8qd_o.png"]
    assert len(states(*names)) == 3
    assert list(states(*names, f"{OTHER}.gone", f"{PHOTO}_3fz8qd.gone")) == [f"{PHOTO}/000001"]


def test_sizes_without_their_original_are_nothing_to_rebuild():
    """A mirror that has still to get it."""
    assert states(f"{PHOTO}_3fz8qd_m.jpg", f"{PHOTO}_3fz8qd.fail") == {}


def test_a_recipe_makes_always_the_same_version_and_every_recipe_its_own():
    """So that doing it again finds what was begun, and nobody can guess it."""
    first = version_for_recipe(OF, "2", secret=b"x" * 32)
    assert first == version_for_recipe(OF, "2", secret=b"x" * 32)
    assert len({first, OF.version, version_for_recipe(OF, "3", secret=b"x" * 32)}) == 3
    assert first != version_for_recipe(OF, "2", secret=b"y" * 32)
