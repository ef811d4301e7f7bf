"""Nodes of each volume, in the order that an edge tries them: its own colo first.

An edge finds them in a table of rows of equal length. A lookup costs the same with one volume and
with 65,535, and no server compiles conditions for volumes.
"""

from dataclasses import dataclass

from proxy_config.errors import UnknownEdge
from volumes.cluster import Cluster, Colo, Edge, Node, NodeId
from volumes.photo_path import VolumeId

# The columns of a row before its nodes: the number of local nodes, and of all nodes.
COUNT_COLUMNS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """The nodes of every volume, from the view of one colo.

    Row N is of volume N. Its columns are decimal numbers of equal length: the count of local nodes,
    the count of all nodes, and then the nodes in the order of the tries, counted from 1 in `nodes`.
    If the colo has no mirror of a volume, all its nodes are local. The row of a missing volume has
    only zeros.
    """

    nodes: tuple[Node, ...]
    digits: int
    rows: tuple[str, ...]

    @property
    def row_bytes(self) -> int:
        """Length of a row with its line end."""
        return len(self.rows[0]) + 1 if self.rows else 1

    @property
    def text(self) -> str:
        """All rows, each on a line."""
        return "".join(f"{row}\n" for row in self.rows)

    def nodes_of(self, volume: VolumeId) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """Return the local and the remote nodes of a volume, as an edge reads its row."""
        row = self.rows[volume - 1]
        local, count, *numbers = (
            int(row[at : at + self.digits]) for at in range(0, len(row), self.digits)
        )
        nodes = tuple(self.nodes[number - 1] for number in numbers[:count])
        return nodes[:local], nodes[local:]


def route_table(cluster: Cluster, colo: Colo) -> RouteTable:
    """Return the table of all volumes of a cluster."""
    nodes = tuple(cluster.nodes.values())
    numbers = {node.id: number for number, node in enumerate(nodes, 1)}
    local_ids = frozenset(node.id for node in nodes if node.colo == colo)
    mirrors_max = max((len(v.mirrors) for v in cluster.volumes.values()), default=0)
    digits = len(str(max(len(nodes), mirrors_max)))
    columns = COUNT_COLUMNS + mirrors_max

    def row_of(mirrors: tuple[NodeId, ...]) -> str:
        local = tuple(id_ for id_ in mirrors if id_ in local_ids) or mirrors
        remote = tuple(id_ for id_ in mirrors if id_ not in local)
        row = [len(local), len(mirrors), *(numbers[id_] for id_ in local + remote)]
        row += [0] * (columns - len(row))
        return "".join(f"{number:0{digits}}" for number in row)

    row_of_mirrors = {
        mirrors: row_of(mirrors) for mirrors in {v.mirrors for v in cluster.volumes.values()}
    }
    rows = [row_of(())] * max(cluster.volumes, default=0)
    for number, volume in cluster.volumes.items():
        rows[number - 1] = row_of_mirrors[volume.mirrors]
    return RouteTable(nodes=nodes, digits=digits, rows=tuple(rows))


def find_edge(cluster: Cluster, edge_id: str, kind: str) -> Edge:
    """Return the edge with this id.

    Raises:
        UnknownEdge: The cluster has no such edge, or it is of another kind.
    """
    edge = cluster.edges.get(edge_id)
    if edge is None or edge.kind != kind:
        raise UnknownEdge(edge_id, kind)
    return edge
