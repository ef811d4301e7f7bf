"""The sandbox of a child, tested from inside, and the filter program."""

import json
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imageworker.sandbox.syscall_filter import render_filter
from tests.imageworker.sandbox_probe import ALLOWED, ATTEMPTS, LIMITS

# Numbers of <asm/unistd_64.h> and of the generic table, for required and forbidden calls.
NEEDED = {"x86_64": (0, 1, 9, 11, 12, 60, 202, 231), "aarch64": (63, 64, 222, 215, 214, 93, 98, 94)}
REFUSED = {
    "x86_64": (2, 4, 41, 42, 57, 59, 62, 76, 82, 86, 87, 88, 90, 101, 141, 188, 257, 263, 302, 452),
    "aarch64": (5, 35, 36, 37, 38, 45, 52, 53, 56, 117, 129, 140, 198, 203, 221, 261, 276, 452),
}
PRCTL = {"x86_64": 157, "aarch64": 167}
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE = {"x86_64": 56, "aarch64": 220}
ALLOW, REFUSE, NO_SUCH, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
THREAD_FLAG = 0x00010000


@pytest.fixture(name="report", scope="module")
def _told() -> dict[str, Any]:
    probe = subprocess.run(
        [sys.executable, "-m", "tests.imageworker.sandbox_probe"], capture_output=True, check=True
    )
    report = json.loads(probe.stdout)
    victim = Path(report["victim"])
    assert victim.read_bytes() == b"a photo"
    victim.unlink()
    return report


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_forbidden_operations_fail(report: dict[str, Any], attempt: str) -> None:
    """File, network, program, other process, higher limit, and more memory are all denied."""
    assert attempt in report["failed"]


@pytest.mark.parametrize("attempt", ALLOWED)
def test_required_operations_work(report: dict[str, Any], attempt: str) -> None:
    """Memory within the limit, the clock, and the result pipe work."""
    assert attempt in report["worked"]


def test_a_child_is_filtered_unprivileged_and_alone(report: dict[str, Any]) -> None:
    """A child leads its own session, is unprivileged, and dies with its parent."""
    assert report["filtered"]
    assert report["unprivileged"]
    assert report["leads its session"]
    assert report["dies with its parent"]


def test_a_child_of_a_dead_parent_ends_at_once() -> None:
    """A child that starts after its parent's death ends at once."""
    orphan = (
        "import os; from imageworker.sandbox.sandbox import die_with_parent; "
        "die_with_parent(os.getpid()); print(1)"
    )
    ended = subprocess.run([sys.executable, "-c", orphan], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == b""


def test_the_limits_are_those_of_the_recipe(report: dict[str, Any]) -> None:
    """Only the processor limit has a second of grace."""
    lines = (re.split(r"  +", line) for line in report["limits"].splitlines())
    found = {line[0]: (line[1], line[2].strip()) for line in lines}
    memory, cpu = LIMITS.memory_bytes_max, LIMITS.cpu_seconds_max
    assert found["Max address space"] == (f"{memory}", f"{memory}")
    assert found["Max cpu time"] == (f"{cpu}", f"{cpu + 1}")
    for none in ("Max open files", "Max core file size", "Max file size"):
        assert found[none] == ("0", "0")


def _verdict(program: bytes, *, architecture: int, number: int, flags: int = 0) -> int:
    """Interpret the filter program; return the kernel's verdict."""
    data = struct.pack("=IIQQ", number, architecture, 0, flags)
    at, word = 0, 0
    while True:
        code, when_true, when_false, value = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        match code:
            case 0x20:
                (word,) = struct.unpack_from("=I", data, value)
            case 0x15:
                at += when_true if word == value else when_false
            case 0x35:
                at += when_true if word >= value else when_false
            case 0x45:
                at += when_true if word & value else when_false
            case 0x06:
                return value


@pytest.mark.parametrize("machine", AUDIT)
def test_the_filter_denies_forbidden_calls_and_allows_required_ones(machine: str) -> None:
    """For both machines, threads can start and processes cannot."""
    program = render_filter(machine)
    assert program is not None

    def verdict(number: int, flags: int = 0) -> int:
        return _verdict(program, architecture=AUDIT[machine], number=number, flags=flags)

    assert {verdict(number) for number in NEEDED[machine]} == {ALLOW}
    assert {verdict(number) for number in REFUSED[machine]} == {REFUSE}
    assert verdict(CLONE[machine], THREAD_FLAG) == ALLOW
    assert verdict(CLONE[machine], 17) == REFUSE
    assert verdict(PRCTL[machine], 15) == ALLOW
    assert verdict(PRCTL[machine], 1) == REFUSE
    assert verdict(435) == NO_SUCH
    assert verdict(0x40000000 + 59) == REFUSE
    assert _verdict(program, architecture=0x40000003, number=11) == KILL


def test_an_unknown_machine_has_no_filter() -> None:
    """An unknown machine gets no filter, because the numbers would be wrong."""
    assert render_filter("riscv64") is None
