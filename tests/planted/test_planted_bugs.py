"""Proof that the suite can fail: it finds every planted bug."""

import pytest

from tests.planted.catalogue import BUGS
from tests.planted.finders import CrashStates, Tests
from tests.planted.planted_bug import PlantedBug

BUGS_MIN = 30
SOUND_SCENARIOS = ("put", "put other bytes", "quarantine", "restore digest", "relink")


# Finders of the class `Tests` start a process for each bug and run only in `make planted`.
FAST_BUGS = [bug for bug in BUGS if not isinstance(bug.found_by, Tests)]


@pytest.mark.parametrize("bug", FAST_BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug):
    """The part of the suite named by the bug finds it."""
    assert bug.found_by.find(bug), f"{bug.found_by.name} did not find that {bug.what}"


def test_bugs_have_unique_names():
    """A test process gets its bug by name."""
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= BUGS_MIN


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_patches_existing_names(bug):
    """`monkeypatch` raises if the name of a patched function has changed."""
    with pytest.MonkeyPatch.context() as patch:
        bug.plant(patch)


@pytest.mark.parametrize("scenario", SOUND_SCENARIOS)
def test_without_a_bug_nothing_is_found(scenario):
    """Crash states violate nothing without a bug."""

    def nothing(_):
        pass

    finder = CrashStates(scenario)
    assert finder.find(PlantedBug(what="", plant=nothing, found_by=finder)) == ""
