"""The nodes of the cluster as one storagemaster sees them: config, clients, and last known status.

Every part of a storagemaster that talks to nodes gets one `Mirrors`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from storagemaster.errors import Unavailable, UnknownVolume
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.placement import NoPlacement, Placement, place_in_volume
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError, Unreachable
from volumes.cluster import Cluster, Colo, NodeId, Volume
from volumes.photo_path import VolumeId

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class NodeResults(Generic[_Result]):
    """Results of the nodes that gave one, and the reason for each that gave none.

    Both are in the order in which the nodes were queried.
    """

    results: Mapping[NodeId, _Result]
    unreachable: Mapping[NodeId, str]


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Config of the cluster, a client for each node, and the status of the nodes."""

    cluster: Cluster
    nodes: Mapping[NodeId, NodeClient]
    fleet: Fleet
    colo: Colo
    """The storagemaster's own colo."""

    def volume(self, number: VolumeId) -> Volume:
        """Return a volume of the config.

        Raises:
            UnknownVolume: The config has no such volume.
        """
        if number not in self.cluster.volumes:
            raise UnknownVolume(f"volume {number} is not in the cluster's config")
        return self.cluster.volumes[number]

    def place(
        self,
        number: VolumeId,
        *,
        outcome: str,
        strict: bool = False,
        synchronous_only: bool = False,
    ) -> Placement:
        """Return the placement of more files of a volume, whatever its state.

        `outcome` is the outcome of the request for error messages.

        Raises:
            UnknownVolume: The config has no such volume.
            Unavailable: No two nodes can store the files now.
        """
        placed = place_in_volume(
            self.cluster,
            self.fleet.view(),
            self.volume(number),
            strict=strict,
            synchronous_only=synchronous_only,
        )
        if isinstance(placed, NoPlacement):
            raise Unavailable(f"{placed.reason}; {outcome}, try again")
        return placed

    def local_first(self, ids: Iterable[NodeId]) -> list[NodeId]:
        """Return the nodes, the storagemaster's own colo first."""
        return sorted(ids, key=lambda id_: self.cluster.nodes[id_].colo != self.colo)

    async def query(
        self,
        ids: Iterable[NodeId],
        request: Callable[[NodeId, NodeClient], Awaitable[_Result]],
    ) -> NodeResults[_Result]:
        """Query nodes concurrently.

        A node that is down gets no request. A node that is unreachable is marked down.
        """
        results: dict[NodeId, _Result] = {}
        unreachable: dict[NodeId, str] = {}

        async def query_one(id_: NodeId) -> None:
            if not self.fleet.is_up(id_):
                unreachable[id_] = self.fleet.view()[id_].reason
                return
            try:
                results[id_] = await request(id_, self.nodes[id_])
            except NodeError as error:
                if isinstance(error, Unreachable):
                    self.fleet.mark_down(id_, str(error))
                unreachable[id_] = str(error)

        queried = list(ids)
        await asyncio.gather(*map(query_one, queried))
        return NodeResults(
            {id_: results[id_] for id_ in queried if id_ in results},
            {id_: unreachable[id_] for id_ in queried if id_ in unreachable},
        )
