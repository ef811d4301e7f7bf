"""Asking several nodes at once: what each said, and why others said nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from storagemaster.mirrors.fleet import Fleet
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError, Unreachable
from volumes.cluster import NodeId

_Said = TypeVar("_Said")


@dataclass(frozen=True, slots=True)
class NodeResults(Generic[_Said]):
    """What nodes said, and which could not be asked and why."""

    results: Mapping[NodeId, _Said]
    unreachable: Mapping[NodeId, str]


async def query_nodes(
    ids: Iterable[NodeId],
    nodes: Mapping[NodeId, NodeClient],
    fleet: Fleet,
    ask: Callable[[NodeId, NodeClient], Awaitable[_Said]],
) -> NodeResults[_Said]:
    """Ask these nodes; one that is down is not waited for."""
    results: dict[NodeId, _Said] = {}
    unreachable: dict[NodeId, str] = {}

    async def one(id_: NodeId) -> None:
        if not fleet.is_up(id_):
            unreachable[id_] = fleet.view()[id_].reason
            return
        try:
            results[id_] = await ask(id_, nodes[id_])
        except NodeError as error:
            if isinstance(error, Unreachable):
                fleet.mark_down(id_, str(error))
            unreachable[id_] = str(error)

    asked = list(ids)
    await asyncio.gather(*(one(id_) for id_ in asked))
    return NodeResults(
        {id_: results[id_] for id_ in asked if id_ in results},
        {id_: unreachable[id_] for id_ in asked if id_ in unreachable},
    )
