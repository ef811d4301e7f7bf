"""The moves under way, with what is copied, the time left, and what each waits for."""

from collections.abc import Iterator, Mapping

from storagemaster.mirrors.fleet import NodeView
from storagemaster.mirrors.known_contents import KnownContents
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.moves.move_rates import MoveRates
from storagemaster.operations.status_document import MoveState
from volumes.cluster import NodeId, Volume
from volumes.photo_path import VolumeId


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


def _waits_for(volume: Volume, views: Mapping[NodeId, NodeView], left_bytes: int) -> str:
    down = [node for node in volume.homes if not views[node].up]
    if down:
        return f"{', '.join(down)}, down"
    behind = [node for node in volume.homes if not _follows(views[node], volume.since)]
    if behind:
        return f"{', '.join(behind)}, to follow the map"
    if volume.joining and left_bytes:
        return "copies"
    fenced = [node for node in volume.mirrors if _is_fenced(views[node], volume.number)]
    if fenced and not volume.joining:
        return f"{', '.join(fenced)}, to have all tombstones"
    return "proof of equal files"


def _follows(view: NodeView, version: int) -> bool:
    return view.status is not None and view.status.map_version >= version


def _is_fenced(view: NodeView, number: VolumeId) -> bool:
    return view.status is not None and number in view.status.fenced
