"""Fill of nodes and colos, and the days until they take no new photos."""

from collections.abc import Collection, Mapping
from typing import Any

from storagemaster.mirrors.fleet import NodeView
from storagenode.protocol.wire import NodeStatus
from volumes.cluster import Cluster, Colo, Node, NodeId

DAYS_MAX = 9_999.0
"""The days of a disk that does not fill."""

Views = Mapping[NodeId, NodeView]


def node_capacity(node: Node, view: NodeView) -> dict[str, Any]:
    """Return the fill of a node as it reported it last."""
    return _capacity(_statuses([node], {node.id: view}))


def colo_capacities(cluster: Cluster, views: Views) -> list[dict[str, Any]]:
    """Return the fill of each colo: that of its disks that have reported."""
    nodes: dict[Colo, list[Node]] = {colo: [] for colo in cluster.colos}
    for node in cluster.nodes.values():
        nodes[node.colo].append(node)
    return [
        {
            "id": colo,
            "free_bytes": sum(each.free_bytes for each in statuses),
            "total_bytes": sum(each.total_bytes for each in statuses),
            **_capacity(statuses),
        }
        for colo, members in nodes.items()
        for statuses in (_statuses(members, views),)
    ]


def days_to_full(statuses: Collection[NodeStatus]) -> float | None:
    """Return the days at the rate of the last week, or None while a disk has too short a history.

    New photos stop at twice the reserve. Disks that do not fill have the greatest value.
    """
    rates = [each.filled_bytes_per_day for each in statuses]
    if not statuses or None in rates:
        return None
    left = sum(max(0, each.free_bytes - 2 * each.reserve_bytes) for each in statuses)
    rate = sum(filter(None, rates))
    if left == 0:
        return 0.0
    return min(DAYS_MAX, left / rate) if rate > 0 else DAYS_MAX


def _statuses(nodes: Collection[Node], views: Views) -> list[NodeStatus]:
    """Return the last statuses of the disks among nodes. A bucket has no size."""
    return [
        status
        for node in nodes
        if node.bucket is None and (status := views[node.id].status) is not None
    ]


def _capacity(statuses: Collection[NodeStatus]) -> dict[str, Any]:
    total = sum(each.total_bytes for each in statuses)
    used = total - sum(each.free_bytes for each in statuses)
    return {
        "fill_share": used / total if total else None,
        "days_to_full": days_to_full(statuses),
    }
