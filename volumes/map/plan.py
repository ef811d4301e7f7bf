"""Plans of moves between nodes, and the obstacles to them."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from volumes.cluster import NodeId
from volumes.config.map_tables import MapTables
from volumes.map.balance import ColoBalance, movable_by_size
from volumes.map.loads import Loads
from volumes.map.measurements import Measurements
from volumes.map.moves import Move
from volumes.map.obstacles import Hindrance, Obstacle, obstacles_of
from volumes.map.relocation import Relocation
from volumes.photo_path import VolumeId

JOINING_PER_NODE_MAX = 2
"""Volumes that a node receives at once."""
WITHIN = 0.05
"""Usual tolerance of a balance, as a share of the fill of a colo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Moves, and what they lead to."""

    moves: tuple[Move, ...]
    """All moves, the most urgent first."""
    first: tuple[Move, ...]
    """The moves that can begin now."""
    obstacles: tuple[Obstacle, ...]
    used_before: Mapping[NodeId, int]
    """Bytes of the volumes of each node."""
    used_after: Mapping[NodeId, int]

    @property
    def bytes(self) -> int:
        """Bytes to copy."""
        return sum(move.bytes for move in self.moves)


def plan_moves(
    tables: MapTables,
    measured: Measurements,
    *,
    within: float | None,
    moves_max: int,
    dead: Collection[NodeId] = (),
    onto: Mapping[NodeId, NodeId] | None = None,
) -> Plan:
    """Return the fewest bytes to move so that drained and dead nodes are empty, and colos balanced.

    Args:
        tables: The map. All volumes of its draining nodes leave them.
        measured: The bytes of volumes, and the space of nodes.
        within: Tolerance of the balance, or None to leave other nodes as they are.
        moves_max: The most moves under way at once in the cluster.
        dead: Nodes whose disks are lost. Their volumes are copied from other mirrors.
        onto: The one target of each replaced node.
    """
    loads = Loads(tables, measured, dead=dead)
    leaving = [
        (number, node)
        for node in loads.nodes
        if loads.is_leaving(node)
        for number in loads.volumes_on[node]
    ]
    obstacles = list(obstacles_of(Relocation(loads, onto or {}).plan(leaving)))
    if within is not None:
        obstacles += _balance(loads, within)
    return _plan(tables, loads, obstacles, moves_max)


def plan_move(
    tables: MapTables, measured: Measurements, volume: VolumeId, source: NodeId, target: NodeId
) -> Plan:
    """Return the plan of one move, or of none with the obstacle."""
    loads = Loads(tables, measured)
    obstacles = obstacles_of(Relocation(loads, {source: target}).plan([(volume, source)]))
    under_way = sum(len(each.joining) for each in tables.volumes.values())
    return _plan(tables, loads, obstacles, under_way + 1)


def _plan(tables: MapTables, loads: Loads, obstacles: Iterable[Obstacle], moves_max: int) -> Plan:
    moves = tuple(sorted(loads.moves(), key=lambda move: not move.source_is_dead))
    return Plan(
        moves=moves,
        first=tuple(_first(tables, moves, moves_max)),
        obstacles=tuple(obstacles),
        used_before=loads.used_before,
        used_after=dict(loads.used),
    )


def _balance(loads: Loads, within: float) -> Iterator[Obstacle]:
    """Plan the balance of each colo; yield the nodes that keep another share."""
    by_size = movable_by_size(loads)
    for nodes in loads.colo_nodes().values():
        down = [
            node for node in nodes if not loads.is_leaving(node) and not loads.is_measured(node)
        ]
        for node in down:
            yield Obstacle(hindrance=Hindrance.NODE_DOWN, node=node)
        if not down:
            for node in ColoBalance(loads, nodes, by_size, within).plan():
                yield Obstacle(hindrance=Hindrance.UNEVEN, node=node)


def _first(tables: MapTables, moves: Collection[Move], moves_max: int) -> Iterator[Move]:
    """Yield the moves that can begin now: one of a volume, and a few to each node.

    A dead node is replaced at once, since its volumes have a copy less until then.
    """
    joining = Counter(node for volume in tables.volumes.values() for node in volume.joining)
    moving = set()
    for move in moves:
        has_place = joining.total() < moves_max and joining[move.target] < JOINING_PER_NODE_MAX
        if move.volume not in moving and (move.source_is_dead or has_place):
            moving.add(move.volume)
            if not move.source_is_dead:
                joining[move.target] += 1
            yield move
