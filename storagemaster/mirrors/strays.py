"""Strays: volumes on nodes that the volume map does not give them to.

A move leaves one, and so does a disk from a backup. Repair copies its files to the mirrors, and
drops it once they have all of them.
"""

from collections.abc import Mapping
from functools import partial

from storagemaster.mirrors.fleet import NodeView
from storagemaster.mirrors.mirrors import OPERATOR_PATIENCE_SECONDS, Mirrors
from storagenode.client import NodeClient
from volumes.cluster import Cluster, NodeId
from volumes.config.config_reader import InvalidConfig, Problem
from volumes.photo_path import VolumeId

Views = Mapping[NodeId, NodeView]


def find_strays(cluster: Cluster, views: Views) -> dict[VolumeId, list[NodeId]]:
    """Return the nodes that hold each volume although its map names others, by their status."""
    strays: dict[VolumeId, list[NodeId]] = {}
    given = _volumes_by_home(cluster)
    for node, view in views.items():
        if view.status is not None:
            for number in sorted({*view.status.volumes} - given.get(node, set())):
                strays.setdefault(VolumeId(number), []).append(node)
    return strays


class KnownStrays:
    """The strays of all volumes, which only a new map or a new status changes."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors
        self._found: dict[VolumeId, list[NodeId]] = {}
        self._of: tuple[Cluster | None, Views | None] = (None, None)

    def now(self) -> Mapping[VolumeId, list[NodeId]]:
        """Return the nodes that hold each volume without having it by the map."""
        cluster, views = self._mirrors.cluster, self._mirrors.fleet.view()
        if self._of[0] is not cluster or self._of[1] is not views:
            self._found, self._of = find_strays(cluster, views), (cluster, views)
        return self._found


def find_lacking_mirrors(cluster: Cluster, views: Views) -> dict[NodeId, list[VolumeId]]:
    """Return the volumes that each node lacks although its map has them, by its last status."""
    lacking: dict[NodeId, list[VolumeId]] = {}
    for node, given in _volumes_by_home(cluster).items():
        view = views.get(node)
        if view is None or not view.up or view.status is None:
            continue
        if missing := given - {*view.status.volumes}:
            lacking[node] = sorted(map(VolumeId, missing))
    return lacking


def _volumes_by_home(cluster: Cluster) -> dict[NodeId, set[int]]:
    # Differences of sets: a status of 50,000 volumes compares them all.
    found: dict[NodeId, set[int]] = {}
    for number, volume in cluster.volumes.items():
        for node in volume.homes:
            found.setdefault(node, set()).add(number)
    return found


async def _digests(number: VolumeId, _: NodeId, node: NodeClient) -> dict[str, str]:
    return await node.shard_digests(number)


async def refuse_foreign_map(mirrors: Mirrors) -> None:
    """Compare the volume map with the files on its nodes. A removed node is only merged.

    Raises:
        InvalidConfig: A volume has files on some nodes, and all its mirrors are others and empty.
    """
    problems = []
    for number, strays in find_strays(mirrors.cluster, mirrors.fleet.view()).items():
        if number in mirrors.cluster.volumes:
            volume = mirrors.cluster.volumes[number]
            found = await mirrors.query(
                (*volume.mirrors, *strays),
                partial(_digests, number),
                patience_seconds=OPERATOR_PATIENCE_SECONDS,
            )
            members = filter(mirrors.cluster.nodes.__contains__, strays)
            holders = [node for node in members if found.results.get(node)]
            if holders and all(found.results.get(node) == {} for node in volume.mirrors):
                problems.append(
                    Problem(
                        f"volume {number}",
                        f"its photos are on {', '.join(holders)}, and none on its mirrors "
                        f"{', '.join(volume.mirrors)}; keep a node that has the photos among the "
                        "mirrors until the others are filled",
                    )
                )
    if problems:
        raise InvalidConfig(tuple(problems), where="the volume map")
