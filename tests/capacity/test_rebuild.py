"""Time to fill a disk, by the plan and the budget of the repair."""

import pytest

from capacity.rebuild import estimate_rebuild
from storagemaster.repair.tasks import STEP_BYTES_MIN
from tests.capacity.scenarios import COSTS, scenario


def test_a_node_takes_its_time_for_each_file_and_byte():
    """Unthrottled, a disk takes the measured time of its files and bytes."""
    rebuild = estimate_rebuild(scenario(repair_bytes_per_second=10**12), COSTS)
    assert rebuild.node_seconds == pytest.approx(1_000_000 * (0.001 + 1e-8 * 200_000))
    assert rebuild.seconds_of(1) == rebuild.node_seconds
    assert rebuild.limit_of(1) == "node"


def test_the_budget_of_all_storagemasters_limits_many_disks():
    """Disks that are filled at the same time share the budget."""
    rebuild = estimate_rebuild(scenario(), COSTS)
    assert rebuild.limit_of(100) == "repair_budget"
    assert rebuild.seconds_of(100) == pytest.approx(rebuild.seconds_of(50) * 2)
    more = estimate_rebuild(scenario(masters=12), COSTS)
    assert more.seconds_of(100) == pytest.approx(rebuild.seconds_of(100) / 2)


def test_a_small_file_takes_as_much_of_the_budget_as_the_repair_counts():
    """The budget of tiny files is that of their steps."""
    tiny = scenario(file_bytes=100, masters=1, repair_bytes_per_second=STEP_BYTES_MIN)
    assert estimate_rebuild(tiny, COSTS).budget_seconds == pytest.approx(1_000_000)
