"""The volume map in force, as the nodes report it. Every storagemaster follows it by itself.

No storagemaster is needed for a map to be in force: more than half of the nodes that vote for it
are enough. Each storagemaster counts the votes in the statuses that it polls anyway, follows the
elected map, and sends it to the nodes that lag behind.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from permission_urls import Forbidden, InvalidKeys, KeySource, verify_map
from storagemaster.mirrors.fan_out import run_all
from storagemaster.mirrors.mirrors import OPERATOR_PATIENCE_SECONDS, Mirrors
from storagenode.protocol.errors import NodeError
from storagenode.protocol.maps import MapKind
from volumes.cluster import Cluster, NodeId
from volumes.config.config_reader import InvalidConfig
from volumes.map.map_text import parse_map
from volumes.map.volume_map import MapId, VolumeMap, map_of, with_map
from volumes.map.votes import Election, MapReport, election, lagging, newest_in_force

log = logging.getLogger(__name__)

PASS_SECONDS = 0.5


class MapFollowing:
    """The map that this storagemaster follows, and the votes for the next one."""

    def __init__(
        self,
        mirrors: Mirrors,
        keys: KeySource,
        add_nodes: Callable[[Cluster], None],
        on_change: Callable[[Cluster], None],
    ) -> None:
        """Follow the map of the config.

        `add_nodes` makes the clients of new nodes before a map is used, and `on_change` tells the
        other parts after that.
        """
        self._mirrors = mirrors
        self._keys = keys
        self._add_nodes = add_nodes
        self.save: Callable[[str], None] = lambda _: None
        """Stores each map in force for this machine."""
        self._on_change = on_change
        self._signed: bytes | None = None
        self.in_force: VolumeMap = map_of(mirrors.cluster)
        """The map that this storagemaster follows."""
        mirrors.catch_up = self.catch_up

    @property
    def signed(self) -> str | None:
        """The signed text of the map in force, or None for `cluster.toml`."""
        return self._signed.decode() if self._signed else None

    def reports(self) -> dict[NodeId, MapReport]:
        """Return the maps that the nodes reported last. A node that is down reports nothing."""
        views = self._mirrors.fleet.view()
        found = {node: views[node] for node in self._mirrors.cluster.nodes if node in views}
        return {
            node: view.status.maps
            for node, view in found.items()
            if view.up and view.status is not None
        }

    def election(self) -> Election:
        """Return the votes for the next map."""
        return election(self.in_force.version + 1, self._mirrors.cluster.nodes, self.reports())

    async def follow(self) -> None:
        """Follow the map in force, if it is another one, and send it to nodes that lag behind."""
        reports = self.reports()
        newest = newest_in_force(reports, than=self.in_force.id)
        votes = self.election()
        elected = votes.elected
        if newest is not None:
            await self._fetch(MapKind.IN_FORCE, newest, {n: r.in_force for n, r in reports.items()})
        elif elected is not None:
            await self._fetch(MapKind.VOTE, elected, {n: r.vote for n, r in reports.items()})
        elif votes.leading is not None:
            await self._spread(votes.leading, votes.votes[votes.leading], votes.without)
        if self._signed is None and self.in_force.version > 1:
            # This process began with the map of its machine. A node that lags behind needs the
            # signed text, and cannot vote for the next map before.
            held = {n: r.in_force for n, r in reports.items()}
            await self._fetch(MapKind.IN_FORCE, self.in_force.id, held)
        await self.send_to_lagging()

    async def catch_up(self) -> bool:
        """Follow the map that the nodes follow now; return True if it is another one."""
        before = self.in_force.version
        await self._mirrors.fleet.poll()
        await self.follow()
        return self.in_force.version > before

    async def send_to_lagging(self) -> None:
        """Send the map in force to the nodes that do not follow it."""
        if self._signed is None:
            return
        behind = lagging(self.reports(), in_force=self.in_force.id)
        await self._send(MapKind.IN_FORCE, self.in_force.version, self._signed, behind)

    async def use(self, volume_map: VolumeMap, signed: bytes) -> None:
        """Follow a map that is in force."""
        if volume_map.version < self.in_force.version:
            return
        self._signed = signed
        cluster = with_map(self._mirrors.cluster, volume_map)
        # First the clients of new nodes, so that no request finds a node without one.
        self._add_nodes(cluster)
        self._mirrors.fleet.follow(cluster.nodes)
        self._mirrors.cluster, self.in_force = cluster, volume_map
        self._on_change(cluster)
        log.info("map %s is in force: %s", volume_map.id, volume_map.why or "no reason given")
        try:
            await asyncio.to_thread(self.save, signed.decode())
        except OSError as error:
            log.warning("the map was not stored beside the config: %s", error)

    async def _spread(
        self, proposed: MapId, voted: Sequence[NodeId], others: Sequence[NodeId]
    ) -> None:
        """Send a map with too few votes to the voters that keep none and respond.

        Its proposer could not reach enough of them, or died, or another map was proposed at once.
        """
        up = [node for node in others if self._mirrors.fleet.is_up(node)]
        if not up:
            return
        try:
            node = self._mirrors.nodes[voted[0]]
            signed = await node.read_map(MapKind.VOTE, proposed.version)
        except NodeError as error:
            log.warning("map %s cannot be read from node %s: %s", proposed, voted[0], error)
            return
        await self._send(MapKind.VOTE, proposed.version, signed, up)

    async def _send(
        self, kind: MapKind, version: int, signed: bytes, nodes: Sequence[NodeId]
    ) -> None:
        outcomes = await run_all(
            [self._mirrors.nodes[node].keep_map(kind, version, signed) for node in nodes],
            patience_seconds=[OPERATOR_PATIENCE_SECONDS] * len(nodes),
        )
        for node, outcome in zip(nodes, outcomes, strict=True):
            if isinstance(outcome, Exception):
                log.warning("node %s did not keep map %s: %s", node, version, outcome)

    async def _fetch(
        self, kind: MapKind, wanted: MapId, held: Mapping[NodeId, MapId | None]
    ) -> None:
        """Fetch a map from a node that has it, and follow it."""
        for node in (node for node, id_ in held.items() if id_ == wanted):
            try:
                signed = await self._mirrors.nodes[node].read_map(kind, wanted.version)
                found = await asyncio.to_thread(partial(parse_signed, self._keys), signed)
            except (NodeError, InvalidConfig, Forbidden, InvalidKeys, ValueError) as error:
                reason = str(error) or type(error).__name__
                log.warning("map %s of node %s cannot be followed: %s", wanted, node, reason)
                continue
            if found.id == wanted:
                await self.use(found, signed)
                return


def parse_signed(keys: KeySource, signed: bytes) -> VolumeMap:
    """Return a signed map.

    Raises:
        Forbidden, InvalidKeys: No key of this cluster signed it, or the keys are missing.
        InvalidConfig, ValueError: The text is invalid.
    """
    return parse_map(verify_map(keys, signed.decode()))
