"""Scrub of small and of large files: its cost, its rate against its budget, and its restart.

Roots are built as a store would have written them. A pass without pauses gives the processor time,
and a pass with its pauses the rate. A restart after half of a pass repeats what was not saved.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.scale_cost import Cost
from bench.scale_roots import build_root, write_photo
from storagenode.disk.store import DiskStore
from storagenode.upkeep.scrub import FILE_BYTES_MIN, Scrub

UNLIMITED_BYTES_PER_SECOND = 10**12
BUDGET_BYTES_PER_SECOND = 8 * 1024 * 1024
TIMES = 10
# The length of a pass that is restarted.
PASS_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class _Kind:
    """Files of one size, and their number at 1x."""

    what: str
    file_bytes: int
    files: int

    @property
    def cost_bytes(self) -> int:
        """The part of the budget that one of them takes."""
        return max(self.file_bytes, FILE_BYTES_MIN)


KINDS = (
    _Kind("files of 3 KB scrubbed", 3_000, 1_000),
    _Kind("files of 2 MB scrubbed", 2_000_000, 10),
)


class _Stopped(Exception):
    """The process ends in the middle of a pass."""


class _Clock:
    """A clock that only sleeps move, until the process ends."""

    def __init__(self) -> None:
        self._seconds = time.time()
        self.is_at_end: Callable[[], bool] = lambda: False

    def now(self) -> float:
        """Return the time."""
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        """Move the clock, or end the process."""
        if self.is_at_end():
            raise _Stopped
        self._seconds += seconds


def main() -> None:
    """Measure and print all figures."""
    with tempfile.TemporaryDirectory(prefix="glassplate-scale-") as folder:
        for kind in KINDS:
            work = (kind.files, TIMES * kind.files)
            few, many = [_root(Path(folder), kind, count) for count in work]
            seconds = (_pass_seconds(few), _pass_seconds(many))
            print(Cost(kind.what, "files", work, seconds))
            _print_rate(kind, many)
            _print_restart(kind, many)


def _root(folder: Path, kind: _Kind, count: int) -> DiskStore:
    root = folder / f"{kind.file_bytes}-{count}"
    store = build_root(root, 1, 0)
    body = b"." * kind.file_bytes
    for number in range(count):
        write_photo(root, body, seed=number)
    return store


def _pass_seconds(store: DiskStore) -> float:
    """Return the processor time of a pass."""
    started = time.process_time()
    _run(store, UNLIMITED_BYTES_PER_SECOND, _no_sleep)
    return time.process_time() - started


def _print_rate(kind: _Kind, store: DiskStore) -> None:
    started = time.monotonic()
    scrub = _run(store, BUDGET_BYTES_PER_SECOND, asyncio.sleep)
    seconds = time.monotonic() - started
    rate, budget = scrub.progress.files * kind.cost_bytes / seconds, BUDGET_BYTES_PER_SECOND
    print(
        f"  its rate: {scrub.progress.files / seconds:,.1f} files/s, "
        f"{scrub.progress.bytes / seconds / 1e6:,.2f} MB/s, {rate / budget:.0%} of its budget"
    )


def _print_restart(kind: _Kind, store: DiskStore) -> None:
    """End a pass in its middle, and open the scrub again, on a clock that only sleeps move."""
    clock, half = _Clock(), TIMES * kind.files // 2

    def opened(threads: Executor) -> Scrub:
        budget = 2 * half * kind.cost_bytes // PASS_SECONDS
        return Scrub(
            store, threads, bytes_per_second=budget, now_seconds=clock.now, sleep=clock.sleep
        )

    with ThreadPoolExecutor(1) as threads:
        scrub = opened(threads)
        clock.is_at_end = lambda: scrub.progress.files >= half
        with contextlib.suppress(_Stopped):
            asyncio.run(scrub.run_pass())
        again = opened(threads)
    repeated = (scrub.progress.files - again.progress.files) / (2 * half)
    print(
        f"  a restart in the middle of {PASS_SECONDS:,} s repeats {repeated:.1%} of the pass; "
        f"its oldest unverified file then: {again.unverified_seconds():,.0f} s"
    )


def _run(
    store: DiskStore, bytes_per_second: int, sleep: Callable[[float], Awaitable[None]]
) -> Scrub:
    """Run a pass."""
    with ThreadPoolExecutor(1) as threads:
        scrub = Scrub(
            store, threads, bytes_per_second=bytes_per_second, now_seconds=time.time, sleep=sleep
        )
        asyncio.run(scrub.run_pass())
    return scrub


async def _no_sleep(_: float) -> None:
    """Return at once."""


if __name__ == "__main__":
    main()
