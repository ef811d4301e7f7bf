"""Thousands of damaged files end in sizes or a reason, within the limits of a child.

Most files go in batches through sandboxed children that this process forks, because one fork per
file would take too long. A sample goes through a fork server and must end the same way.
`GLASSPLATE_FUZZ_FILES` sets the number, and `GLASSPLATE_FUZZ_SEED` the first seed.
"""

import json
import os
import random
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from imageworker.processing_errors import KINDS, TransientFailure, UnprocessablePhoto
from imageworker.recipe import DEFAULT_RECIPE, Limits, Recipe
from imageworker.sandbox.child import SizesMaker, describe_exit
from imageworker.sandbox.child_protocol import ChildExit, Request
from imageworker.sandbox.fork_server import build_result, discard_output, warm_up
from imageworker.sandbox.sandbox import enter_sandbox
from imageworker.sandbox.syscall_filter import SyscallFilter
from tests.imageworker.mutations import mutate, small_photos
from volumes.sizes import Size

FILES = int(os.environ.get("GLASSPLATE_FUZZ_FILES", "20000"))
SEED = int(os.environ.get("GLASSPLATE_FUZZ_SEED", "1871"))
BATCH = 250
ONE_IN_FOR_THE_WHOLE_WAY = 40
MEGABYTE = 1024 * 1024

RECIPE = Recipe(
    version="fuzz",
    sizes=(Size("s", 16, square=True), Size("t", 24), Size("m", 40)),
    jpeg=DEFAULT_RECIPE.jpeg,
    limits=Limits(memory_bytes_max=1024 * MEGABYTE),
)

Outcome = str
"""`ready`, or the kind of the error of a file."""


def test_every_broken_file_ends_ready_or_with_a_reason(maker: SizesMaker) -> None:
    """Every file gives sizes or a reason, and the worker survives."""
    print(f"seed {SEED}, {FILES} files")  # noqa: T201  a failure can be run again from it
    warm_up()
    photos = small_photos()
    rng = random.Random(SEED)
    syscalls = SyscallFilter()
    outcomes: dict[Outcome, int] = {}
    for start in range(0, FILES, BATCH):
        batch = [mutate(photos, rng) for _ in range(min(BATCH, FILES - start))]
        child = _Child(batch, syscalls)
        # The sample runs while the child handles the others.
        whole_way = {
            at: _through_a_server(maker, batch[at])
            for at in range(-start % ONE_IN_FOR_THE_WHOLE_WAY, len(batch), ONE_IN_FOR_THE_WHOLE_WAY)
        }
        ended = _finish_batch(batch, child, syscalls)
        for outcome in ended:
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        for at, outcome in whole_way.items():
            assert ended[at] == outcome, (SEED, start + at)
    print(outcomes)  # noqa: T201  shown with -s, and when it fails
    assert sum(outcomes.values()) == FILES
    assert set(outcomes) <= {"ready", *KINDS}
    # A fuzzer needs both valid and invalid files.
    assert outcomes["ready"] > FILES * 0.1
    assert outcomes["BrokenPhoto"] > FILES * 0.1
    assert outcomes["TruncatedPhoto"] > FILES * 0.05


def _through_a_server(maker: SizesMaker, data: bytes) -> Outcome:
    try:
        maker.make(data, RECIPE)
    except UnprocessablePhoto as error:
        outcome = type(error).__name__
    else:
        outcome = "ready"
    assert maker.last_exit is not None
    assert maker.last_exit.memory_bytes_peak <= RECIPE.limits.memory_bytes_max
    assert maker.last_exit.cpu_seconds <= RECIPE.limits.cpu_seconds_max + 1
    return outcome


def _finish_batch(
    batch: Sequence[bytes], child: "_Child", syscalls: SyscallFilter
) -> list[Outcome]:
    """Return the outcome of each file, also after one that killed its child."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(batch):
        if outcomes:
            child = _Child(batch[len(outcomes) :], syscalls)
        report, end = child.finish()
        outcomes += report
        undoable = describe_exit(end, RECIPE.limits)
        if undoable is not None:
            assert isinstance(undoable, TransientFailure)
            outcomes.append(type(undoable).__name__)
        assert end.memory_bytes_peak <= RECIPE.limits.memory_bytes_max
    return outcomes


class _Child:
    """A sandboxed child that handles a batch of files."""

    def __init__(self, files: Sequence[bytes], syscalls: SyscallFilter) -> None:
        # The pages of this process count as the child's, until either writes to them.
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self._shared_bytes = pages * os.sysconf("SC_PAGE_SIZE")
        self._reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _be_child(files, writing, syscalls)
        os.close(writing)

    def finish(self) -> tuple[list[Outcome], ChildExit]:
        """Return its outcomes and its exit."""
        deadline = time.monotonic() + RECIPE.limits.elapsed_seconds_max
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        report, is_timed_out = b"", False
        while not is_timed_out:
            is_timed_out = not poll.poll(1000 * max(0.0, deadline - time.monotonic()))
            chunk = b"" if is_timed_out else os.read(self._reading, 65_536)
            if not chunk:
                break
            report += chunk
        if is_timed_out:
            os.kill(self._pid, signal.SIGKILL)
        os.close(self._reading)
        _, status, used = os.wait4(self._pid, 0)
        end = ChildExit(
            status=status,
            is_timed_out=is_timed_out,
            memory_bytes_peak=used.ru_maxrss * 1024 - self._shared_bytes,
            cpu_seconds=used.ru_utime + used.ru_stime,
            elapsed_seconds=0.0,
        )
        return [_checked(json.loads(line)) for line in report.decode().splitlines()], end


def _checked(line: dict[str, str]) -> Outcome:
    assert line["outcome"] == "ready" or line["reason"].isprintable()
    assert line["outcome"] == "ready" or 5 < len(line["reason"]) <= 300
    return line["outcome"]


def _be_child(files: Sequence[bytes], writing: int, syscalls: SyscallFilter) -> None:
    """Handle file after file, and exit without cleanup."""
    try:
        discard_output()
        enter_sandbox(RECIPE.limits, syscalls)
        for data in files:
            result = build_result(Request(RECIPE), data)
            report = {"outcome": "ready"}
            if isinstance(result, UnprocessablePhoto):
                report = {"outcome": result.kind, "reason": result.reason}
            os.write(writing, json.dumps(report).encode() + b"\n")
        os._exit(0)
    except BaseException:  # noqa: BLE001  nothing may unwind into the tests' own process
        os._exit(1)
