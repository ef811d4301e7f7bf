"""Where a new photo goes: a pure decision over the volume map and what is known of the nodes.

A volume whose mirrors are all up and have room is wanted, and more so with more room. If there
is none, a volume with one mirror up takes the photo, and another node holds a copy for the mirror
that is down: best in that mirror's colo, so that two colos have the photo all the same.

A bucket is far away. Where the disks of a volume are in two colos, nobody who uploads waits for its
bucket, too: reconcile brings that what the disks have.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from storagemaster.mirrors.fleet import NodeView
from volumes.cluster import Cluster, NodeId, Volume
from volumes.photo_path import VolumeId

Views = Mapping[NodeId, NodeView]


@dataclass(frozen=True, slots=True)
class Target:
    """A node that is to take a copy: as a home or, if `hint_for` is set, for that home."""

    node: NodeId
    hint_for: NodeId | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """The volume, and the nodes that are to take the copies."""

    volume: VolumeId
    targets: tuple[Target, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every mirror of the volume takes its own copy."""
        return all(target.hint_for is None for target in self.targets)


@dataclass(frozen=True, slots=True)
class NoPlacement:
    """No two nodes can take the photo now."""

    reason: str


def place_photo(
    cluster: Cluster, views: Views, order: Sequence[Volume], *, strict: bool
) -> Placement | NoPlacement:
    """The first volume of an order that can take a photo, whole if any can.

    A strict placement has its copies in two colos, or there is none.
    """
    open_volumes = [volume for volume in order if volume.state.accepts_new_photos]
    for volume in open_volumes:
        mirrors = synchronous_mirrors(cluster, volume)
        if all(views[node].accepts_new_photos for node in mirrors):
            return Placement(volume.number, tuple(Target(node) for node in mirrors))
    for volume in open_volumes:
        mirrors = synchronous_mirrors(cluster, volume)
        placed = _place_degraded(cluster, views, volume, mirrors, new_photo=True)
        if placed is not None and (not strict or spans_colos(cluster, placed.targets)):
            return placed
    down = sorted(node for node, view in views.items() if not view.accepts_new_photos)
    return NoPlacement(f"no volume can take a photo now; down, full or suspect: {', '.join(down)}")


def place_in_volume(
    cluster: Cluster, views: Views, volume: Volume, *, strict: bool, synchronous_only: bool = False
) -> Placement | NoPlacement:
    """The placement of more files of a volume that was chosen already, whatever its state.

    On all mirrors or, if it is to be prompt, on those that are not far away.
    """
    mirrors = synchronous_mirrors(cluster, volume) if synchronous_only else volume.mirrors
    down = [node for node in mirrors if not views[node].writable]
    if not down:
        return Placement(volume.number, tuple(Target(node) for node in mirrors))
    placed = _place_degraded(cluster, views, volume, mirrors, new_photo=False)
    if placed is None or (strict and not spans_colos(cluster, placed.targets)):
        return NoPlacement(f"volume {volume.number} cannot be written: {', '.join(down)} down")
    return placed


def synchronous_mirrors(cluster: Cluster, volume: Volume) -> tuple[NodeId, ...]:
    """The mirrors that an upload waits for: those over disks, if they are in two colos."""
    disks = tuple(node for node in volume.mirrors if cluster.nodes[node].bucket is None)
    colos = {cluster.nodes[node].colo for node in disks}
    return disks if len(colos) > 1 else volume.mirrors


def spans_colos(cluster: Cluster, targets: Sequence[Target]) -> bool:
    """Whether the copies would be in more than one colo."""
    return len({cluster.nodes[target.node].colo for target in targets}) > 1


def handoff_nodes(
    cluster: Cluster,
    views: Views,
    *,
    mirror: NodeId,
    taken: Sequence[NodeId],
    new_photo: bool = False,
) -> list[NodeId]:
    """The nodes that could hold a copy for a home, best first: its own colo, then most room.

    A full node holds no `new_photo`, but what belongs to photos that are there already.
    """
    colo = cluster.nodes[mirror].colo
    able = [
        node
        for node, view in views.items()
        if _can_take(view, new_photo=new_photo) and node not in {mirror, *taken}
    ]
    return sorted(
        able,
        key=lambda node: (cluster.nodes[node].colo != colo, -views[node].free_bytes, node),
    )


def order_by_free_space(
    cluster: Cluster, views: Views, random: Callable[[], float]
) -> list[Volume]:
    """All volumes in a random order in which one with twice the room is twice as often first.

    The room of a volume is that of its fullest mirror, shared among the volumes there. The keys
    are those of Efraimidis and Spirakis (2006), weighted random sampling with a reservoir.
    """
    volumes_per_node: dict[NodeId, int] = dict.fromkeys(cluster.nodes, 0)
    for volume in cluster.volumes.values():
        for node in volume.mirrors:
            volumes_per_node[node] += 1

    def key(volume: Volume) -> float:
        room = min(views[node].free_bytes // volumes_per_node[node] for node in volume.mirrors)
        return math.log(random() or 1e-300) / max(room, 1)

    return sorted(cluster.volumes.values(), key=key, reverse=True)


def order_by_key(cluster: Cluster, idempotency_key: str) -> list[Volume]:
    """All volumes in the order that belongs to an Idempotency-Key, the same at every master."""

    def weight(volume: Volume) -> bytes:
        return hashlib.sha256(f"{volume.number}\n{idempotency_key}".encode()).digest()

    return sorted(cluster.volumes.values(), key=weight)


def _place_degraded(
    cluster: Cluster,
    views: Views,
    volume: Volume,
    mirrors: Sequence[NodeId],
    *,
    new_photo: bool,
) -> Placement | None:
    up = [node for node in mirrors if _can_take(views[node], new_photo=new_photo)]
    if not up:
        return None
    targets = [Target(node) for node in up]
    for mirror in mirrors:
        if mirror not in up:
            taken = [target.node for target in targets]
            found = handoff_nodes(cluster, views, mirror=mirror, taken=taken, new_photo=new_photo)
            if found:
                targets.append(Target(found[0], hint_for=mirror))
    return Placement(volume.number, tuple(targets)) if len(targets) > 1 else None


def _can_take(view: NodeView, *, new_photo: bool) -> bool:
    return view.accepts_new_photos if new_photo else view.writable
