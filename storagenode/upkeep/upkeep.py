"""What a node does for its disk when nobody asks: scrub it, and empty its trash."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Any

from storagenode.protocol.errors import NodeError
from storagenode.store import Store
from storagenode.upkeep.scrub import Scrub

log = logging.getLogger(__name__)

BETWEEN_PASSES_SECONDS = 60.0


class Upkeep:
    """Passes of scrubbing, with a pause between, unless one is asked for; of a bucket only then."""

    def __init__(
        self,
        store: Store,
        scrub: Scrub,
        threads: Executor,
        *,
        trash_days: int,
    ) -> None:
        self._store = store
        self._scrub = scrub
        self._threads = threads
        self._trash_days = trash_days
        self._asked = asyncio.Event()

    def request_scrub(self) -> None:
        """Have a pass begin as soon as the present one has ended."""
        self._asked.set()

    def scrub_document(self) -> dict[str, Any]:
        """How far the scrub is, as JSON."""
        return self._scrub.document()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the disk for as long as the block lasts."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            is_asked = self._asked.is_set()
            self._asked.clear()
            try:
                # Of a bucket every byte is paid for, and its server checks them itself.
                if self._store.is_local or is_asked:
                    await self._scrub.run_pass()
                await asyncio.get_running_loop().run_in_executor(self._threads, self._empty_trash)
            except (NodeError, OSError) as error:
                log.warning("upkeep was broken off: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), BETWEEN_PASSES_SECONDS)

    def _empty_trash(self) -> None:
        removed = self._store.empty_trash(retention_days=self._trash_days)
        if removed:
            log.info("%s files left the trash after %s days", removed, self._trash_days)
