"""Regeneration: the versions of a shard, and the version that a recipe makes."""

from storagemaster.lifecycle.regeneration import live_versions, version_for_recipe
from storagenode.protocol.files import ListedFile
from volumes.photo_path import parse_photo_version

PHOTO = "01jd3x8m2c9qp4k7"
OTHER = "01jd3x8m2c9qp5k7"
OF = parse_photo_version(f"42/{PHOTO}/3fz8qd")


def states(*names):
    """Return the state of every live version of a shard with these files."""
    found = live_versions(42, [ListedFile(name, 1, "") for name in names])
    return {f"{v.photo_version.photo}/{v.photo_version.version}": v.state for v in found}


def test_deleted_versions_and_photos_are_skipped():
    """Another version of the photo is not."""
    names = [f"{PHOTO}_3fz8qd_o.jpg", f"{PHOTO}_000001_o.jpg", f"{OTHER}_3fz8qd_o.png"]
    assert len(states(*names)) == 3
    assert list(states(*names, f"{OTHER}.gone", f"{PHOTO}_3fz8qd.gone")) == [f"{PHOTO}/000001"]


def test_version_without_its_original_is_skipped():
    """The mirror has not received the original yet."""
    assert states(f"{PHOTO}_3fz8qd_m.jpg", f"{PHOTO}_3fz8qd.fail") == {}


def test_each_recipe_has_its_own_constant_version():
    """A retry continues the first attempt, and versions cannot be guessed."""
    first = version_for_recipe(OF, "2", secret=b"x" * 32)
    assert first == version_for_recipe(OF, "2", secret=b"x" * 32)
    assert len({first, OF.version, version_for_recipe(OF, "3", secret=b"x" * 32)}) == 3
    assert first != version_for_recipe(OF, "2", secret=b"y" * 32)
