"""Threads for the blocking calls of a store."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import ParamSpec, TypeVar

from storagenode.store import Store

P = ParamSpec("P")
A = TypeVar("A")
T = TypeVar("T")


class StoreThreads:
    """Runner of blocking calls of one store in threads, so that no disk blocks the event loop."""

    def __init__(self, store: Store, executor: Executor) -> None:
        self.executor = executor
        self._store = store

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of a call."""
        call = partial(work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.executor, call)

    async def map(self, work: Callable[[A], T], arguments: Sequence[A]) -> list[T]:
        """Return the results of a call for each argument.

        A local store gets one thread. Calls of a remote store wait for a network, so they run in
        parallel.
        """
        if self._store.is_local:
            return await self.run(lambda: [work(each) for each in arguments])
        return await asyncio.gather(*(self.run(work, each) for each in arguments))
