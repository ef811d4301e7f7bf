"""Seccomp filter that allows a decoder of untrusted files only the system calls it needs.

A decoder computes, takes memory, starts threads, reads the clock, and writes its result to an open
descriptor. Every other call fails with EPERM: calls that name a path, start a program, reach a
network, touch another process, or change a limit. Unlisted calls fail instead of killing the
process, because image libraries probe for features and do without them.

The program is classic BPF over `struct seccomp_data` (number at 0, architecture at 4, the first
argument at 16), as seccomp(2) describes it.
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

_LOAD = 0x20
_JUMP_IF_EQUAL = 0x15
_JUMP_IF_AT_LEAST = 0x35
_JUMP_IF_ANY_BIT = 0x45
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000
_KILL = 0x80000000

_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
_CLONE_THREAD = 0x00010000
_X32_NUMBERS = 0x40000000

_PR_SET_NAME = 15
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    """Numbers of system calls on one kind of processor."""

    architecture: int
    clone: int
    clone3: int
    prctl: int
    allowed: tuple[int, ...]
    """In rows: descriptors (read, write, close, fstat, lseek, readv, writev, pread64); memory
    (mmap, mprotect, munmap, mremap, madvise, brk, membarrier); signals (rt_sigaction,
    rt_sigprocmask, rt_sigreturn, sigaltstack, restart_syscall); threads (futex, sched_yield,
    sched_getaffinity, getcpu, set_robust_list, get_robust_list, rseq); clocks (nanosleep,
    clock_gettime, clock_getres, clock_nanosleep, gettimeofday, times, getrusage); the process
    itself (getpid, gettid, getppid, getuid, geteuid, getgid, getegid, getpriority, uname,
    sysinfo); the end (getrandom, ppoll, exit, exit_group). On x86-64 also poll, time, and
    arch_prctl."""


_MACHINES = {
    "x86_64": _Machine(
        architecture=0xC000003E,
        clone=56,
        clone3=435,
        prctl=157,
        allowed=(
            *(0, 1, 3, 5, 8, 19, 20, 17),
            *(9, 10, 11, 25, 28, 12, 324),
            *(13, 14, 15, 131, 219),
            *(202, 24, 204, 309, 273, 274, 334),
            *(35, 228, 229, 230, 96, 100, 98),
            *(39, 186, 110, 102, 107, 104, 108, 140, 63, 99),
            *(318, 271, 60, 231),
            *(7, 201, 158),
        ),
    ),
    "aarch64": _Machine(
        architecture=0xC00000B7,
        clone=220,
        clone3=435,
        prctl=167,
        allowed=(
            *(63, 64, 57, 80, 62, 65, 66, 67),
            *(222, 226, 215, 216, 233, 214, 283),
            *(134, 135, 139, 132, 128),
            *(98, 124, 123, 168, 99, 100, 293),
            *(101, 113, 114, 115, 169, 153, 165),
            *(172, 178, 173, 174, 175, 176, 177, 141, 160, 179),
            *(278, 73, 93, 94),
        ),
    ),
}


def render_filter(machine: str) -> bytes | None:
    """Return the filter's program for a machine named as by `platform.machine()`, None if unknown.

    >>> render_filter("pdp11") is None
    True
    """
    known = _MACHINES.get(machine)
    if known is None:
        return None
    allow = [_instruction(_RETURN, _ALLOW)]
    refuse = [_instruction(_RETURN, _REFUSE | errno.EPERM)]
    checks = [
        *_when(_JUMP_IF_AT_LEAST, _X32_NUMBERS, refuse),
        # glibc tries clone3 first, whose flags a filter cannot see, and falls back to clone.
        *_when(_JUMP_IF_EQUAL, known.clone3, [_instruction(_RETURN, _REFUSE | errno.ENOSYS)]),
        *(step for number in known.allowed for step in _when(_JUMP_IF_EQUAL, number, allow)),
        *_when(
            _JUMP_IF_EQUAL,
            known.clone,
            [
                _instruction(_LOAD, _AT_FIRST_ARGUMENT),
                *_when(_JUMP_IF_ANY_BIT, _CLONE_THREAD, allow),
                *refuse,
            ],
        ),
        # A thread may name itself. It may not turn off the signal for its parent's death.
        *_when(
            _JUMP_IF_EQUAL,
            known.prctl,
            [
                _instruction(_LOAD, _AT_FIRST_ARGUMENT),
                *_when(_JUMP_IF_EQUAL, _PR_SET_NAME, allow),
                *refuse,
            ],
        ),
    ]
    return b"".join(
        [
            _instruction(_LOAD, _AT_ARCHITECTURE),
            _instruction(_JUMP_IF_EQUAL, known.architecture, when_true=1),
            _instruction(_RETURN, _KILL),
            _instruction(_LOAD, _AT_NUMBER),
            *checks,
            *refuse,
        ]
    )


class SyscallFilter:
    """Filter for this machine, built once and installed by every child."""

    def __init__(self) -> None:
        program = render_filter(platform.machine())
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._program = None
        if program is not None:
            self._instructions = ctypes.create_string_buffer(program, len(program))
            self._program = _Program(len(program) // 8, ctypes.addressof(self._instructions))

    def install(self) -> bool:
        """Filter this process permanently; return False if the kernel cannot."""
        if self._program is None:
            return False
        no_new_privileges = self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        filtered = self._libc.prctl(
            _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(self._program), 0, 0
        )
        return bool(no_new_privileges == 0 and filtered == 0)


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _when(jump: int, value: int, then: list[bytes]) -> list[bytes]:
    """Run `then` if the comparison of the loaded word holds, otherwise continue after it."""
    return [_instruction(jump, value, when_false=len(then)), *then]


def _instruction(code: int, value: int, *, when_true: int = 0, when_false: int = 0) -> bytes:
    """`struct sock_filter`."""
    return struct.pack("=HBBI", code, when_true, when_false, value)
