"""Edits of the volume map by operators: nodes that come and go, volumes that open and close."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from volumes.cluster import Colo, Edge, Master, Node, NodeId, NodeState, Volume
from volumes.config.map_tables import COLOS_PER_VOLUME_MIN, MapTables
from volumes.map.measurements import Measurements
from volumes.photo_path import VolumeId
from volumes.volume_ranges import ranges_of, render_volume_ranges
from volumes.volume_state import VolumeState

_Machine = TypeVar("_Machine", Master, Edge)


class RefusedEdit(ValueError):
    """The edit would lose photos, or names a node or volume that does not fit."""


def with_node(tables: MapTables, node: Node) -> MapTables:
    """Return the tables with a new node.

    Raises:
        RefusedEdit: The id is used, or was used.
    """
    if node.id in tables.nodes:
        raise RefusedEdit(f"node {node.id} exists already; choose another id")
    if node.id in tables.gone_nodes:
        raise RefusedEdit(f"node {node.id} was removed, and ids are never used again; choose a new")
    return dataclasses.replace(tables, nodes={**tables.nodes, node.id: node})


def with_colo(
    tables: MapTables,
    colo: Colo,
    *,
    nodes: Iterable[Node],
    masters: Iterable[Master],
    edges: Iterable[Edge],
) -> MapTables:
    """Return the tables with the machines of a new colo.

    Raises:
        RefusedEdit: The colo has nodes already, or an id is used.
    """
    known = [node.id for node in tables.nodes.values() if node.colo == colo]
    if known:
        raise RefusedEdit(
            f"colo {colo} exists already, with {', '.join(known)}; add other nodes of it with "
            "`glassplate node add`"
        )
    for node in nodes:
        tables = with_node(tables, node)
    return dataclasses.replace(
        tables,
        masters=_with_new("storagemaster", tables.masters, masters),
        edges=_with_new("edge", tables.edges, edges),
    )


def _with_new(
    kind: str, known: Mapping[str, _Machine], new: Iterable[_Machine]
) -> dict[str, _Machine]:
    found = dict(known)
    for machine in new:
        if machine.id in found:
            raise RefusedEdit(f"{kind} {machine.id} exists already; choose another id")
        found[machine.id] = machine
    return found


def with_changed_nodes(
    tables: MapTables,
    ids: Iterable[NodeId],
    *,
    state: NodeState | None = None,
    weight: float | None = None,
) -> MapTables:
    """Return the tables with another state or weight of nodes."""
    nodes = dict(tables.nodes)
    for id_ in ids:
        node = known_node(tables, id_)
        nodes[id_] = dataclasses.replace(
            node,
            state=node.state if state is None else state,
            weight=node.weight if weight is None else weight,
        )
    return dataclasses.replace(tables, nodes=nodes)


def without_node(tables: MapTables, id_: NodeId) -> MapTables:
    """Return the tables without a node that holds no volume.

    Raises:
        RefusedEdit: It holds volumes, or is unknown.
    """
    known_node(tables, id_)
    held = [number for number, volume in tables.volumes.items() if id_ in volume.homes]
    if held:
        raise RefusedEdit(
            f"node {id_} holds volumes {_numbers(held)}; drain it with `glassplate node drain "
            f"{id_} --apply` or, if its disk is lost, use --dead"
        )
    nodes = {each: node for each, node in tables.nodes.items() if each != id_}
    return dataclasses.replace(tables, nodes=nodes)


def with_open_volumes(
    tables: MapTables,
    measured: Measurements,
    numbers: Collection[VolumeId],
    mirrors: Sequence[NodeId],
) -> MapTables:
    """Return the tables with new volumes, and with known ones that take new photos.

    A new volume opens by itself when every edge knows it. Its mirrors are these or, without any,
    two nodes in two colos with the fewest volumes for their share.

    Raises:
        RefusedEdit: A node is unknown, or fewer than two colos have a node for them.
    """
    for id_ in mirrors:
        known_node(tables, id_)
    choose = _spread(tables, measured) if not mirrors else lambda: tuple(mirrors)
    volumes = dict(tables.volumes)
    for number in sorted(numbers):
        known = volumes.get(number)
        if known is None:
            volumes[number] = Volume(number=number, mirrors=choose(), state=VolumeState.NEW)
        elif known.state is VolumeState.CLOSED:
            volumes[number] = dataclasses.replace(known, state=VolumeState.OPEN)
    return dataclasses.replace(tables, volumes=volumes)


def with_closed_volumes(tables: MapTables, numbers: Collection[VolumeId]) -> MapTables:
    """Return the tables with volumes that take no more photos.

    Raises:
        RefusedEdit: A volume is unknown, or none would be open.
    """
    volumes = dict(tables.volumes)
    for number in numbers:
        volumes[number] = dataclasses.replace(
            known_volume(tables, number), state=VolumeState.CLOSED
        )
    if not any(each.state.accepts_new_photos for each in volumes.values()):
        raise RefusedEdit("no volume would take photos; open others first")
    return dataclasses.replace(tables, volumes=volumes)


def without_moves(tables: MapTables, numbers: Collection[VolumeId]) -> MapTables:
    """Return the tables with the moves of volumes cancelled: their mirrors stay as they are.

    Raises:
        RefusedEdit: A volume is unknown, or does not move.
    """
    volumes = dict(tables.volumes)
    for number in numbers:
        volume = known_volume(tables, number)
        if not (volume.joining or volume.leaving):
            raise RefusedEdit(f"volume {number} does not move; `glassplate moves` lists all moves")
        volumes[number] = dataclasses.replace(volume, joining=(), leaving=())
    return dataclasses.replace(tables, volumes=volumes)


def require_target(tables: MapTables, volume: Volume, id_: NodeId) -> None:
    """Raise unless a node can get a volume that one of its mirrors leaves.

    Raises:
        RefusedEdit: It is unknown, drains, or has the volume.
    """
    node = known_node(tables, id_)
    if id_ in volume.homes:
        raise RefusedEdit(f"node {id_} has volume {volume.number} already; choose another node")
    if not node.state.accepts_volumes:
        raise RefusedEdit(
            f"node {id_} is drained, and gets no volumes; choose another node, or run "
            f"`glassplate node drain {id_} --undo --apply`"
        )


def known_node(tables: MapTables, id_: NodeId) -> Node:
    """Return a node.

    Raises:
        RefusedEdit: It is unknown.
    """
    if id_ not in tables.nodes:
        raise RefusedEdit(f"unknown node {id_!r}; known nodes: {', '.join(tables.nodes)}")
    return tables.nodes[id_]


def known_volume(tables: MapTables, number: VolumeId) -> Volume:
    """Return a volume.

    Raises:
        RefusedEdit: It is unknown.
    """
    if number not in tables.volumes:
        known = _numbers(tables.volumes)
        raise RefusedEdit(f"unknown volume {number}; known volumes: {known}")
    return tables.volumes[number]


def _spread(tables: MapTables, measured: Measurements) -> Callable[[], tuple[NodeId, ...]]:
    """Return a choice of mirrors, which gives each node volumes in proportion to its share."""
    counts = Counter(node for volume in tables.volumes.values() for node in volume.homes)
    shares = {
        id_: node.weight * measured.space_of[id_].total_bytes
        for id_, node in tables.nodes.items()
        if node.state.accepts_volumes and id_ in measured.space_of
    }
    if len({tables.nodes[id_].colo for id_ in shares}) < COLOS_PER_VOLUME_MIN:
        raise RefusedEdit("fewer than two colos have an open node that responds; use --on")

    def choose() -> tuple[NodeId, ...]:
        order = sorted(shares, key=lambda id_: ((counts[id_] + 1) / shares[id_], id_))
        first = order[0]
        colo = tables.nodes[first].colo
        second = next(id_ for id_ in order if tables.nodes[id_].colo != colo)
        counts.update((first, second))
        return (first, second)

    return choose


def _numbers(numbers: Iterable[VolumeId] | Mapping[VolumeId, Volume]) -> str:
    return render_volume_ranges(ranges_of(sorted(numbers)))
