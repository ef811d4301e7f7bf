"""Periodic upkeep of a node's store: scrub, trash, expired partials, and old audit files."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Any

from runtime.tasks_beside import run_beside
from storagenode.protocol.errors import NodeError
from storagenode.store import Store
from storagenode.upkeep.scrub import Scrub
from storagenode.upkeep.space_history import SpaceHistory

log = logging.getLogger(__name__)

# A small disk would be read all the time.
BETWEEN_PASSES_SECONDS = 600.0
FINISH_DELETES_SECONDS = 10.0
REMOVE_PARTIALS_SECONDS = 60.0
# A restart lists the shards that changed in this time. Each changed volume costs one write.
SAVE_SUMMARIES_SECONDS = 120.0
RECORD_SPACE_SECONDS = 60.0
EMPTY_TRASH_SECONDS = 600.0


class Upkeep:
    """Periodic scrub passes of a disk, passes on request, and removal of old trash."""

    def __init__(
        self,
        store: Store,
        scrub: Scrub,
        threads: Executor,
        *,
        trash_days: int,
        remove_expired_partials: Callable[[], int] = int,
        remove_old_audit_files: Callable[[], int] = int,
    ) -> None:
        self._remove_expired_partials = remove_expired_partials
        self._remove_old_audit_files = remove_old_audit_files
        self._store = store
        self._scrub = scrub
        self._threads = threads
        self._trash_days = trash_days
        self._space_history = SpaceHistory(store)
        self._requested = asyncio.Event()

    def request_scrub(self) -> None:
        """Start a scrub pass as soon as the present one has ended."""
        self._requested.set()

    def note_write(self) -> None:
        """Record that a client writes: the scrub yields to it."""
        self._scrub.note_write()

    def unverified_seconds(self) -> float:
        """Return an age that no file exceeds since it was verified, 0 if it is unknown."""
        return self._scrub.unverified_seconds()

    def status_fields(self) -> dict[str, Any]:
        """Return what the node's status has of upkeep."""
        return {
            "unverified_seconds": self.unverified_seconds(),
            "filled_bytes_per_day": self._space_history.filled_bytes_per_day(),
        }

    def scrub_document(self) -> dict[str, Any]:
        """Return the scrub progress as JSON."""
        return self._scrub.document()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run upkeep until the block exits."""
        works = (
            self._run,
            self._finish_deletes,
            self._remove_partials,
            self._save_summaries,
            self._record_space,
            self._remove_old,
        )
        try:
            async with run_beside(*(work() for work in works)):
                yield
        finally:
            await self._do(self._store.save_summaries, "saving summaries")

    async def _finish_deletes(self) -> None:
        await self._repeat(FINISH_DELETES_SECONDS, self._store.finish_deletes, "finishing deletes")

    async def _remove_partials(self) -> None:
        await self._repeat(
            REMOVE_PARTIALS_SECONDS, self._remove_expired_partials, "removing partial uploads"
        )

    async def _save_summaries(self) -> None:
        await self._repeat(SAVE_SUMMARIES_SECONDS, self._store.save_summaries, "saving summaries")

    async def _record_space(self) -> None:
        await self._repeat(RECORD_SPACE_SECONDS, self._space_history.record, "recording the space")

    async def _remove_old(self) -> None:
        while True:
            await self._do(self._empty_trash, "emptying the trash")
            await asyncio.sleep(EMPTY_TRASH_SECONDS)

    async def _repeat(self, seconds: float, work: Callable[[], object], what: str) -> None:
        # Apart from the scrub, whose pass takes hours.
        while True:
            await asyncio.sleep(seconds)
            await self._do(work, what)

    async def _do(self, work: Callable[[], object], what: str) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (NodeError, OSError) as error:
            log.warning("%s failed: %s", what, error)

    async def _run(self) -> None:
        while True:
            is_requested = self._requested.is_set()
            self._requested.clear()
            try:
                # Reads from a bucket cost money, and its server verifies the bytes itself.
                if self._store.is_local or is_requested:
                    await self._scrub.run_pass()
            except (NodeError, OSError) as error:
                log.warning("upkeep pass failed: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._requested.wait(), BETWEEN_PASSES_SECONDS)

    def _empty_trash(self) -> None:
        removed = self._store.empty_trash(retention_days=self._trash_days)
        if removed:
            log.info("trash: removed %s files older than %s days", removed, self._trash_days)
        if removed := self._remove_old_audit_files():
            log.info("audit log: removed %s files whose retention has ended", removed)
