"""Pytest plugin that plants the bug named in the environment."""

import os

import pytest

from tests.planted.catalogue import BUGS
from tests.planted.finders import PLANTED


def pytest_configure(config: pytest.Config) -> None:
    """Plant the bug before tests are collected."""
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    (bug,) = [each for each in BUGS if each.name == os.environ[PLANTED]]
    bug.plant(patch)
