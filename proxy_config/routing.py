"""Order of the nodes that an edge requests a volume from: its own colo first."""

from dataclasses import dataclass

from proxy_config.errors import UnknownEdge
from volumes.cluster import Cluster, Colo, Edge, Node
from volumes.photo_path import VolumeId


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorRoute:
    """Mirrors of some volumes, from the view of one colo.

    The edge tries `local` first, and `remote` only if all local nodes fail. `local` is never empty:
    if the colo has no mirror, all mirrors are local. `volumes` are in ascending order.
    """

    local: tuple[Node, ...]
    remote: tuple[Node, ...]
    volumes: tuple[VolumeId, ...]

    @property
    def name(self) -> str:
        """Name for configs and logs, joined from the node ids: "east-1_west-2"."""
        return "_".join(node.id for node in self.nodes)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, in the order of the tries."""
        return self.local + self.remote

    @property
    def volume_ranges(self) -> tuple[tuple[int, int], ...]:
        """Volumes as ranges, each with its first and last number: ((1, 16), (20, 20))."""
        ranges: list[tuple[int, int]] = []
        for number in self.volumes:
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1] = (ranges[-1][0], number)
            else:
                ranges.append((number, number))
        return tuple(ranges)


def mirror_routes(cluster: Cluster, colo: Colo) -> tuple[MirrorRoute, ...]:
    """Return one route per distinct order of nodes, sorted by the first volume."""
    volumes_of: dict[tuple[tuple[Node, ...], tuple[Node, ...]], list[VolumeId]] = {}
    for number in sorted(cluster.volumes):
        nodes = cluster.mirrors_of(number)
        local = tuple(node for node in nodes if node.colo == colo) or nodes
        remote = tuple(node for node in nodes if node not in local)
        volumes_of.setdefault((local, remote), []).append(number)
    return tuple(
        MirrorRoute(local=local, remote=remote, volumes=tuple(volumes))
        for (local, remote), volumes in volumes_of.items()
    )


def find_edge(cluster: Cluster, edge_id: str, kind: str) -> Edge:
    """Return the edge with this id.

    Raises:
        UnknownEdge: The cluster has no such edge, or it is of another kind.
    """
    edge = cluster.edges.get(edge_id)
    if edge is None or edge.kind != kind:
        raise UnknownEdge(edge_id, kind)
    return edge
