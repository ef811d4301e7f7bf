"""A bug that is planted on purpose, and the part of the suite that must find it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pytest

Plant = Callable[[pytest.MonkeyPatch], None]


class Finder(Protocol):
    """A part of the suite."""

    name: str

    def find(self, bug: "PlantedBug") -> str:
        """How the bug was found; empty if it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedBug:
    """One bug. `plant` is undone afterwards, and nothing but a test can call it."""

    what: str
    plant: Plant
    found_by: Finder

    @property
    def name(self) -> str:
        """What it is called: as its function is."""
        return self.plant.__name__
