"""Daily costs of the work that runs without requests, for a node and for a storagemaster."""

from collections.abc import Iterator
from dataclasses import dataclass

from capacity.scenario import Scenario
from capacity.unit_costs import UnitCosts
from storagemaster.jobs.sweep import PASS_SECONDS as SWEEP_SECONDS
from storagemaster.mirrors.fleet import POLL_SECONDS
from storagemaster.repair.cycle import CYCLE_SECONDS, CYCLES_OF_OTHERS, PASSES_PER_CYCLE

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
    # Each owner compares its volumes in each cycle, and each other storagemaster in some.
    digests_seconds = scenario.volumes_per_node * costs.digest_seconds_per_volume
    cycles = DAY_SECONDS / CYCLE_SECONDS
    compared = cycles * (1 + (scenario.masters_count - 1) / CYCLES_OF_OTHERS)
    # A request without its volumes costs about as much as a status.
    requests = cycles * PASSES_PER_CYCLE * scenario.masters_count
    request_seconds = costs.status_seconds + costs.look_again_seconds
    yield DailyCost(
        task="comparison of mirrors",
        times_a_day=compared,
        processor_seconds=compared * digests_seconds + requests * request_seconds,
    )
    # Each storagemaster sweeps all volumes, on one mirror of each.
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
