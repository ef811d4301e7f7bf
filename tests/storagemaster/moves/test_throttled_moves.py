"""Moves keep to the rate of the receiving node."""

import pytest

from tests.storagemaster.moves.test_moves import NEW, begin, restore_roots, start_following
from tests.storagemaster.pictures import long_picture
from volumes.cluster import Limits

PHOTOS = 4


@pytest.fixture(name="cluster")
def _cluster(runner, cluster_with):
    """Return a small cluster whose nodes take a byte of moves a second, after the first file."""
    limits = Limits(move_bytes_per_second=1)
    yield (cluster := runner.run(start_following(cluster_with, limits=limits)))
    restore_roots(cluster)


async def test_a_node_leaves_what_it_may_not_receive_to_a_later_pass(cluster):
    """Nothing counts as failed, the node stays up, and an operator's repair does not wait."""
    paths = [await store(cluster, number) for number in range(PHOTOS)]
    await begin(cluster)
    for _ in range(2):
        await cluster.master.filling.fill_all()
        await cluster.master.reconcile.reconcile(1)
        assert sum(path in cluster.visible(NEW) for path in paths) == 1
    assert cluster.master.fleet.is_up(NEW)
    assert not cluster.master.reconcile.given_up
    report = await cluster.master.reconcile.reconcile(1, unthrottled=True)
    assert (report.done, report.failed) == (PHOTOS - 1, {})
    assert set(paths) <= cluster.visible(NEW)


async def store(cluster, number):
    """Upload a photo that is too large for a batch; return the path of its original."""
    data = long_picture(600_000 + number)
    answer = await cluster.master.request("POST", "/photos?volume=1", data=data)
    assert answer.status == 201
    return answer.original
