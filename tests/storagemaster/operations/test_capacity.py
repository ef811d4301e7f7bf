"""Fill and days to full of nodes and colos, from what the nodes report."""

from dataclasses import replace

import pytest

from storagemaster.mirrors.fleet import NodeView
from storagemaster.operations.capacity import DAYS_MAX, colo_capacities, node_capacity
from storagenode.protocol.wire import NodeStatus
from tests.proxy_config.golden_configs import golden_cluster

GIGABYTE = 1_000_000_000
CLUSTER = golden_cluster()
STATUS = NodeStatus(
    node="east-1",
    uuid="",
    colo="east",
    boot="",
    volumes=(),
    free_bytes=120 * GIGABYTE,
    total_bytes=1000 * GIGABYTE,
    accepts_new_photos=True,
    suspect_reason="",
    hints=0,
    reserve_bytes=10 * GIGABYTE,
    filled_bytes_per_day=10.0 * GIGABYTE,
)


def views(**changes_by_node):
    """Return the views of all nodes; a node with None has not reported yet."""
    found = dict.fromkeys(CLUSTER.nodes, STATUS)
    for name, changes in changes_by_node.items():
        id_ = name.replace("_", "-")
        found[id_] = None if changes is None else replace(STATUS, **changes)
    return {id_: NodeView(up=True, status=status, reason="") for id_, status in found.items()}


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({}, 10),
        ({"filled_bytes_per_day": -5.0}, DAYS_MAX),
        ({"filled_bytes_per_day": 0.0}, DAYS_MAX),
        ({"filled_bytes_per_day": 1.0}, DAYS_MAX),
        ({"filled_bytes_per_day": None}, None),
        ({"free_bytes": 15 * GIGABYTE}, 0),
    ],
)
def test_a_node_is_full_at_twice_its_reserve(changes, days):
    """At the rate that it reports; unknown without a rate."""
    found = node_capacity(CLUSTER.nodes["east-1"], views(east_1=changes)["east-1"])
    assert found["days_to_full"] == days


def test_a_colo_fills_as_its_nodes_together():
    """The node with more space takes more photos."""
    east, west = colo_capacities(
        CLUSTER,
        views(east_2={"free_bytes": 320 * GIGABYTE, "filled_bytes_per_day": 30.0 * GIGABYTE}),
    )
    assert east == {
        "id": "east",
        "free_bytes": 440 * GIGABYTE,
        "total_bytes": 2000 * GIGABYTE,
        "fill_share": 0.78,
        "days_to_full": 10,
    }
    assert (west["fill_share"], west["days_to_full"]) == (0.88, 10)


def test_what_has_not_been_reported_is_unknown():
    """A bucket has no size, and a node without a history hides the rate of its colo."""
    assert node_capacity(CLUSTER.nodes["east-1"], views(east_1=None)["east-1"]) == {
        "fill_share": None,
        "days_to_full": None,
    }
    (east, _) = colo_capacities(CLUSTER, views(east_1=None))
    assert (east["fill_share"], east["days_to_full"]) == (0.88, 10)
    (east, _) = colo_capacities(CLUSTER, views(east_1={"filled_bytes_per_day": None}))
    assert (east["fill_share"], east["days_to_full"]) == (0.88, None)
    bucket = replace(CLUSTER.nodes["east-1"], store="s3://photos/east-1")
    assert node_capacity(bucket, views()["east-1"])["fill_share"] is None
