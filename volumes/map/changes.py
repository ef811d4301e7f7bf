"""Changes from one volume map to the next: what is different, and what is refused."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from volumes.cluster import Node, NodeId, Volume
from volumes.config.map_tables import MapTables
from volumes.map.volume_map import VolumeMap
from volumes.photo_path import VolumeId
from volumes.volume_ranges import ranges_of, render_volume_ranges
from volumes.volume_state import VolumeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two maps, for operators."""

    what: str
    """The process or the volumes, such as `node east-3` or `volumes 1-4`."""
    before: str
    """Empty if it is new."""
    after: str
    """Empty if it is removed."""


def next_map(old: VolumeMap, wanted: MapTables, *, why: str) -> VolumeMap:
    """Return the version after a map, with these tables.

    `since` of a volume is the version that last changed its mirrors, or its joining or leaving
    nodes. Removed nodes are kept apart. A volume that was not in the map is new: it opens when
    every edge knows it.
    """
    version = old.version + 1

    def numbered(volume: Volume) -> Volume:
        before = old.tables.volumes.get(volume.number)
        if before is None and volume.state is VolumeState.OPEN:
            volume = dataclasses.replace(volume, state=VolumeState.NEW)
        is_same = before is not None and _homes(before) == _homes(volume)
        return dataclasses.replace(volume, since=before.since if before and is_same else version)

    volumes = {number: numbered(volume) for number, volume in wanted.volumes.items()}
    removed = {id_: node for id_, node in old.tables.nodes.items() if id_ not in wanted.nodes}
    gone = dict(sorted({**old.tables.gone_nodes, **removed}.items()))
    tables = dataclasses.replace(wanted, volumes=volumes, gone_nodes=gone)
    return VolumeMap(version=version, after=old.id.digest, why=why, tables=tables)


def is_outdated(volume: Volume, *, requested_by: int) -> bool:
    """Return True if a map of this version has other mirrors for the volume."""
    return volume.since > requested_by


def changes_between(old: MapTables, new: MapTables) -> list[Change]:
    """Return the differences between two maps: nodes and other processes first, then volumes."""
    found = [
        change
        for kind, before, after in (
            ("node", old.nodes, new.nodes),
            ("storagemaster", old.masters, new.masters),
            ("edge", old.edges, new.edges),
            ("ingest", old.ingests, new.ingests),
        )
        for change in _process_changes(kind, before, after)
    ]
    return [*found, *_volume_changes(old.volumes, new.volumes)]


def refusals(old: MapTables, new: MapTables) -> list[str]:
    """Return why a map must not follow another one, each with what to do; empty if it may.

    A volume is never removed, keeps a mirror that has its files, and stays in as many colos. A node
    keeps its colo, and a removed one does not return. A node with a disk is left.
    """
    missing = [number for number in old.volumes if number not in new.volumes]
    found = []
    if missing:
        found.append(
            f"volumes {_numbers(missing)} are missing: their URLs would end; set "
            'state = "closed" for volumes that take no more photos'
        )
    cut_off = [
        number
        for number, volume in new.volumes.items()
        if number in old.volumes and not set(volume.mirrors) & set(old.volumes[number].mirrors)
    ]
    if cut_off:
        found.append(
            f"volumes {_numbers(cut_off)} keep none of their mirrors: their photos would be out of "
            "reach; keep one of the mirrors until the others are filled"
        )
    fewer = [
        number
        for number, volume in new.volumes.items()
        if number in old.volumes
        and _count_colos(volume, new) < _count_colos(old.volumes[number], old)
    ]
    if fewer:
        found.append(
            f"volumes {_numbers(fewer)} would be in fewer colos than now; add a mirror or a "
            "joining node in another colo"
        )
    if returned := sorted(new.nodes.keys() & old.gone_nodes.keys()):
        found.append(
            f"nodes {', '.join(returned)} were removed, and their disks may hold deleted photos; "
            "add them under other ids"
        )
    if all(node.bucket for node in new.nodes.values()):
        found.append(
            "only nodes with buckets would be left, and they do not vote: no later map could be "
            "put in force; keep a node with a disk"
        )
    moved = [id_ for id_, node in new.nodes.items() if _colo_changed(old.nodes.get(id_), node)]
    if moved:
        found.append(
            f"nodes {', '.join(moved)} change their colo: the marker on their disks says the "
            "former one; add them under other ids"
        )
    return found


def _homes(volume: Volume) -> tuple[tuple[NodeId, ...], ...]:
    return (volume.mirrors, volume.joining, volume.leaving)


def _count_colos(volume: Volume, tables: MapTables) -> int:
    return len({tables.nodes[id_].colo for id_ in volume.mirrors_after})


def _colo_changed(before: Node | None, after: Node) -> bool:
    return before is not None and before.colo != after.colo


def _process_changes(
    kind: str, before: Mapping[Any, Any], after: Mapping[Any, Any]
) -> Iterator[Change]:
    for id_ in sorted({*before, *after}):
        old, new = _described(before.get(id_)), _described(after.get(id_))
        if old != new:
            yield Change(what=f"{kind} {id_}", before=old, after=new)


def _described(process: Any) -> str:
    if process is None:
        return ""
    # A store is a path of one machine.
    left_out = {"id", "store"} if isinstance(process, Node) and not process.bucket else {"id"}
    values = (
        (each.name, getattr(process, each.name))
        for each in dataclasses.fields(process)
        if each.name not in left_out and getattr(process, each.name) != each.default
    )
    return ", ".join(
        f"{name} {value.value if isinstance(value, Enum) else value}" for name, value in values
    )


def _volume_changes(
    before: Mapping[VolumeId, Volume], after: Mapping[VolumeId, Volume]
) -> Iterator[Change]:
    numbers: dict[tuple[str, str], list[VolumeId]] = {}
    for number in sorted({*before, *after}):
        old, new = _volume(before.get(number)), _volume(after.get(number))
        if old != new:
            numbers.setdefault((old, new), []).append(number)
    for (old, new), alike in numbers.items():
        yield Change(what=f"volumes {_numbers(alike)}", before=old, after=new)


def _volume(volume: Volume | None) -> str:
    if volume is None:
        return ""
    moves = (("joining", volume.joining), ("leaving", volume.leaving))
    listed = [f"{word} {', '.join(nodes)}" for word, nodes in moves if nodes]
    return "; ".join([", ".join(volume.mirrors), *listed, volume.state.value])


def _numbers(numbers: Iterable[VolumeId]) -> str:
    return render_volume_ranges(ranges_of(sorted(numbers)))
