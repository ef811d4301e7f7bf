"""A seccomp filter: the system calls that a decoder of strangers' files has no business with.

It starts no program, reaches no network, touches no other process and changes no limit of its own.
A list of what is refused, not of what is allowed: image libraries differ in what they call, and
with no file descriptors to be had and no privileges, the rest is harmless.

The program is classic BPF over `struct seccomp_data` (number at 0, architecture at 4, the first
argument at 16), as seccomp(2) describes it. A pure function makes it; `install` gives it to the
kernel.
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

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    architecture: int
    clone: int
    clone3: int
    refused: tuple[int, ...]


# Both in the order: execve, execveat; socket, socketpair, connect, accept, bind, listen, accept4;
# ptrace, process_vm_readv, process_vm_writev, kill, tkill, tgkill, rt_sigqueueinfo,
# rt_tgsigqueueinfo, pidfd_send_signal, pidfd_getfd; setrlimit, prlimit64; unshare, setns, mount,
# bpf, perf_event_open, userfaultfd, io_uring_setup, keyctl, add_key, open_by_handle_at;
# and fork, vfork where there are such.
_MACHINES = {
    "x86_64": _Machine(
        architecture=0xC000003E,
        clone=56,
        clone3=435,
        refused=(
            *(59, 322),
            *(41, 53, 42, 43, 49, 50, 288),
            *(101, 310, 311, 62, 200, 234, 129, 297, 424, 438),
            *(160, 302),
            *(272, 308, 165, 321, 298, 323, 425, 250, 248, 304),
            *(57, 58),
        ),
    ),
    "aarch64": _Machine(
        architecture=0xC00000B7,
        clone=220,
        clone3=435,
        refused=(
            *(221, 281),
            *(198, 199, 203, 202, 200, 201, 242),
            *(117, 270, 271, 129, 130, 131, 138, 240, 424, 438),
            *(164, 261),
            *(97, 268, 40, 280, 241, 282, 425, 219, 217, 265),
        ),
    ),
}


def render_filter(machine: str) -> bytes | None:
    """The filter's program for a machine as `platform.machine()` names it; None if unknown.

    >>> render_filter("pdp11") is None
    True
    """
    known = _MACHINES.get(machine)
    if known is None:
        return None
    refuse = [_instruction(_RETURN, _REFUSE | errno.EPERM)]
    # glibc tries clone3 first, whose flags a filter cannot see, and falls back to clone.
    checks = [
        *_when(_JUMP_IF_AT_LEAST, _X32_NUMBERS, refuse),
        *_when(_JUMP_IF_EQUAL, known.clone3, [_instruction(_RETURN, _REFUSE | errno.ENOSYS)]),
        *(step for number in known.refused for step in _when(_JUMP_IF_EQUAL, number, refuse)),
        *_when(
            _JUMP_IF_EQUAL,
            known.clone,
            [
                _instruction(_LOAD, _AT_FIRST_ARGUMENT),
                _instruction(_JUMP_IF_ANY_BIT, _CLONE_THREAD, when_true=1),
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
            _instruction(_RETURN, _ALLOW),
        ]
    )


class SyscallFilter:
    """The filter of this machine, made once and installed by every child."""

    def __init__(self) -> None:
        program = render_filter(platform.machine())
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._program = None
        if program is not None:
            self._instructions = ctypes.create_string_buffer(program, len(program))
            self._program = _Program(len(program) // 8, ctypes.addressof(self._instructions))

    def install(self) -> bool:
        """Put this process under the filter, for ever; False where the kernel has none."""
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
    """Do `then` when the loaded word compares so with the value; else go on behind it."""
    return [_instruction(jump, value, when_false=len(then)), *then]


def _instruction(code: int, value: int, *, when_true: int = 0, when_false: int = 0) -> bytes:
    """`struct sock_filter`."""
    return struct.pack("=HBBI", code, when_true, when_false, value)
