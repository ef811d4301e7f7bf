"""The nodes that store the audit log of a day, and how durable it is on them."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum

from volumes.cluster import Colo, NodeId

COPIES = 2


class Durability(Enum):
    """Durability of lines of the log."""

    MIRRORED = "on two nodes in two colos"
    ONE_COLO = "on two nodes in one colo"
    ONE_NODE = "on one node"
    NOWHERE = "on no node"

    @property
    def is_kept(self) -> bool:
        """True if no single disk can lose the lines."""
        return self in {Durability.MIRRORED, Durability.ONE_COLO}


def ranked(day: str, nodes: Iterable[NodeId]) -> list[NodeId]:
    """Return the nodes in the order in which they store the log of a day.

    Every storagemaster has the same order, and each day another one.
    """
    return sorted(nodes, key=lambda node: hashlib.sha256(f"{day} {node}".encode()).digest())


def next_nodes(
    order: Sequence[NodeId],
    colo_of: Mapping[NodeId, Colo],
    *,
    stored: Collection[NodeId],
    failed: Collection[NodeId],
) -> list[NodeId]:
    """Return the nodes to store lines on next: none once two have them, if possible in two colos.

    >>> colos = {"e1": "east", "e2": "east", "w1": "west"}
    >>> next_nodes(["e1", "e2", "w1"], colos, stored=[], failed=[])
    ['e1', 'w1']
    >>> next_nodes(["e1", "e2", "w1"], colos, stored=["e1"], failed=["w1"])
    ['e2']
    """
    left = [node for node in order if node not in stored and node not in failed]
    colos = {colo_of[node] for node in stored}
    chosen: list[NodeId] = []
    for node in left:
        if len(colos) < COPIES and colo_of[node] not in colos:
            chosen.append(node)
            colos.add(colo_of[node])
    missing = COPIES - len(stored) - len(chosen)
    others = [node for node in left if node not in chosen]
    return chosen + others[: max(0, missing)]


def durability_of(stored: Collection[NodeId], colo_of: Mapping[NodeId, Colo]) -> Durability:
    """Return how safe lines are that these nodes store."""
    if len({colo_of[node] for node in stored}) >= COPIES:
        return Durability.MIRRORED
    if len(stored) >= COPIES:
        return Durability.ONE_COLO
    return Durability.ONE_NODE if stored else Durability.NOWHERE
