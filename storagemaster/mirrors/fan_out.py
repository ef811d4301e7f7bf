"""Several nodes at once: their one body is read once, and none may hold up the others for long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Send = Callable[[AsyncIterator[bytes]], Awaitable[T]]

# How far a node may lag behind the body, in pieces of up to 256 KiB or so.
CHUNKS_AHEAD_MAX = 8
# How long all may keep silent together, with none to compare them to: busy disks do.
ALL_IDLE_SECONDS = 10.0


class StalledError(Exception):
    """The receiver took no bytes, or gave no answer, for longer than it may."""


@dataclass(slots=True)
class _Branch(Generic[T]):
    task: asyncio.Task[T]
    patience_seconds: float
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
    """Set while the send wants a piece and there is none."""

    def offer(self, chunk: bytes | None) -> bool:
        """Whether there is room for the piece, which is taken then."""
        try:
            self.chunks.put_nowait(chunk)
        except asyncio.QueueFull:
            return False
        return True


async def run_all(
    asks: Sequence[Coroutine[Any, Any, T]], *, patience_seconds: float
) -> list[T | Exception]:
    """Have all of it done at once; what each returned or raised, in their order.

    What is not done this long after the first of the others is cancelled, and ends in
    `StalledError`.
    """
    branches = [_Branch(asyncio.create_task(ask), patience_seconds) for ask in asks]
    try:
        await _wait_for_answers(branches)
        return [branch.outcome() for branch in branches]
    finally:
        await _end(branches)


async def fan_out(
    body: AsyncIterator[bytes], sends: Sequence[Send[T]], *, patience_seconds: float
) -> list[T | Exception]:
    """Feed one body to every send at once; what each returned or raised, in their order.

    A send that keeps the others waiting for longer than its patience, all its waits added up, is
    cancelled and ends in `StalledError`; where all are slow, none waits for another. If the body
    raises, every send is cancelled in the middle and the error goes to the caller.
    """
    branches = [_start(send, patience_seconds) for send in sends]
    try:
        async for chunk in body:
            await _feed_all(branches, chunk)
        await _feed_all(branches, None)
        await _wait_for_answers(branches)
        return [branch.outcome() for branch in branches]
    finally:
        await _end(branches)


def _start(send: Send[T], patience_seconds: float) -> _FedBranch[T]:
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS_AHEAD_MAX)
    starved = asyncio.Event()

    async def run() -> T:
        return await send(_until_end(chunks, starved))

    return _FedBranch(asyncio.create_task(run()), patience_seconds, chunks, starved)


async def _until_end(
    chunks: asyncio.Queue[bytes | None], starved: asyncio.Event
) -> AsyncIterator[bytes]:
    while True:
        if chunks.empty():
            starved.set()
        chunk = await chunks.get()
        starved.clear()
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
    """Wait for room, at the branch's own expense from when another has nothing left to go on with.

    A branch that ends meanwhile needs no piece.
    """
    clock, first = asyncio.get_running_loop().time, asyncio.FIRST_COMPLETED
    put = asyncio.create_task(branch.chunks.put(chunk))
    hungers = [asyncio.create_task(other.starved.wait()) for other in live if other is not branch]
    try:
        await asyncio.wait(
            {put, branch.task, *hungers}, timeout=ALL_IDLE_SECONDS, return_when=first
        )
        started = clock()
        patience = max(0.0, branch.patience_seconds)
        await asyncio.wait({put, branch.task}, timeout=patience, return_when=first)
        branch.patience_seconds -= clock() - started
        if not put.done() and branch.is_live:
            branch.give_up("it took no more bytes")
    finally:
        for task in (put, *hungers):
            task.cancel()


async def _wait_for_answers(branches: Sequence[_Branch[T]]) -> None:
    """Wait for one success without haste, then for the others while their patience lasts."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + ALL_IDLE_SECONDS
    while pending := {branch.task for branch in branches if branch.is_live}:
        if any(branch.has_succeeded for branch in branches):
            break
        left = deadline - clock()
        if left <= 0:
            break
        await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    if pending:
        patience = max(0.0, *(branch.patience_seconds for branch in branches if branch.is_live))
        await asyncio.wait(pending, timeout=patience)
    for branch in branches:
        if branch.is_live:
            branch.give_up("it gave no answer in time")


async def _end(branches: Sequence[_Branch[T]]) -> None:
    for branch in branches:
        if branch.is_live:  # a second cancel would break into the clean-up of the first
            branch.task.cancel()
    if going_on := [branch.task for branch in branches if not branch.task.done()]:
        await asyncio.gather(*going_on, return_exceptions=True)
