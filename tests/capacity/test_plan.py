"""A whole plan: capacity, spare nodes, and the daily costs of background work."""

import json

import pytest

from capacity.background import daily_costs, scrub_days
from capacity.plan import make_plan
from capacity.scenario import InvalidScenario
from capacity.unit_costs import load_unit_costs, parse_unit_costs
from tests.capacity.scenarios import COSTS, scenario

DISK = (10**12,)


def test_nodes_are_needed_and_spare():
    """N nodes hold the files when they are filled up to the reserve, and M are left."""
    half = make_plan(scenario(file_bytes=490_000, disk_bytes=DISK), COSTS)
    assert (half.nodes_needed, half.spare_nodes) == (6, 6)
    assert half.photos == 12 * 1_000_000 // (3 * 2)
    assert half.document()["capacity"]["fill_share"] == pytest.approx(0.5, abs=0.01)


def test_a_colo_can_be_spared_if_its_copies_fit_on_the_others():
    """It takes as many spare nodes as a colo has, and a colo more than mirrors."""
    roomy = {"file_bytes": 490_000, "disk_bytes": DISK}
    assert make_plan(scenario(**roomy), COSTS).colo_can_be_spared
    assert not make_plan(scenario(mirrors=3, **roomy), COSTS).colo_can_be_spared
    full = scenario(file_bytes=800_000, disk_bytes=DISK)
    assert not make_plan(full, COSTS).colo_can_be_spared


def test_files_that_do_not_fit_are_refused():
    """The message says how much is stored and what the disks take."""
    with pytest.raises(InvalidScenario, match="disk_bytes: the nodes store 12,000,000"):
        make_plan(scenario(file_bytes=1_000_000, disk_bytes=DISK), COSTS)


def test_background_work_grows_with_what_it_reads():
    """The scrub is bounded by its rate; comparison and sweep grow with the volumes of a node.

    Requests of comparisons have a cost of their own.
    """
    once, more, most = (
        {cost.task: cost for cost in daily_costs(scenario(volumes=volumes), COSTS)}
        for volumes in (720, 7_200, 13_680)
    )
    sweep, comparison = (
        [each[task].processor_seconds for each in (once, more, most)]
        for task in ("sweep for pending photos", "comparison of mirrors")
    )
    assert sweep[1] == pytest.approx(10 * sweep[0])
    assert comparison[2] - comparison[1] == pytest.approx(comparison[1] - comparison[0])
    assert comparison[1] < 10 * comparison[0]
    assert more["scrub"] == once["scrub"]
    assert once["scrub"].read_bytes == pytest.approx(8 * 1024 * 1024 * 86_400)


def test_a_scrub_of_small_files_is_bounded_by_the_processor():
    """With tiny files, the rate in bytes is not reached."""
    assert scrub_days(scenario(file_bytes=1), COSTS) == pytest.approx(100 / 86_400, rel=0.01)
    assert scrub_days(scenario(), COSTS) == pytest.approx(200e9 / 2**23 / 86_400)


def test_each_measured_cost_says_how_it_was_measured():
    """The file of unit costs has every cost, positive, with the way to measure it."""
    costs = load_unit_costs()
    document = costs.document()
    measured = {name for name in document if name not in {"machine", "measured_by"}}
    assert set(costs.measured_by) == measured
    assert all(each > 0 for each in costs.photo_file_bytes)
    assert all(document[name] > 0 for name in measured - {"photo_file_bytes"})
    assert parse_unit_costs(json.dumps(document)) == costs
