"""The suite can fail: each of these bugs, planted on purpose, is found by the part it names."""

import pytest

from tests.planted.catalogue import BUGS
from tests.planted.finders import CrashStates, Tests
from tests.planted.planted_bug import PlantedBug

BUGS_MIN = 40
SOUND_SCENARIOS = ("put", "put other bytes", "quarantine", "restore digest", "relink")


# Those that have a file of tests fail start a process each: `make planted` has the time for them.
FAST_BUGS = [bug for bug in BUGS if not isinstance(bug.found_by, Tests)]


@pytest.mark.parametrize("bug", FAST_BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug):
    """By the part of the suite that is there for it."""
    assert bug.found_by.find(bug), f"{bug.found_by.name} did not find that {bug.what}"


def test_enough_bugs_are_planted_each_under_a_name_of_its_own():
    """A name is how a test process is told which to plant."""
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= BUGS_MIN


@pytest.mark.parametrize("scenario", SOUND_SCENARIOS)
def test_without_a_bug_nothing_is_found(scenario):
    """What is found above is the bug and nothing else; the simulation's own test says so of it."""

    def nothing(_):
        pass

    finder = CrashStates(scenario)
    assert finder.find(PlantedBug(what="", plant=nothing, found_by=finder)) == ""
