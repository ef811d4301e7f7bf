"""The nodes of the cluster as one storagemaster sees them: config, clients, and last known status.

Every part of a storagemaster that talks to nodes gets one `Mirrors`.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from storagemaster.errors import Unavailable, UnknownVolume
from storagemaster.mirrors.fan_out import StalledError, run_all
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.placement import NoPlacement, Placement, place_in_volume
from storagemaster.mirrors.volume_owners import VolumeOwners
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError, Unreachable
from volumes.cluster import Cluster, Colo, NodeId, Volume
from volumes.photo_path import VolumeId

_Result = TypeVar("_Result")

# The delay of a client's request by a node that hangs. A longer patience delays it more;
# a shorter one counts nodes as down that are only slow.
PATIENCE_SECONDS = 0.7
# The server of a bucket can take seconds to list it.
BUCKET_PATIENCE_SECONDS = 5.0
# An operator wants the results of slow nodes as well.
OPERATOR_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class NodeResults(Generic[_Result]):
    """Results of the nodes that gave one, and the reason for each that gave none.

    Both are in the order in which the nodes were queried.
    """

    results: Mapping[NodeId, _Result]
    unreachable: Mapping[NodeId, str]


async def _follow_nothing() -> bool:
    return False


@dataclass(slots=True, eq=False)
class Mirrors:
    """Config of the cluster, a client for each node, and the status of the nodes.

    `cluster` is another value after each change of the volume map, and `nodes` gets a client for
    each new node. A request that must see one map reads `cluster` once.
    """

    cluster: Cluster
    nodes: Mapping[NodeId, NodeClient]
    fleet: Fleet
    colo: Colo
    """The storagemaster's own colo."""
    owners: VolumeOwners | None = None
    """The share of this storagemaster in background work; None if it is the only one."""
    catch_up: Callable[[], Coroutine[Any, Any, bool]] = _follow_nothing
    """Follow the map that the nodes follow now; return True if it is another one."""

    @property
    def everywhere(self) -> tuple[NodeId, ...]:
        """The nodes of the map, and removed ones that respond: all can have files."""
        return tuple(self.fleet.view())

    def owns(self, number: VolumeId) -> bool:
        """Return True if this storagemaster repairs and sweeps a volume in the background."""
        return self.owners is None or self.owners.is_own(number)

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
        return sorted(ids, key=lambda id_: self.cluster.node(id_).colo != self.colo)

    async def query(
        self,
        ids: Iterable[NodeId],
        request: Callable[[NodeId, NodeClient], Coroutine[Any, Any, _Result]],
        *,
        patience_seconds: float | None = None,
    ) -> NodeResults[_Result]:
        """Query nodes concurrently.

        A node that is down gets no request. A node that is unreachable is marked down, and so is a
        node that exceeds the patience: the given one, or that of a client's request.
        """
        results: dict[NodeId, _Result] = {}
        unreachable: dict[NodeId, str] = {}
        queried = list(ids)
        up = [id_ for id_ in queried if self.fleet.is_up(id_)]
        outcomes = await run_all(
            [request(id_, self.nodes[id_]) for id_ in up],
            patience_seconds=[patience_seconds or self._query_patience(id_) for id_ in up],
        )
        for id_, outcome in zip(up, outcomes, strict=True):
            if not isinstance(outcome, Exception):
                results[id_] = outcome
                continue
            if not isinstance(outcome, NodeError | StalledError):
                raise outcome
            if isinstance(outcome, Unreachable | StalledError):
                self.fleet.mark_down(id_, str(outcome))
            unreachable[id_] = str(outcome)
        views = self.fleet.view()
        return NodeResults(
            results,
            {id_: unreachable.get(id_, views[id_].reason) for id_ in queried if id_ not in results},
        )

    @property
    def patience_seconds(self) -> float:
        """The time that other nodes have for a write after the first success."""
        return PATIENCE_SECONDS

    def _query_patience(self, id_: NodeId) -> float:
        is_disk = self.cluster.node(id_).bucket is None
        return PATIENCE_SECONDS if is_disk else BUCKET_PATIENCE_SECONDS
