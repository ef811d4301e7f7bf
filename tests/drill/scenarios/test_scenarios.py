"""The table of scenarios: enough of them, and each says what it does to whom."""

import pytest

from drill.faults.evidence import Evidence
from drill.scenarios.scenarios import SCENARIOS
from glassplate.local.plan import LocalPorts

SCENARIOS_MIN = 30
EDGES = set(LocalPorts(8080).edges)


def test_there_are_enough_and_some_stand_for_all():
    """Thirty at least; the representative ones are a part of them."""
    representative = [s for s in SCENARIOS.values() if s.is_representative]
    assert len(SCENARIOS) >= SCENARIOS_MIN
    assert 10 <= len(representative) < len(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)
def test_a_scenario_is_whole(scenario):
    """It has a story, faults in the time of the load, and spares edges that there are."""
    assert scenario.description.endswith(".")
    assert scenario.steps
    assert all(0 < step.begins < step.ends < 1 for step in scenario.steps)
    assert set(scenario.unaffected_edges) <= EDGES


def test_evidence_is_complete_only_when_all_of_it_fired():
    """No evidence is no proof."""
    evidence = Evidence()
    assert not evidence.is_complete
    evidence.add(3, "three connections were cut")
    assert evidence.is_complete
    evidence.add(0, "no connection was held")
    assert not evidence.is_complete
    assert list(evidence.missing()) == ["no connection was held"]
