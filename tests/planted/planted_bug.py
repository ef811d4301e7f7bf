"""A planted bug, and the part of the suite that must find it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pytest

Plant = Callable[[pytest.MonkeyPatch], None]


class Finder(Protocol):
    """A part of the suite that can find bugs."""

    name: str

    def find(self, bug: "PlantedBug") -> str:
        """Return what found the bug, or an empty string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedBug:
    """A bug. Its patch is undone after the search."""

    what: str
    plant: Plant
    found_by: Finder

    @property
    def name(self) -> str:
        """The name of the function that plants the bug."""
        return self.plant.__name__
