"""Search of all nodes for the files of a photo: live, hints, in the trash, in quarantine."""

from collections.abc import Iterable
from typing import Any

from storagemaster.mirrors.mirrors import OPERATOR_PATIENCE_SECONDS, Mirrors
from storagenode.protocol.layout import HINTS, QUARANTINE, TRASH
from volumes.cluster import Cluster, NodeId
from volumes.photo_id import PhotoId

_LOCATIONS = {HINTS: "hint", TRASH: "trash", QUARANTINE: "quarantine"}


class PhotoSearch:
    """Search of every node, whatever the volume map says."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def find(self, photo: PhotoId) -> dict[str, Any]:
        """Return every path of a photo on every node, and the reason of unreachable nodes."""
        found = await self._mirrors.query(
            self._mirrors.everywhere,
            lambda _, node: node.find(photo),
            patience_seconds=OPERATOR_PATIENCE_SECONDS,
        )
        return {
            "photo": photo,
            "files": [
                found_document(self._mirrors.cluster, node, path)
                for node, paths in found.results.items()
                for path in paths
            ],
            "unreachable": dict(found.unreachable),
        }


def found_document(cluster: Cluster, node: NodeId, path: str) -> dict[str, Any]:
    """Return the document of a path on a node: its area, and the mirror that a hint is for."""
    location = location_of(path)
    return {
        "node": node,
        "colo": cluster.node(node).colo,
        "location": location,
        "hint_for": path.split("/")[1] if location == "hint" else "",
        "path": path,
    }


def location_of(path: str) -> str:
    """Return the area of a node that a path is in.

    >>> location_of(".trash/2026-01-30/42/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg")
    'trash'
    """
    return _LOCATIONS.get(path.partition("/")[0], "live")


def locations_of(paths: Iterable[str]) -> set[str]:
    """Return the areas of a node that any of these paths is in."""
    return {location_of(path) for path in paths}
