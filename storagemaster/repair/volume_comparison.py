"""Comparison of many volumes at once: a pair of equal mirrors is one digest of each.

Only the volumes whose digests differ are compared shard by shard.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from storagemaster.mirrors.known_contents import KnownContents
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.strays import KnownStrays
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import ListedFile, VolumeSummary
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier, SizeFilter
from volumes.photo_path import VolumeId

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class VolumeComparison:
    """The digests of volumes on their mirrors, and what was reported with them."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors
        self._nodes = mirrors.nodes
        self._fleet = mirrors.fleet
        self.contents = KnownContents()
        self.strays = KnownStrays(mirrors)

    async def find_equal(self, volumes: Sequence[VolumeId]) -> set[VolumeId]:
        """Return the volumes whose mirrors all report the same digest.

        Joining nodes are filled apart from repairs, and report what they have. Mirrors of an
        offloaded volume differ in its sizes, so it is none of them. A stray can have files that
        they lack.
        """
        by_node: dict[NodeId, list[VolumeId]] = {}
        for volume in volumes:
            for node in self._mirrors.cluster.volumes[volume].homes:
                if self._fleet.is_up(node):
                    by_node.setdefault(node, []).append(volume)
        found = await asyncio.gather(*(self.summaries(*each) for each in by_node.items()))
        reported = dict(zip(by_node, found, strict=True))
        strays = self.strays.now()
        return {
            volume
            for volume in volumes
            if volume not in strays and self._is_equal(volume, reported)
        }

    def copies_of(self, volume: VolumeId) -> int:
        """Return the number of mirrors with all photos of a volume, as they last reported."""
        photos = [each.photos for each in self.contents.of(volume).values()]
        return photos.count(max(photos, default=0))

    def missing_bytes_of(self, volume: VolumeId) -> int:
        """Return the bytes that mirrors of a volume lack, as they last reported."""
        found = [each.bytes for each in self.contents.of(volume).values()]
        return sum(max(found) - each for each in found)

    async def summaries(
        self, node: NodeId, volumes: Sequence[VolumeId]
    ) -> dict[VolumeId, VolumeSummary]:
        """Return the summaries of volumes on a node, as far as it reports them."""
        try:
            found = await self._nodes[node].volume_summaries(volumes)
        except NodeError:
            return {}  # the comparison by shards reports it
        self.contents.record(node, found)
        return found

    def _is_equal(
        self, volume: VolumeId, reported: Mapping[NodeId, Mapping[VolumeId, VolumeSummary]]
    ) -> bool:
        if self._fleet.cold_tier_of(volume) is not None:
            return False
        mirrors = self._mirrors.cluster.volumes[volume].mirrors
        summaries = [reported.get(node, {}).get(volume) for node in mirrors]
        return None not in summaries and len({each.digest for each in summaries if each}) == 1

    async def unequal_shards(
        self, volume: VolumeId, mirrors: Sequence[NodeId], cold_tier: ColdTier | None
    ) -> tuple[set[str], list[NodeId]]:
        """Return the shards whose mirrors differ, and the mirrors that reported their digests."""
        if cold_tier is None:
            found = await self.shard_digests(volume, mirrors, None)
            return _differing(found), list(found)
        hot, cold = (SizeFilter(cold_tier.sizes, include=include) for include in (False, True))
        on_mirrors = await self.shard_digests(volume, mirrors, hot)
        offloaded = await self.shard_digests(volume, list(on_mirrors), cold)
        cold_nodes = {node: offloaded[node] for node in offloaded if node in cold_tier.cold_nodes}
        # Cold sizes that other mirrors still have must also be on the cold nodes.
        others = {
            shard for node in offloaded if node not in cold_nodes for shard in offloaded[node]
        }
        return _differing(on_mirrors) | _differing(cold_nodes) | others, list(offloaded)

    async def shard_digests(
        self, volume: VolumeId, mirrors: Sequence[NodeId], sizes: SizeFilter | None = None
    ) -> dict[NodeId, dict[str, str]]:
        """Return the digests of all shards by mirror, without the unreachable mirrors."""
        up = [node for node in mirrors if self._fleet.is_up(node)]
        return await self._compare(volume, up, lambda node: node.shard_digests(volume, sizes))

    async def list_shards(
        self, volume: VolumeId, shards: Sequence[str], mirrors: Sequence[NodeId]
    ) -> dict[NodeId, dict[str, tuple[ListedFile, ...]]]:
        """Return the files of these shards by mirror, without the unreachable mirrors."""
        return await self._compare(volume, mirrors, lambda node: node.list_shards(volume, shards))

    async def _compare(
        self,
        volume: VolumeId,
        mirrors: Sequence[NodeId],
        request: Callable[[NodeClient], Awaitable[_Result]],
    ) -> dict[NodeId, _Result]:
        """Query the mirrors of a volume concurrently, and return the results of those with one."""

        async def query(node: NodeId) -> _Result | None:
            try:
                return await request(self._nodes[node])
            except NodeError as error:
                log.warning("volume %s on %s was not compared: %s", volume, node, error)
                return None

        found = await asyncio.gather(*map(query, mirrors))
        pairs = zip(mirrors, found, strict=True)
        return {node: result for node, result in pairs if result is not None}


def _differing(found: Mapping[NodeId, Mapping[str, str]]) -> set[str]:
    shards = {shard for digests in found.values() for shard in digests}
    return {
        shard for shard in shards if len({digests.get(shard) for digests in found.values()}) > 1
    }
