"""Order of repair: what has the fewest copies comes first."""

from collections.abc import Callable, Iterable
from typing import TypeVar

_Item = TypeVar("_Item")


def by_danger(items: Iterable[_Item], copies_of: Callable[[_Item], int]) -> list[_Item]:
    """Return items with the fewest copies first, and otherwise in their order."""
    return sorted(items, key=copies_of)
