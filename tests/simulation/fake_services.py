"""What stands for the parts of a cluster that keep no photos: the queue and the edges."""

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
    """A queue of jobs that loses some of them, and gives some twice."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.jobs: deque[Variant] = deque()
        self.loses = 0.2

    def enqueue(
        self, original: Variant, *, queue_name: str = NEW_QUEUE, kind: JobKind = JobKind.SIZES
    ) -> None:
        """Have sizes made, perhaps."""
        del queue_name, kind
        rng = self._random.random()
        if rng >= self.loses:
            self.jobs.append(original)
        if rng > 0.7:
            self.jobs.append(original)

    async def position(self, original: Variant) -> int | None:
        """Nobody knows."""
        del original


class EverlastingEdge(Machine):
    """An edge that keeps what it has fetched until it is purged of it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_up = True
        self.cache: dict[str, bytes] = {}

    def forget(self, lines: str) -> None:
        """Let go of the photo paths in a purge."""
        for path in lines.split():
            self.cache.pop(path, None)


class EdgeSession:
    """The HTTP client by which a storagemaster purges edges."""

    def __init__(self, network: Network, source: Machine, edges: Mapping[str, Any]) -> None:
        self._network = network
        self._source = source
        self._edges = edges

    @contextlib.asynccontextmanager
    async def post(self, url: str, *, data: str) -> AsyncIterator[Any]:
        """Send a purge."""
        edge = self._edges[url.removeprefix("http://").partition(":")[0]]
        try:
            await self._network.ask(
                self._source, edge, lambda: edge.forget(data), timeout_seconds=None
            )
        except NodeError as error:
            raise aiohttp.ClientConnectionError(str(error)) from error
        yield SimpleNamespace(raise_for_status=lambda: None)
