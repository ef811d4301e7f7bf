"""The rate at which a joining node gets a volume is that of its last minute."""

import asyncio
from types import SimpleNamespace

from storagemaster.moves.move_rates import MoveRates
from volumes.cluster import Volume

VOLUME = Volume(number=1, mirrors=("east-1", "west-1"), joining=("east-2", "west-2"))


class Reports:
    """Joining nodes with these bytes."""

    def __init__(self):
        self.bytes_of = dict.fromkeys(VOLUME.joining, 0)

    async def summaries(self, node, numbers):
        """Return the bytes of the volumes on a node."""
        return {number: SimpleNamespace(bytes=self.bytes_of[node]) for number in numbers}


def test_the_rate_is_that_of_the_slowest_node_in_the_last_minute():
    """It is unknown before the second look, and 0 while nothing arrives."""
    reports, now = Reports(), [0.0]
    mirrors = SimpleNamespace(cluster=SimpleNamespace(volumes={1: VOLUME}))
    rates = MoveRates(mirrors, reports, clock=lambda: now[0])

    def look(**bytes_of):
        reports.bytes_of |= {name.replace("_", "-"): size for name, size in bytes_of.items()}
        asyncio.run(rates.observe())
        now[0] += 10
        return rates.bytes_per_second(1)

    assert look() is None
    assert look(east_2=1_000, west_2=300) == 30
    assert look(east_2=2_000, west_2=600) == 30
    for _ in range(7):
        last = look()
    assert last == 0
    assert rates.bytes_per_second(2) is None
