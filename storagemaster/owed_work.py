"""Bringing home what nodes hold for others: a shortcut, because reconcile would find it all too."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from storagemaster.fleet import Fleet
from storagemaster.purging import Purging
from storagemaster.variants import all_variants
from storagenode.client import NodeClient
from storagenode.errors import Conflict, Gone, NodeError, NotThere, Unreachable
from storagenode.layout import OwedFile, Place
from storagenode.wire import Pull
from volumes.cluster import Cluster, NodeId
from volumes.photo_path import PhotoTombstone, VersionTombstone

log = logging.getLogger(__name__)

PASS_SECONDS = 1.0
PULLS_AT_ONCE = 4
# A file that fails this often is left to reconcile, and does not hold up the others.
ATTEMPTS_MAX = 5


class OwedWork:
    """Hands owed files over to their homes, and owed purges to their edges, once those are up."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        purging: Purging,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._purging = purging
        self._attempts: dict[tuple[NodeId, str], int] = {}

    async def hand_over_all(self) -> None:
        """Go once through all nodes that hold something."""
        for holder, view in self._fleet.view().items():
            if view.up and view.status is not None and view.status.owed:
                try:
                    await self.hand_over_from(holder)
                except NodeError as error:
                    log.warning("owed work of %s was not listed: %s", holder, error)

    async def hand_over_from(self, holder: NodeId) -> int:
        """Hand over what one node holds for those that are up; how much was done."""
        homes = [node for node in self._nodes if node != holder and self._fleet.is_up(node)]
        done = [await self._hand_over_to(home, holder) for home in homes]
        done += [await self._purge(edge, holder) for edge in self._cluster.edges]
        return sum(done)

    async def _hand_over_to(self, home: NodeId, holder: NodeId) -> int:
        entries = [
            entry
            for entry in await self._nodes[holder].owed(home)
            if self._attempts.get((holder, entry.place.path), 0) < ATTEMPTS_MAX
        ]
        # Tombstones first: a copy must not arrive before the word that it is gone.
        entries.sort(key=lambda entry: not _is_tombstone(entry))
        gate = asyncio.Semaphore(PULLS_AT_ONCE)

        async def one(entry: OwedFile) -> bool:
            async with gate:
                return await self._hand_over(holder, entry)

        return sum(await asyncio.gather(*(one(entry) for entry in entries)))

    async def _purge(self, edge: str, holder: NodeId) -> int:
        """Carry out the purges that an edge has missed; how many of them."""
        done = 0
        for entry in await self._nodes[holder].owed(NodeId(edge)):
            assert isinstance(entry.place.file, VersionTombstone), "a purge is owed as a tombstone"
            paths = all_variants(entry.place.file.of, self._cluster.sizes)
            if not await self._purging.purge_edge(edge, paths):
                break
            await self._nodes[holder].settle(entry.place)
            done += 1
        return done

    async def _hand_over(self, holder: NodeId, entry: OwedFile) -> bool:
        held = entry.place
        assert held.owed_to is not None
        try:
            await self._bring_home(holder, entry)
            await self._nodes[holder].settle(held)
        except NotThere:
            return False  # another storagemaster was faster
        except NodeError as error:
            if isinstance(error, Unreachable):
                self._fleet.report_unreachable(held.owed_to, str(error))
            else:
                key = (holder, held.path)
                self._attempts[key] = self._attempts.get(key, 0) + 1
            log.warning("%s was not brought home: %s", held, error)
            return False
        return True

    async def _bring_home(self, holder: NodeId, entry: OwedFile) -> None:
        held = entry.place
        assert held.owed_to is not None
        home = self._nodes[held.owed_to]
        place = Place(held.file)
        # What the home refuses for good is as settled as what it takes: it is gone, or there.
        with contextlib.suppress(Gone, Conflict):
            if _is_tombstone(entry):
                note = await self._nodes[holder].stat(held)
                await home.bury(place, mtime_seconds=note.mtime_seconds)
            else:
                source = self._nodes[holder].url
                await home.pull(
                    Pull(place=place, source=source, source_place=held, digest=entry.digest)
                )


def _is_tombstone(entry: OwedFile) -> bool:
    return isinstance(entry.place.file, PhotoTombstone | VersionTombstone)
