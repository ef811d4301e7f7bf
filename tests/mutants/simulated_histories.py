"""The first simulated histories, one test each. Only mutants run them: `make test` runs more."""

import pytest

from tests.simulation.simulation import simulate


@pytest.mark.parametrize("seed", range(1, 41))
def test_a_history_keeps_every_promise(seed):
    """In this process, so that a mutant runs the histories that reach it."""
    assert simulate(seed).violations == ()
