"""The status of the cluster for scrapes: made at most once a second, however many come."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

KEPT_SECONDS = 1.0


class RecentStatus:
    """A status document that is at most `KEPT_SECONDS` old."""

    def __init__(
        self,
        make: Callable[[], Awaitable[dict[str, Any]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._clock = clock
        self._making = asyncio.Lock()
        self._document: dict[str, Any] | None = None
        self._made_at = 0.0

    async def document(self) -> dict[str, Any]:
        """Return the document; callers at the same time share one."""
        async with self._making:
            if self._document is None or self._clock() - self._made_at >= KEPT_SECONDS:
                self._document = await self._make()
                self._made_at = self._clock()
            return self._document
