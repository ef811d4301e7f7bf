"""The next volume map, proposed by an operator.

A proposal is sent to one node first and to the others only if that one votes for it, so that two
operators who propose a map at once do not split the votes.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from permission_urls import InvalidKeys, KeySource, sign_map
from storagemaster.errors import BadArgument, MapConflict, MasterError, Unavailable
from storagemaster.maps.following import MapFollowing
from storagemaster.mirrors.mirrors import OPERATOR_PATIENCE_SECONDS, Mirrors
from storagenode.client import NodeClient
from storagenode.protocol.errors import Conflict, NodeError
from storagenode.protocol.maps import MapKind
from volumes.cluster import NodeId, Volume
from volumes.config.config_reader import InvalidConfig
from volumes.config.map_tables import MapTables
from volumes.map.changes import Change, changes_between, next_map, refusals
from volumes.map.map_text import parse_tables, render_map
from volumes.map.volume_map import VolumeMap, tables_of
from volumes.map.votes import voters
from volumes.photo_path import VolumeId
from volumes.volume_ranges import ranges_of, render_volume_ranges

log = logging.getLogger(__name__)

STORAGEMASTER = "storagemaster"
"""The author of a map that no person has proposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A map that can follow the one in force, and the changes that it makes."""

    volume_map: VolumeMap
    changes: list[Change]


class MapProposing:
    """Proposals of this storagemaster."""

    def __init__(self, mirrors: Mirrors, following: MapFollowing, keys: KeySource) -> None:
        self._mirrors = mirrors
        self._following = following
        self._keys = keys

    async def plan(
        self, text: str, *, after_version: int, why: str, by: str = STORAGEMASTER
    ) -> Proposal:
        """Return the next map with the tables of an edited one; change nothing.

        Raises:
            BadArgument: The tables are invalid, or photos would be out of reach.
            MapConflict: The map in force is not the one that was edited.
        """
        in_force = self._following.in_force
        if after_version != in_force.version:
            raise MapConflict(
                f"map {in_force.version} is in force, and this is an edited map {after_version}; "
                "run `glassplate map show`, and edit that one"
            )
        try:
            wanted = await asyncio.to_thread(parse_tables, text)
        except InvalidConfig as error:
            raise BadArgument(str(error)) from error
        if reasons := refusals(in_force.tables, wanted):
            raise BadArgument("; ".join(reasons))
        offloaded = [
            number
            for number, volume in wanted.volumes.items()
            if (volume.joining or volume.leaving) and self._mirrors.fleet.cold_tier_of(number)
        ]
        if offloaded:
            numbers = render_volume_ranges(ranges_of(sorted(offloaded)))
            raise BadArgument(
                f"volumes {numbers} are offloaded, and cannot move; recall them first"
            )
        return self.propose(wanted, why=why, by=by)

    def propose(self, wanted: MapTables, *, why: str, by: str = STORAGEMASTER) -> Proposal:
        """Return the next map with these tables."""
        in_force = self._following.in_force
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        proposed = dataclasses.replace(next_map(in_force, wanted, why=why), at=at, by=by)
        return Proposal(
            volume_map=proposed, changes=changes_between(in_force.tables, proposed.tables)
        )

    async def change_volumes(self, changed: Mapping[VolumeId, Volume], *, why: str) -> None:
        """Put a map with changed volumes in force. After a failure, a later pass repeats it.

        `{}` in the reason is replaced by the volumes.
        """
        tables = tables_of(self._mirrors.cluster)
        tables = dataclasses.replace(tables, volumes={**tables.volumes, **changed})
        numbers = render_volume_ranges(ranges_of(sorted(changed)))
        why = why.format(f"volumes {numbers}")
        try:
            await self.apply(self.propose(tables, why=why))
        except (MasterError, NodeError) as error:
            log.warning("the map was not changed (%s): %s", why, error)

    async def apply(self, proposal: Proposal) -> None:
        """Put a planned map in force. The voters keep it durably first.

        Raises:
            MapConflict: The voters keep another map of this version.
            Unavailable: Too few voters responded. The map is in force as soon as enough keep it.
        """
        proposed = proposal.volume_map
        try:
            signed = sign_map(self._keys, render_map(proposed)).encode()
        except InvalidKeys as error:
            raise Unavailable(f"the map cannot be signed: {error}") from error
        entitled = voters(self._mirrors.cluster.nodes)
        needed = len(entitled) // 2 + 1
        kept = await self._send(proposed, signed, entitled)
        if len(kept) < needed:
            missing = ", ".join(node for node in entitled if node not in kept)
            raise Unavailable(
                f"map {proposed.version} is kept by {len(kept)} of {len(entitled)} nodes, and "
                f"{needed} are needed; it is in force as soon as enough of {missing} respond"
            )
        await self._following.use(proposed, signed)
        await self._following.send_to_lagging()

    async def _send(
        self, proposed: VolumeMap, signed: bytes, entitled: tuple[NodeId, ...]
    ) -> list[NodeId]:
        """Return the voters that keep the map."""
        up = [node for node in entitled if self._mirrors.fleet.is_up(node)]
        kept: list[NodeId] = []
        refused: list[str] = []

        async def vote(_: NodeId, node: NodeClient) -> bool:
            try:
                await node.keep_map(MapKind.VOTE, proposed.version, signed)
            except Conflict as error:
                refused.append(str(error))
                return False
            return True

        for some in (up[:1], up[1:]):
            found = await self._mirrors.query(
                some, vote, patience_seconds=OPERATOR_PATIENCE_SECONDS
            )
            kept += [node for node, is_kept in found.results.items() if is_kept]
            if refused and not kept:
                raise MapConflict(
                    f"another map {proposed.version} is being put in force ({refused[0]}); "
                    "`glassplate map show` lists its votes: edit the map again once it is in force"
                )
        return kept
