"""Bringing home what nodes hold for others: a shortcut, because reconcile would find it all too."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from storagemaster.fleet import Fleet
from storagenode.client import NodeClient
from storagenode.errors import Conflict, Gone, NodeError, NotThere, Unreachable
from storagenode.layout import OwedFile, Place
from storagenode.wire import Pull
from volumes.cluster import NodeId
from volumes.photo_path import PhotoTombstone, VersionTombstone

log = logging.getLogger(__name__)

PASS_SECONDS = 1.0
PULLS_AT_ONCE = 4
# A file that fails this often is left to reconcile, and does not hold up the others.
ATTEMPTS_MAX = 5


class OwedWork:
    """Hands owed files over to their homes, once those are up."""

    def __init__(self, nodes: Mapping[NodeId, NodeClient], fleet: Fleet) -> None:
        self._nodes = nodes
        self._fleet = fleet
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
        """Hand over what one node holds for nodes that are up; how many files went home."""
        entries = [
            entry
            for entry in await self._nodes[holder].owed()
            if self._is_home_up(entry)
            and self._attempts.get((holder, entry.place.path), 0) < ATTEMPTS_MAX
        ]
        # Tombstones first: a copy must not arrive before the word that it is gone.
        entries.sort(key=lambda entry: not _is_tombstone(entry))
        gate = asyncio.Semaphore(PULLS_AT_ONCE)

        async def one(entry: OwedFile) -> bool:
            async with gate:
                return await self._hand_over(holder, entry)

        return sum(await asyncio.gather(*(one(entry) for entry in entries)))

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

    def _is_home_up(self, entry: OwedFile) -> bool:
        home = entry.place.owed_to
        return home is not None and home in self._nodes and self._fleet.is_up(home)

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
