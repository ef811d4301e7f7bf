"""Placement of photos: a pure decision over the volume map and the status of the nodes.

The first choice is a volume whose mirrors are all up and have free space; more free space makes a
volume more likely. Otherwise a volume with one mirror up stores the photo, and a handoff node
stores a hint for the mirror that is down. The handoff node is preferably in that mirror's colo, or
else in a third one, so that two colos have the photo.

A bucket is slow. If the disks of a volume are in two colos, an upload does not wait for its bucket:
reconcile copies the photo there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storagemaster.mirrors.fleet import NodeView
from volumes.cluster import Cluster, NodeId, Volume
from volumes.photo_path import VolumeId

Views = Mapping[NodeId, NodeView]


@dataclass(frozen=True, slots=True)
class Target:
    """A node that gets a copy: as a mirror or, if `hint_for` is set, as a hint for that mirror."""

    node: NodeId
    hint_for: NodeId | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """A volume, and the nodes that get the copies."""

    volume: VolumeId
    targets: tuple[Target, ...]

    @property
    def is_complete(self) -> bool:
        """True if every target is a mirror of the volume."""
        return all(target.hint_for is None for target in self.targets)


@dataclass(frozen=True, slots=True)
class NoPlacement:
    """No two nodes can store the photo now."""

    reason: str


def place_photo(
    cluster: Cluster, views: Views, order: Sequence[Volume], *, strict: bool
) -> Placement | NoPlacement:
    """Return a placement in the first volume that can store a photo on all its mirrors.

    Without such a volume, return one with handoff nodes. A strict placement spans two colos.
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
    down = sorted(node for node in cluster.nodes if not views[node].accepts_new_photos)
    what = f"volume {order[0].number} cannot" if len(order) == 1 else "no volume can"
    return NoPlacement(f"{what} store a photo now: {', '.join(down)} are down, full or suspect")


def place_in_volume(
    cluster: Cluster, views: Views, volume: Volume, *, strict: bool, synchronous_only: bool = False
) -> Placement | NoPlacement:
    """Return the placement of more files of a given volume, whatever its state.

    The targets are all mirrors or, if `synchronous_only`, the mirrors that uploads wait for.
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
    """Return the mirrors that an upload waits for: the disks in two colos, or all mirrors."""
    disks = tuple(node for node in volume.mirrors if cluster.node(node).bucket is None)
    colos = {cluster.node(node).colo for node in disks}
    return disks if len(colos) > 1 else volume.mirrors


def spans_colos(cluster: Cluster, targets: Sequence[Target]) -> bool:
    """Return True if the targets are in more than one colo."""
    return len({cluster.node(target.node).colo for target in targets}) > 1


def handoff_nodes(
    cluster: Cluster,
    views: Views,
    *,
    mirror: NodeId,
    taken: Sequence[NodeId],
    failed: Sequence[NodeId] = (),
    new_photo: bool = False,
) -> list[NodeId]:
    """Return the nodes that could store a hint for a mirror, the best one first.

    Nodes of its colo come first, then those in a colo without a copy, so that two colos have the
    file if possible. Among these, the one with most free space comes first. The `taken` nodes have
    a copy, and the `failed` ones have none. A full node stores no `new_photo`, only files of photos
    that exist already.
    """
    colo = cluster.node(mirror).colo
    taken_colos = {cluster.node(node).colo for node in taken}
    able = [
        node
        for node, view in views.items()
        if node in cluster.nodes
        and _can_store(view, new_photo=new_photo)
        and node not in {mirror, *taken, *failed}
    ]

    def rank(node: NodeId) -> tuple[bool, bool, int, NodeId]:
        own = cluster.node(node).colo
        return (own != colo, own in taken_colos, -views[node].free_bytes, node)

    return sorted(able, key=rank)


def _place_degraded(
    cluster: Cluster,
    views: Views,
    volume: Volume,
    mirrors: Sequence[NodeId],
    *,
    new_photo: bool,
) -> Placement | None:
    up = [node for node in mirrors if _can_store(views[node], new_photo=new_photo)]
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


def _can_store(view: NodeView, *, new_photo: bool) -> bool:
    return view.accepts_new_photos if new_photo else view.writable
