"""Simulated histories keep every promise, and each seed is reproducible."""

import os
import subprocess
import sys

import pytest

from tests.simulation.campaign import Tally, outcomes, replay
from tests.simulation.simulation import simulate

SEEDS = range(1, 2001)
FAULT_KINDS_MIN = 25


def test_two_thousand_histories_keep_every_promise():
    """No seed violates a rule; a failure names the command that runs its seed again."""
    tally = Tally()
    for outcome in outcomes(SEEDS):
        tally.add(outcome)
    sys.stdout.write(f"{tally.summary()}\n")
    assert [f"{replay(each.seed)}: {each.violations[0]}" for each in tally.failed] == []
    assert tally.histories == len(SEEDS)
    assert len(tally.faults) >= FAULT_KINDS_MIN


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_is_one_history_in_any_process(hash_seed):
    """A log does not depend on the process or on the order of sets."""
    script = (
        "from tests.simulation.simulation import simulate\n"
        "print([simulate(seed).digest for seed in range(100, 110)])\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    printed = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert printed == f"{[simulate(seed).digest for seed in range(100, 110)]}\n"


def test_other_seeds_are_other_histories():
    """Seeds produce different logs."""
    assert len({simulate(seed).digest for seed in range(200, 210)}) == 10
