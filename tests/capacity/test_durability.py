"""Simulated losses: repeatable, and equal to what can be computed for two disks."""

import math

import pytest

from capacity import durability
from capacity.durability import YEAR_SECONDS, simulate_losses
from capacity.layout import lay_out
from capacity.rebuild import Rebuild
from tests.capacity.scenarios import scenario

DAY_SECONDS = 86_400
CALM = {"colo_losses_per_year": 0.0, "colo_outages_per_year": 0.0}


def losses(rebuild_days, **changes):
    """Return the durability of a scenario whose disks fill in some days."""
    chosen = scenario(**changes)
    seconds = rebuild_days * DAY_SECONDS
    rebuild = Rebuild(node_seconds=seconds, budget_seconds=0.0)
    return simulate_losses(chosen, lay_out(chosen), rebuild)


def test_two_disks_lose_their_volume_as_often_as_computed():
    """A pair is lost if the second disk fails while the first is replaced and filled."""
    share, days = 0.3, 12.0
    found = losses(
        days - 1, nodes=2, colos=2, volumes=1, disk_losses_per_year=share, years=20_000, **CALM
    )
    rate = -math.log1p(-share)
    window = days * DAY_SECONDS / YEAR_SECONDS
    computed = 2 * rate * (1 - math.exp(-rate * window))
    assert found.chance_of_loss.low < computed < found.chance_of_loss.high
    assert found.lost_share.low < computed < found.lost_share.high
    assert found.years_with_loss > 100


def test_a_seed_repeats_its_losses():
    """The same seed gives the same figures, and another one gives others."""
    first, again, other = (losses(30, disk_losses_per_year=0.3, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.lost_share != other.lost_share


def test_a_third_mirror_loses_less():
    """Three mirrors survive two failures at a time."""
    two, three = (losses(30, disk_losses_per_year=0.4, mirrors=count) for count in (2, 3))
    assert three.years_with_loss < two.years_with_loss
    assert three.lost_share.mean < two.lost_share.mean / 10


def test_volumes_with_the_fewest_copies_are_filled_first(monkeypatch):
    """In another order of repair, more photos are lost."""
    chosen = {"mirrors": 3, "disk_losses_per_year": 0.7, "years": 100, **CALM}
    in_order = losses(60, **chosen)
    monkeypatch.setattr(durability, "by_danger", lambda volumes, _: list(volumes))
    assert losses(60, **chosen).lost_share.mean > 1.2 * in_order.lost_share.mean > 0


def test_few_partners_lose_rarely_and_much():
    """With one partner, losses are rarer, and each one is larger."""
    few, many = (
        losses(30, disk_losses_per_year=0.2, partners=partners, colos=2, years=2_000, **CALM)
        for partners in (1, 0)
    )
    assert few.years_with_loss < many.years_with_loss
    few_each = few.lost_share.mean / few.years_with_loss
    assert few_each > many.lost_share.mean / many.years_with_loss


def test_a_lost_colo_alone_loses_nothing():
    """All mirrors are in other colos, so only a further failure loses photos."""
    found = losses(1, disk_losses_per_year=1e-9, colo_losses_per_year=0.05)
    assert found.years_with_loss == 0


def test_a_lost_colo_leaves_single_copies_until_it_is_filled():
    """A disk that fails while a colo is filled loses the volumes that it shares with it."""
    slow = losses(100, colo_losses_per_year=0.5, colos=2, disk_losses_per_year=0.5)
    quick = losses(0.1, colo_losses_per_year=0.5, colos=2, disk_losses_per_year=0.5)
    assert slow.lost_share.mean > quick.lost_share.mean > 0


def test_outages_make_repair_longer():
    """Repair waits in outages, and further disks fail meanwhile."""
    often = {"colo_outages_per_year": 50.0, "outage_hours": 100.0, "years": 2_000}
    calm = losses(5, disk_losses_per_year=0.2, **{**often, "colo_outages_per_year": 0.0})
    assert losses(5, disk_losses_per_year=0.2, **often).lost_share.mean > calm.lost_share.mean


@pytest.mark.parametrize("years", [100, 1_000])
def test_no_loss_is_not_a_promise(years):
    """Without any simulated loss, the upper limit follows from the number of years."""
    found = losses(1, disk_losses_per_year=1e-9, years=years, **CALM)
    assert found.years_with_loss == 0
    assert found.chance_of_loss.low == 0.0
    assert 3 / years < found.chance_of_loss.high < 4 / years
    assert 0 < found.lost_share.high < found.chance_of_loss.high
