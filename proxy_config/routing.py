"""Which nodes an edge asks for a volume, and in which order: its own colo's, then the others'."""

from dataclasses import dataclass

from proxy_config.errors import UnknownEdge
from volumes.cluster import Cluster, Colo, Edge, Node
from volumes.photo_path import VolumeId


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorRoute:
    """The nodes that mirror some volumes, as one colo sees them.

    `near` are asked first, `far` only when none of `near` will do. `near` is never empty: where
    the colo has no mirror of its own, all of them are near. `volumes` are in ascending order.
    """

    local: tuple[Node, ...]
    remote: tuple[Node, ...]
    volumes: tuple[VolumeId, ...]

    @property
    def name(self) -> str:
        """A name for configs and logs, made of the node ids: "east-1_west-2"."""
        return "_".join(node.id for node in self.nodes)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, in the order they are asked."""
        return self.local + self.remote

    @property
    def volume_ranges(self) -> tuple[tuple[int, int], ...]:
        """The volumes as ranges, each with its first and last number: ((1, 16), (20, 20))."""
        ranges: list[tuple[int, int]] = []
        for number in self.volumes:
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1] = (ranges[-1][0], number)
            else:
                ranges.append((number, number))
        return tuple(ranges)


def mirror_routes(cluster: Cluster, colo: Colo) -> tuple[MirrorRoute, ...]:
    """One route for each distinct order of nodes, by the first volume that has it."""
    volumes_of: dict[tuple[tuple[Node, ...], tuple[Node, ...]], list[VolumeId]] = {}
    for number in sorted(cluster.volumes):
        nodes = cluster.mirrors_of(number)
        local = tuple(node for node in nodes if node.colo == colo) or nodes
        remote = tuple(node for node in nodes if node not in local)
        volumes_of.setdefault((local, remote), []).append(number)
    return tuple(
        MirrorRoute(local=near, remote=far, volumes=tuple(volumes))
        for (near, far), volumes in volumes_of.items()
    )


def find_edge(cluster: Cluster, edge_id: str, kind: str) -> Edge:
    """The edge of this id.

    Raises:
        UnknownEdge: There is none, or it is of another kind.
    """
    edge = cluster.edges.get(edge_id)
    if edge is None or edge.kind != kind:
        raise UnknownEdge(edge_id, kind)
    return edge
