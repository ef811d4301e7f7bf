"""Volumes close by themselves at a size."""

import pytest

from volumes.cluster import Volume
from volumes.map.closing import full_volumes
from volumes.volume_state import VolumeState


@pytest.mark.parametrize(
    ("bytes_of", "closed", "full"),
    [
        ({1: 99, 2: 100, 3: 101}, (), [2, 3]),
        ({1: 100, 2: 100, 3: 101}, (), [2, 3]),
        ({1: 99, 2: 100, 3: 101}, (1,), [3]),
        ({2: 100}, (), [2]),
        ({}, (), []),
        ({1: 100, 2: 100, 3: 100}, (1, 2, 3), []),
    ],
)
def test_a_volume_closes_at_its_limit_but_never_the_last_one(bytes_of, closed, full):
    """A volume that was not compared yet counts as empty."""
    states = dict.fromkeys(closed, VolumeState.CLOSED)
    volumes = [
        Volume(number=number, mirrors=("a", "b"), state=states.get(number, VolumeState.OPEN))
        for number in (1, 2, 3)
    ]
    assert full_volumes(volumes, bytes_of, bytes_max=100) == full
