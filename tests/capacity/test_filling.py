"""Filling by the placement of a storagemaster."""

from capacity.filling import fill
from capacity.layout import lay_out
from tests.capacity.scenarios import scenario

TERABYTE = 10**12


def test_equal_disks_fill_to_twice_the_reserve():
    """All disks take photos until two percent are free."""
    filling = fill(lay_out(scenario()), (TERABYTE,))
    assert filling.raw_bytes == 12 * TERABYTE
    assert 0.97 < filling.fraction < 0.99


def test_a_small_disk_limits_the_volumes_that_it_shares():
    """With one partner, a large disk holds no more than the small one that it is paired with."""
    pairs = lay_out(scenario(colos=2, partners=1))
    filling = fill(pairs, (TERABYTE, 3 * TERABYTE))
    assert 0.48 < filling.fraction < 0.51


def test_large_disks_fill_better_with_many_partners():
    """Disks of different sizes in each colo share volumes with disks of all sizes."""
    sizes = (TERABYTE, TERABYTE, 3 * TERABYTE, 3 * TERABYTE)
    few = fill(lay_out(scenario(colos=2, partners=1)), (TERABYTE, 3 * TERABYTE))
    many = fill(lay_out(scenario(colos=2)), sizes)
    assert many.fraction > few.fraction
