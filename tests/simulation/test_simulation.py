"""Whatever goes wrong, no answer is a lie, and in the end every disk is as was promised."""

import os
import subprocess
import sys

import pytest

from tests.simulation.campaign import Tally, outcomes, replay
from tests.simulation.simulation import simulate

SEEDS = range(1, 2001)
FAULT_KINDS_MIN = 25


def test_two_thousand_histories_keep_every_promise():
    """Each of another seed. A seed that fails is printed with the command that replays it."""
    tally = Tally()
    for outcome in outcomes(SEEDS):
        tally.add(outcome)
    sys.stdout.write(f"{tally.summary()}\n")
    assert [f"{replay(each.seed)}: {each.violations[0]}" for each in tally.failed] == []
    assert tally.histories == len(SEEDS)
    assert len(tally.faults) >= FAULT_KINDS_MIN


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_is_one_history_in_any_process(hash_seed):
    """Byte for byte, whatever order Python's sets are in."""
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
    """A digest of nothing would be the same for all."""
    assert len({simulate(seed).digest for seed in range(200, 210)}) == 10
