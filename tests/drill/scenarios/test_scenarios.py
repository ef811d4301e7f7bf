"""The table of scenarios."""

import asyncio

import pytest

from drill.faults import evidence as evidence_module
from drill.faults.evidence import Evidence, wait_until
from drill.scenarios.scenarios import SCENARIOS
from glassplate.local.plan import LocalPorts

SCENARIOS_MIN = 30
EDGES = set(LocalPorts(8080).edges)


def test_there_are_thirty_scenarios_and_ten_representative_ones():
    """There are at least 30 scenarios, and at least 10 but not all are representative."""
    representative = [s for s in SCENARIOS.values() if s.is_representative]
    assert len(SCENARIOS) >= SCENARIOS_MIN
    assert 10 <= len(representative) < len(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)
def test_a_scenario_is_complete(scenario):
    """A scenario has a description, steps within the load, and existing edges."""
    assert scenario.description.endswith(".")
    assert scenario.steps
    assert all(0 < step.begins < step.ends < 1 for step in scenario.steps)
    assert set(scenario.unaffected_edges) <= EDGES


def test_a_fault_waits_until_it_has_something_to_affect(monkeypatch):
    """At most for a while; then its evidence is missing."""
    monkeypatch.setattr(evidence_module, "WAIT_POLL_SECONDS", 0)
    files = iter(([], [], ["a photo"]))
    assert asyncio.run(wait_until(lambda: next(files))) == ["a photo"]
    monkeypatch.setattr(evidence_module, "WAIT_SECONDS_MAX", 0)
    assert asyncio.run(wait_until(list)) == []


def test_evidence_is_complete_only_when_all_of_it_fired():
    """Evidence is complete if there is some, and every fault fired."""
    evidence = Evidence()
    assert not evidence.is_complete
    evidence.add(3, "three connections were cut")
    assert evidence.is_complete
    evidence.add(0, "no connection was held")
    assert not evidence.is_complete
    assert list(evidence.missing()) == ["no connection was held"]
