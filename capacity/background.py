"""Daily costs of the work that runs without requests, for a node and for a storagemaster."""

from collections.abc import Iterator
from dataclasses import dataclass

from capacity.scenario import Scenario
from capacity.unit_costs import UnitCosts
from storagemaster.jobs.sweep import PASS_SECONDS as SWEEP_SECONDS
from storagemaster.mirrors.fleet import POLL_SECONDS
from storagemaster.repair.reconcile import CYCLE_SECONDS

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyCost:
    """The cost of one task for a node in a day."""

    task: str
    times_a_day: float
    processor_seconds: float
    read_bytes: float = 0.0

    @property
    def core_share(self) -> float:
        """The share of one core."""
        return self.processor_seconds / DAY_SECONDS


def daily_costs(scenario: Scenario, costs: UnitCosts) -> tuple[DailyCost, ...]:
    """Return the cost of each task on one node."""
    return tuple(_costs(scenario, costs))


def scrub_days(scenario: Scenario, costs: UnitCosts) -> float:
    """Return the days of one pass of the scrub over a node."""
    by_budget = scenario.node_bytes / scenario.scrub_bytes_per_second
    by_processor = _scrub_processor_seconds(scenario, costs)
    return max(by_budget, by_processor) / DAY_SECONDS


def _scrub_processor_seconds(scenario: Scenario, costs: UnitCosts) -> float:
    each = costs.scrub_seconds_per_file + costs.scrub_seconds_per_byte * scenario.file_bytes
    return scenario.files_per_node * each


def _costs(scenario: Scenario, costs: UnitCosts) -> Iterator[DailyCost]:
    days = scrub_days(scenario, costs)
    yield DailyCost(
        task="scrub",
        times_a_day=1 / days,
        processor_seconds=_scrub_processor_seconds(scenario, costs) / days,
        read_bytes=scenario.node_bytes / days,
    )
    # Each storagemaster compares and sweeps all volumes; a sweep requests one mirror of each.
    digests_seconds = scenario.volumes_per_node * costs.digest_seconds_per_volume
    compared = DAY_SECONDS / CYCLE_SECONDS * scenario.masters_count
    yield DailyCost(
        task="comparison of mirrors",
        times_a_day=compared,
        processor_seconds=compared * digests_seconds,
    )
    swept = DAY_SECONDS / SWEEP_SECONDS * scenario.masters_count
    yield DailyCost(
        task="sweep for pending photos",
        times_a_day=swept,
        processor_seconds=swept * digests_seconds / scenario.mirrors,
    )
    polls = DAY_SECONDS / POLL_SECONDS * scenario.masters_count
    yield DailyCost(
        task="status polls", times_a_day=polls, processor_seconds=polls * costs.status_seconds
    )
