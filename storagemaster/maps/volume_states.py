"""Volumes that change their state by themselves: new ones open, and full ones close."""

import dataclasses
from collections.abc import Callable

from storagemaster.maps.proposing import MapProposing
from storagemaster.mirrors.known_contents import KnownContents
from storagemaster.mirrors.mirrors import Mirrors
from volumes.map.closing import full_volumes
from volumes.photo_path import VolumeId
from volumes.volume_state import VolumeState

PASS_SECONDS = 5.0
# An edge that reloads can answer by both of its maps for a moment.
CLEAN_PASSES = 2


class VolumeStates:
    """Proposals of maps that open the new volumes and close the full ones."""

    def __init__(
        self,
        mirrors: Mirrors,
        contents: KnownContents,
        proposing: MapProposing,
        edges_follow: Callable[[], bool],
    ) -> None:
        """Open new volumes once `edges_follow` is true for the map that has them."""
        self._mirrors = mirrors
        self._contents = contents
        self._proposing = proposing
        self._edges_follow = edges_follow
        self._version = 0
        self._clean_passes = 0

    async def advance(self) -> None:
        """Put a map in force if a volume has to open or to close."""
        await self._change(self._known_to_edges(), VolumeState.OPEN, why="every edge knows {}")
        await self._change(self._full(), VolumeState.CLOSED, why="{} have limits.volume_bytes_max")

    async def _change(self, numbers: list[VolumeId], state: VolumeState, *, why: str) -> None:
        # One storagemaster changes them all, so that proposals do not compete.
        if numbers and self._mirrors.owns(min(numbers)):
            volumes = self._mirrors.cluster.volumes
            changed = {
                number: dataclasses.replace(volumes[number], state=state) for number in numbers
            }
            await self._proposing.change_volumes(changed, why=why)

    def _known_to_edges(self) -> list[VolumeId]:
        cluster = self._mirrors.cluster
        is_clean = cluster.map_version == self._version and self._edges_follow()
        self._clean_passes = self._clean_passes + 1 if is_clean else 0
        self._version = cluster.map_version
        if self._clean_passes < CLEAN_PASSES:
            return []
        return [each.number for each in cluster.volumes.values() if each.state is VolumeState.NEW]

    def _full(self) -> list[VolumeId]:
        cluster = self._mirrors.cluster
        if not (bytes_max := cluster.limits.volume_bytes_max):
            return []
        bytes_of = {
            number: max((each.bytes for each in self._contents.of(number).values()), default=0)
            for number in cluster.volumes
        }
        return full_volumes(cluster.volumes.values(), bytes_of, bytes_max=bytes_max)
