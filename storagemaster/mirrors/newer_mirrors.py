"""Mirrors of a newer map, for files that were placed by an older one.

A node refuses files of a volume that it has left. The storagemaster that sent them then follows the
map of the nodes, and writes to the present mirrors. Requests need no version of the map for that.
"""

import asyncio
from collections.abc import Mapping

from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.placement import Placement, Target, synchronous_mirrors
from storagenode.protocol.errors import NotAMirror
from volumes.cluster import NodeId

Failures = Mapping[Target, Exception]


class NewerMirrors:
    """The present mirrors of volumes, for targets that are not mirrors any longer."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors
        self._following = asyncio.Lock()

    async def instead_of(self, placed: Placement, failed: Failures) -> dict[Target, NodeId]:
        """Return the mirror that gets the copy of each failed target that the volume has left.

        A target has none if all mirrors are in the placement.
        """
        left = await self._left(placed, failed)
        if not left:
            return {}
        volume = self._mirrors.volume(placed.volume)
        placed_on = {target.node for target in placed.targets}
        mirrors = synchronous_mirrors(self._mirrors.cluster, volume)
        others = (node for node in mirrors if node not in placed_on)
        return dict(zip(left, others, strict=False))

    async def placement(
        self, placed: Placement, failed: Failures, *, strict: bool
    ) -> Placement | None:
        """Return the placement by a newer map, or None if the volume has left no failed target.

        Raises:
            Unavailable: No two nodes can store the file now.
        """
        if not await self._left(placed, failed):
            return None
        return self._mirrors.place(
            placed.volume, outcome="nothing was stored", strict=strict, synchronous_only=True
        )

    async def _left(self, placed: Placement, failed: Failures) -> list[Target]:
        """Follow the map of the nodes, if one refused a file; return the targets that left."""
        refused = [each for each, error in failed.items() if isinstance(error, NotAMirror)]
        if not refused:
            return []
        async with self._following:
            # Another request may have followed meanwhile.
            homes = self._mirrors.volume(placed.volume).homes
            if any(target.node in homes for target in refused):
                await self._mirrors.catch_up()
        homes = self._mirrors.volume(placed.volume).homes
        return [target for target in refused if target.node not in homes]
