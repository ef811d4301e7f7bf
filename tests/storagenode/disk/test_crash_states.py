"""A power failure at any point of any operation breaks no promise."""

import functools
import sys

import pytest

from tests.storagenode.disk.batch_scenarios import SCENARIOS
from tests.storagenode.disk.crash_exploration import explore

STATES_MIN = 20_000

explored = functools.cache(explore)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_crash_breaks_a_promise(scenario):
    """Acknowledged files survive, partial files are invisible, and deleted files stay deleted."""
    exploration = explored(scenario)
    sys.stdout.write(f"{scenario.name}: {exploration.states} states, {exploration.checks} checks\n")
    assert exploration.violations == []
    assert exploration.states >= 3


def test_enough_states_are_explored():
    """An exploration without states would find nothing."""
    states = sum(explored(scenario).states for scenario in SCENARIOS)
    sys.stdout.write(f"{states} different states of a disk after a crash\n")
    assert states >= STATES_MIN
