"""Scenarios and unit costs of these tests."""

from dataclasses import replace

from capacity.scenario import Scenario
from capacity.unit_costs import UnitCosts

COSTS = UnitCosts(
    photo_file_bytes=(2_000_000, 400_000, 2_000),
    repair_clock_seconds_per_file=0.001,
    repair_clock_seconds_per_byte=1e-8,
    scrub_seconds_per_file=1e-4,
    scrub_seconds_per_byte=1e-9,
    digest_seconds_per_volume=1e-5,
    look_again_seconds=1e-3,
    restart_seconds_per_file=1e-6,
    status_seconds=1e-4,
    machine="a machine",
    measured_by={},
)
SMALL = Scenario(nodes=12, colos=3, files_per_node=1_000_000, volumes=720, years=200)


def scenario(**changes):
    """Return a small scenario with changes."""
    return replace(SMALL, **changes)
