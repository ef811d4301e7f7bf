"""Fakes of the services without photos: the queue and the edges."""

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from random import Random
from types import SimpleNamespace
from typing import Any

import aiohttp

from storagemaster.job_wire import NEW_QUEUE, JobKind
from storagenode.protocol.errors import NodeError
from tests.simulation.network import Machine, Network
from volumes.photo_path import Variant


class ForgetfulQueue:
    """A job queue that loses some jobs and duplicates others."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.jobs: deque[Variant] = deque()
        self.loss_probability = 0.2

    def enqueue(
        self, original: Variant, *, queue_name: str = NEW_QUEUE, kind: JobKind = JobKind.SIZES
    ) -> None:
        """Enqueue a job, or lose it."""
        del queue_name, kind
        draw = self._random.random()
        if draw >= self.loss_probability:
            self.jobs.append(original)
        if draw > 0.7:
            self.jobs.append(original)

    async def position(self, original: Variant) -> int | None:
        """Return None: the position is unknown."""
        del original


class CachingEdge(Machine):
    """An edge that caches photos until they are purged."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_up = True
        self.cache: dict[str, bytes] = {}
        self.marks: dict[str, str] = {}

    def forget(self, lines: str) -> None:
        """Remove the photo paths of a purge from the cache."""
        for path in lines.split():
            self.cache.pop(path, None)

    def settle(self, method: str, path: str) -> str | None:
        """Store or return a mark, or drop the cache; return None for a missing mark."""
        if (method, path) == ("POST", "drop"):
            self.cache.clear()
            return "ok"
        _, master, *mark = path.split("/")
        if mark:
            (self.marks[master],) = mark
        return self.marks.get(master)


class EdgeSession:
    """The HTTP client of a storagemaster for purges."""

    def __init__(self, network: Network, source: Machine, edges: Mapping[str, Any]) -> None:
        self._network = network
        self._source = source
        self._edges = edges

    @contextlib.asynccontextmanager
    async def post(self, url: str, *, data: str, headers: Mapping[str, str]) -> AsyncIterator[Any]:
        """Send a purge to an edge, which ignores the headers."""
        del headers
        edge = self._edges[url.removeprefix("http://").partition(":")[0]]
        try:
            await self._network.request(
                self._source, edge, lambda: edge.forget(data), timeout_seconds=None
            )
        except NodeError as error:
            raise aiohttp.ClientConnectionError(str(error)) from error
        yield SimpleNamespace(raise_for_status=lambda: None)

    @contextlib.asynccontextmanager
    async def request(self, method: str, url: str) -> AsyncIterator[Any]:
        """Send a request about a mark, or a drop, to an edge."""
        address, _, path = url.removeprefix("http://").partition("/")
        edge = self._edges[address.partition(":")[0]]
        try:
            text = await self._network.request(
                self._source, edge, lambda: edge.settle(method, path), timeout_seconds=None
            )
        except NodeError as error:
            raise aiohttp.ClientConnectionError(str(error)) from error

        async def read() -> str:
            return text or ""

        status = 404 if text is None else 200
        yield SimpleNamespace(status=status, raise_for_status=lambda: None, text=read)
