"""The walls around a child, tried from inside, and the filter as a pure program."""

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

# Numbers of <asm/unistd_64.h> and of the generic table: what a decoder cannot do without, and not.
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


@pytest.fixture(name="told", scope="module")
def _told() -> dict[str, Any]:
    probe = subprocess.run(
        [sys.executable, "-m", "tests.imageworker.sandbox_probe"], capture_output=True, check=True
    )
    told = json.loads(probe.stdout)
    victim = Path(told["victim"])
    assert victim.read_bytes() == b"a photo"
    victim.unlink()
    return told


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_a_decoder_has_no_business_with_fails(told: dict[str, Any], attempt: str) -> None:
    """No file, no network, no program, no other process, no limit raised, no more memory."""
    assert attempt in told["failed"]


@pytest.mark.parametrize("attempt", ALLOWED)
def test_what_a_decoder_needs_works(told: dict[str, Any], attempt: str) -> None:
    """Memory within the limit, the clock, and the answer."""
    assert attempt in told["worked"]


def test_a_child_is_filtered_unprivileged_and_alone(told: dict[str, Any]) -> None:
    """It leads a session of its own, is not root, and dies with its parent."""
    assert told["filtered"]
    assert told["unprivileged"]
    assert told["leads its session"]
    assert told["dies with its parent"]


def test_a_child_whose_parent_died_before_it_was_told_ends_at_once() -> None:
    """It is another's child by then, and nobody would kill it any more."""
    orphan = (
        "import os; from imageworker.sandbox.sandbox import die_with_parent; "
        "die_with_parent(os.getpid()); print(1)"
    )
    ended = subprocess.run([sys.executable, "-c", orphan], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == b""


def test_the_limits_are_those_of_the_recipe(told: dict[str, Any]) -> None:
    """The processor's limit is the only one with a second of grace."""
    lines = (re.split(r"  +", line) for line in told["limits"].splitlines())
    found = {line[0]: (line[1], line[2].strip()) for line in lines}
    memory, cpu = LIMITS.memory_bytes_max, LIMITS.cpu_seconds_max
    assert found["Max address space"] == (f"{memory}", f"{memory}")
    assert found["Max cpu time"] == (f"{cpu}", f"{cpu + 1}")
    for none in ("Max open files", "Max core file size", "Max file size"):
        assert found[none] == ("0", "0")


def _verdict(program: bytes, *, architecture: int, number: int, flags: int = 0) -> int:
    """What the kernel would do, by an interpreter of the few instructions the program uses."""
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
def test_the_filter_refuses_what_it_should_and_nothing_it_must_not(machine: str) -> None:
    """For both machines it knows, by number; threads may start, processes may not."""
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
    """Numbers of another machine would refuse the wrong things, so none is better."""
    assert render_filter("riscv64") is None
