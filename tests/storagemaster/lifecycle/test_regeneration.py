"""Regeneration: the version that a recipe makes."""

from storagemaster.lifecycle.regeneration import version_for_recipe
from volumes.photo_path import parse_photo_version

PHOTO = "01jd3x8m2c9qp4k7"
OF = parse_photo_version(f"42/{PHOTO}/3fz8qd")


def test_each_recipe_has_its_own_constant_version():
    """A retry continues the first attempt, and versions cannot be guessed."""
    first = version_for_recipe(OF, "2", secret=b"x" * 32)
    assert first == version_for_recipe(OF, "2", secret=b"x" * 32)
    assert len({first, OF.version, version_for_recipe(OF, "3", secret=b"x" * 32)}) == 3
    assert first != version_for_recipe(OF, "2", secret=b"y" * 32)
