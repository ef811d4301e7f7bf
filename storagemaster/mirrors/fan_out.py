"""Concurrent requests to several nodes with one body, where a slow node cannot delay the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from runtime.lag_free_timeout import LagFreeClock

T = TypeVar("T")
Send = Callable[[AsyncIterator[bytes]], Awaitable[T]]

# Maximum lag of a node behind the body, in chunks of up to about 256 KiB.
CHUNKS_AHEAD_MAX = 8
# Patience while no branch makes progress. Busy disks can stall all branches together.
ALL_IDLE_SECONDS = 10.0


class StalledError(Exception):
    """The receiver accepted no bytes, or sent no response, within its patience."""


class _Patience:
    """The seconds that slow branches may cost the others, together and in all."""

    def __init__(self, clock: LagFreeClock, seconds: float) -> None:
        self.clock = clock
        self._left_seconds = seconds
        self._waiting = 0
        self._since = self._progress_at = self.clock()

    @property
    def left_seconds(self) -> float:
        """The seconds that are left."""
        return max(0.0, self._left_seconds)

    @contextlib.contextmanager
    def charged(self) -> Iterator[float]:
        """Charge the time in the block, and yield what is left.

        Concurrent blocks start at once, and are charged once.
        """
        if not self._waiting:
            self._since = self.clock()
        self._waiting += 1
        try:
            yield self.left_seconds
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._left_seconds -= self.clock() - self._since

    def record_progress(self) -> None:
        """Record that a branch has accepted bytes."""
        self._progress_at = self.clock()

    @property
    def idle_until_seconds(self) -> float:
        """The time at which the branches have made no progress for too long."""
        return self._progress_at + ALL_IDLE_SECONDS


@dataclass(slots=True)
class _Branch(Generic[T]):
    task: asyncio.Task[T]
    patience: _Patience
    failure: StalledError | None = field(default=None, init=False)

    @property
    def is_live(self) -> bool:
        return self.failure is None and not self.task.done()

    @property
    def has_succeeded(self) -> bool:
        return self.task.done() and not self.task.cancelled() and self.task.exception() is None

    def give_up(self, reason: str) -> None:
        self.failure = StalledError(reason)
        self.task.cancel()

    def outcome(self) -> T | Exception:
        if self.failure is not None:
            return self.failure
        error = self.task.exception()
        if isinstance(error, Exception):
            return error
        return self.task.result()


@dataclass(slots=True)
class _FedBranch(_Branch[T]):
    chunks: asyncio.Queue[bytes | None]
    starved: asyncio.Event
    """Set while the send waits for a chunk."""

    def offer(self, chunk: bytes | None) -> bool:
        """Accept the chunk and return True, or return False if the queue is full."""
        try:
            self.chunks.put_nowait(chunk)
        except asyncio.QueueFull:
            return False
        return True


async def run_all(
    requests: Sequence[Coroutine[Any, Any, T]], *, patience_seconds: Sequence[float]
) -> list[T | Exception]:
    """Run all requests concurrently; return the result or exception of each, in order.

    A request that has not ended after its patience, which begins with the first success, is
    cancelled, with a `StalledError` as its outcome.
    """
    with LagFreeClock() as clock:
        branches = [
            _Branch(asyncio.create_task(request), _Patience(clock, seconds))
            for request, seconds in zip(requests, patience_seconds, strict=True)
        ]
        try:
            await _wait_for_outcomes(branches, clock)
            return [branch.outcome() for branch in branches]
        finally:
            await _end(branches)


async def fan_out(
    body: AsyncIterator[bytes], sends: Sequence[Send[T]], *, patience_seconds: float
) -> list[T | Exception]:
    """Feed one body to all sends; return the result or exception of each, in order.

    All delays that sends cause to the others add up, in one patience for the whole body. A send
    that exceeds it is cancelled, with a `StalledError` as its outcome. If all sends are slow, none
    is charged. If the body raises, all sends are cancelled and the exception propagates to the
    caller.
    """
    with LagFreeClock() as clock:
        patience = _Patience(clock, patience_seconds)
        branches = [_start(send, patience) for send in sends]
        try:
            async for chunk in body:
                await _feed_all(branches, chunk)
            await _feed_all(branches, None)
            await _wait_for_outcomes(branches, clock)
            return [branch.outcome() for branch in branches]
        finally:
            await _end(branches)


def _start(send: Send[T], patience: _Patience) -> _FedBranch[T]:
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS_AHEAD_MAX)
    starved = asyncio.Event()

    async def run() -> T:
        return await send(_until_end(chunks, starved, patience))

    return _FedBranch(asyncio.create_task(run()), patience, chunks, starved)


async def _until_end(
    chunks: asyncio.Queue[bytes | None], starved: asyncio.Event, patience: _Patience
) -> AsyncIterator[bytes]:
    while True:
        if chunks.empty():
            starved.set()
        chunk = await chunks.get()
        starved.clear()
        patience.record_progress()
        if chunk is None:
            return
        yield chunk


async def _feed_all(branches: Sequence[_FedBranch[T]], chunk: bytes | None) -> None:
    live = [branch for branch in branches if branch.is_live]
    full = [branch for branch in live if not branch.offer(chunk)]
    if full:
        await asyncio.gather(*(_feed_slow(branch, chunk, live) for branch in full))


async def _feed_slow(
    branch: _FedBranch[T], chunk: bytes | None, live: Sequence[_FedBranch[T]]
) -> None:
    """Wait until a full branch accepts the chunk, or ends.

    Once another branch runs out of data, the wait is charged.
    """
    first = asyncio.FIRST_COMPLETED
    put = asyncio.create_task(branch.chunks.put(chunk))
    starving = [asyncio.create_task(other.starved.wait()) for other in live if other is not branch]
    try:
        clock, idle = branch.patience.clock, branch.patience.idle_until_seconds
        await clock.wait({put, branch.task, *starving}, until_seconds=idle, return_when=first)
        with branch.patience.charged() as left_seconds:
            ends = clock() + left_seconds
            await clock.wait({put, branch.task}, until_seconds=ends, return_when=first)
        if not put.done() and branch.is_live:
            branch.give_up("it accepted no more bytes")
    finally:
        for task in (put, *starving):
            task.cancel()


async def _wait_for_outcomes(branches: Sequence[_Branch[T]], clock: LagFreeClock) -> None:
    """Wait for the first success, then for each other branch while its patience lasts."""
    deadline = clock() + ALL_IDLE_SECONDS
    while pending := {branch.task for branch in branches if branch.is_live}:
        if any(branch.has_succeeded for branch in branches):
            break
        if clock() >= deadline:
            break
        await clock.wait(pending, until_seconds=deadline, return_when=asyncio.FIRST_COMPLETED)
    first_at = clock()
    for seconds in sorted({branch.patience.left_seconds for branch in branches}):
        if pending := {branch.task for branch in branches if branch.is_live}:
            await clock.wait(pending, until_seconds=first_at + seconds)
        for branch in branches:
            if branch.is_live and branch.patience.left_seconds <= seconds:
                branch.give_up("it did not respond in time")


async def _end(branches: Sequence[_Branch[T]]) -> None:
    for branch in branches:
        if branch.is_live:  # a second cancel would interrupt the cleanup of the first
            branch.task.cancel()
    if unfinished := [branch.task for branch in branches if not branch.task.done()]:
        await asyncio.gather(*unfinished, return_exceptions=True)
