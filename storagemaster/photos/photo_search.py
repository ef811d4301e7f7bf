"""Where on all nodes files of a photo are: at home, owed, in the trash, in quarantine."""

from collections.abc import Iterable, Mapping
from typing import Any

from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.node_queries import query_nodes
from storagenode.client import NodeClient
from storagenode.protocol.layout import HINTS, QUARANTINE, TRASH
from volumes.cluster import Cluster, NodeId
from volumes.photo_id import PhotoId

_WHERE = {HINTS: "hint", TRASH: "trash", QUARANTINE: "quarantine"}


class PhotoSearch:
    """Asks every node, whatever the volume map says."""

    def __init__(self, cluster: Cluster, nodes: Mapping[NodeId, NodeClient], fleet: Fleet) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet

    async def find(self, photo: PhotoId) -> dict[str, Any]:
        """Every path of a photo on every node, and the nodes that could not be asked and why."""
        answers = await query_nodes(
            self._nodes, self._nodes, self._fleet, lambda _, node: node.find(photo)
        )
        return {
            "photo": photo,
            "files": [
                found_document(self._cluster, node, path)
                for node, paths in answers.results.items()
                for path in paths
            ],
            "unreachable": dict(answers.unreachable),
        }


def found_document(cluster: Cluster, node: NodeId, path: str) -> dict[str, Any]:
    """A path on a node: which part of the node it is in, and for whom it is held there."""
    location = location_of(path)
    return {
        "node": node,
        "colo": cluster.nodes[node].colo,
        "location": location,
        "hint_for": path.split("/")[1] if location == "hint" else "",
        "path": path,
    }


def location_of(path: str) -> str:
    """The part of a node that a path is in.

    >>> location_of(".trash/2026-01-30/42/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg")
    'trash'
    """
    return _WHERE.get(path.partition("/")[0], "live")


def locations_of(paths: Iterable[str]) -> set[str]:
    """The parts of a node that any of these paths is in."""
    return {location_of(path) for path in paths}
