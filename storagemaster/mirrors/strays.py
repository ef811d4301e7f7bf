"""Volumes on nodes that the volume map does not give them to.

They show that the mirrors of a volume were changed in `cluster.toml`. The photos are where they
were, and edges request them from other nodes.
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
    """Return the nodes that hold each volume without being its mirrors, by their last status."""
    strays: dict[VolumeId, list[NodeId]] = {}
    mirrored = _volumes_by_mirror(cluster)
    for node, view in views.items():
        # A removed node that is down will not return: its disk is lost, or was drained.
        if view.status is not None and (view.up or node in cluster.nodes):
            for number in sorted({*view.status.volumes} - mirrored.get(node, set())):
                strays.setdefault(VolumeId(number), []).append(node)
    return strays


def volumes_by_stray(cluster: Cluster, views: Views) -> dict[NodeId, list[VolumeId]]:
    """Return the volumes that each node holds without being their mirror."""
    found: dict[NodeId, list[VolumeId]] = {}
    for number, nodes in sorted(find_strays(cluster, views).items()):
        for node in nodes:
            found.setdefault(node, []).append(number)
    return found


def find_lacking_mirrors(cluster: Cluster, views: Views) -> dict[NodeId, list[VolumeId]]:
    """Return the volumes that each node lacks although it is their mirror, by its last status."""
    lacking: dict[NodeId, list[VolumeId]] = {}
    for node, mirrored in _volumes_by_mirror(cluster).items():
        view = views.get(node)
        if view is None or not view.up or view.status is None:
            continue
        if missing := mirrored - {*view.status.volumes}:
            lacking[node] = sorted(map(VolumeId, missing))
    return lacking


def _volumes_by_mirror(cluster: Cluster) -> dict[NodeId, set[int]]:
    # Differences of sets: a status of 50,000 volumes compares them all.
    found: dict[NodeId, set[int]] = {}
    for number, volume in cluster.volumes.items():
        for node in volume.mirrors:
            found.setdefault(node, set()).add(number)
    return found


async def _digests(number: VolumeId, _: NodeId, node: NodeClient) -> dict[str, str]:
    return await node.shard_digests(number)


async def refuse_foreign_map(mirrors: Mirrors) -> None:
    """Compare the volume map with the files on the nodes.

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
            holders = [node for node in strays if found.results.get(node)]
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
