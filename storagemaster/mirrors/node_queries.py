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
class Answers(Generic[_Said]):
    """What nodes said, and which could not be asked and why."""

    said: Mapping[NodeId, _Said]
    unknown: Mapping[NodeId, str]


async def ask_nodes(
    ids: Iterable[NodeId],
    nodes: Mapping[NodeId, NodeClient],
    fleet: Fleet,
    ask: Callable[[NodeId, NodeClient], Awaitable[_Said]],
) -> Answers[_Said]:
    """Ask these nodes; one that is down is not waited for."""
    said: dict[NodeId, _Said] = {}
    unknown: dict[NodeId, str] = {}

    async def one(id_: NodeId) -> None:
        if not fleet.is_up(id_):
            unknown[id_] = fleet.view()[id_].reason
            return
        try:
            said[id_] = await ask(id_, nodes[id_])
        except NodeError as error:
            if isinstance(error, Unreachable):
                fleet.report_unreachable(id_, str(error))
            unknown[id_] = str(error)

    asked = list(ids)
    await asyncio.gather(*(one(id_) for id_ in asked))
    return Answers(
        {id_: said[id_] for id_ in asked if id_ in said},
        {id_: unknown[id_] for id_ in asked if id_ in unknown},
    )
