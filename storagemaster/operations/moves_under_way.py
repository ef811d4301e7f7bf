"""The moves under way, with what is copied, the time left, and what each waits for.

A stray is the end of a move, and waits for a proof as well.
"""

from collections.abc import Iterator, Mapping, Sequence

from storagemaster.mirrors.fleet import NodeView
from storagemaster.mirrors.known_contents import KnownContents
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.strays import find_strays
from storagemaster.moves.move_rates import MoveRates
from storagemaster.operations.status_document import MoveState
from volumes.cluster import NodeId, Volume
from volumes.photo_path import VolumeId

EQUAL_FILES = "proof of equal files"


def moves_under_way(
    mirrors: Mirrors, contents: KnownContents, rates: MoveRates
) -> Iterator[MoveState]:
    """Yield the state of each volume that moves, in the order of volumes."""
    views = mirrors.fleet.view()
    for volume in mirrors.cluster.volumes.values():
        if not (volume.joining or volume.leaving):
            continue
        stored = {node: summary.bytes for node, summary in contents.of(volume.number).items()}
        total = max(stored.values(), default=None)
        copied = min((stored.get(node, 0) for node in volume.joining), default=total or 0)
        left = (total or 0) - copied
        rate = rates.bytes_per_second(volume.number)
        yield {
            "volume": volume.number,
            "state": "joining" if volume.joining else "leaving",
            "joining": [*volume.joining],
            "leaving": [*volume.leaving],
            "bytes": total,
            "copied_bytes": copied,
            "bytes_per_second": rate,
            "seconds_left": left / rate if rate else None,
            "waits_for": _waits_for(volume, views, left),
        }


def strays_by_wait(mirrors: Mirrors) -> dict[NodeId, dict[str, list[VolumeId]]]:
    """Return the volumes that each node holds without having them by the map, by their waits."""
    found: dict[NodeId, dict[str, list[VolumeId]]] = {}
    for number, nodes in sorted(find_strays(mirrors.cluster, mirrors.fleet.view()).items()):
        for node in nodes:
            waits = _stray_waits_for(mirrors, number, node)
            found.setdefault(node, {}).setdefault(waits, []).append(number)
    return found


def _stray_waits_for(mirrors: Mirrors, number: VolumeId, node: NodeId) -> str:
    cluster, views = mirrors.cluster, mirrors.fleet.view()
    volume = cluster.volumes.get(number)
    if volume is None:
        return "the volume to be in the map"
    if node not in cluster.nodes:
        return f"{node} to be switched off, which has left the map"
    if mirrors.fleet.cold_tier_of(number) is not None:
        return "a recall of the offloaded volume: glassplate volume recall"
    return (
        _waits_for_nodes((*volume.mirrors, node), views, cluster.map_version)
        or _waits_for_tombstones(volume, views)
        or EQUAL_FILES
    )


def _waits_for(volume: Volume, views: Mapping[NodeId, NodeView], left_bytes: int) -> str:
    if waits := _waits_for_nodes(volume.homes, views, volume.since):
        return waits
    if volume.joining and left_bytes:
        return "copies"
    return ("" if volume.joining else _waits_for_tombstones(volume, views)) or EQUAL_FILES


def _waits_for_nodes(
    nodes: Sequence[NodeId], views: Mapping[NodeId, NodeView], version: int
) -> str:
    if down := [node for node in nodes if not views[node].up]:
        return f"{', '.join(down)}, down"
    if behind := [node for node in nodes if not _follows(views[node], version)]:
        return f"{', '.join(behind)}, to follow the map"
    return ""


def _waits_for_tombstones(volume: Volume, views: Mapping[NodeId, NodeView]) -> str:
    fenced = [node for node in volume.mirrors if _is_fenced(views[node], volume.number)]
    return f"{', '.join(fenced)}, to have all tombstones" if fenced else ""


def _follows(view: NodeView, version: int) -> bool:
    return view.status is not None and view.status.map_version >= version


def _is_fenced(view: NodeView, number: VolumeId) -> bool:
    return view.status is not None and number in view.status.fenced
