"""Sandbox of a process that decodes untrusted files, and the parts that this machine supports.

On every Linux: limits of address space, processor time, open files, file sizes, and core dumps; a
session of its own; no descriptor except the result pipe; SIGKILL when the parent dies.
With seccomp (x86-64 and ARM64): only the system calls that decoding needs. The process cannot use a
path, a program, the network, another process, or a limit.
With Landlock (Linux 5.13 and later): access to the file system is denied a second time.
If root started the worker: an empty network namespace, and an unprivileged user.
"""

import contextlib
import ctypes
import os
import resource
import signal
from dataclasses import dataclass

from imageworker.recipe import Limits
from imageworker.sandbox.landlock import deny_file_system
from imageworker.sandbox.syscall_filter import SyscallFilter

NOBODY = 65534

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_CLONE_NEWNET = 0x40000000
# The kernel sends SIGXCPU at the soft limit, and SIGKILL one second later at the hard limit.
_CPU_SECONDS_OF_GRACE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """Sandbox features that depend on the machine, each True if it is active."""

    network_isolated: bool
    unprivileged: bool
    syscalls_filtered: bool
    file_system_denied: bool


def drop_privileges() -> tuple[bool, bool]:
    """Enter an empty network namespace and become unprivileged, if this process is root.

    Returns:
        True if the network is isolated, and True if the process is unprivileged.
    """
    if os.geteuid() != 0:
        return False, True
    has_left = _LIBC.unshare(_CLONE_NEWNET) == 0
    # In a container, root can lack the right to change its user.
    with contextlib.suppress(PermissionError):
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    return has_left, os.geteuid() != 0


def die_with_parent(parent: int) -> None:
    """Kill this process when its parent dies, or now if the parent is already dead.

    Call this first in a child: it gets no signal for a parent that died before the call.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def enter_sandbox(limits: Limits, syscalls: SyscallFilter) -> bool:
    """Apply the limits to this process permanently.

    The filter comes last, because it denies the calls that set the limits.

    Returns:
        True if system calls are filtered.
    """
    with contextlib.suppress(PermissionError):
        os.setsid()
    # Landlock needs a descriptor for a moment, so it precedes the limit on open files.
    deny_file_system()
    _limit(resource.RLIMIT_AS, limits.memory_bytes_max)
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds_max, grace=_CPU_SECONDS_OF_GRACE)
    _limit(resource.RLIMIT_NOFILE, limits.open_files_max)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    return syscalls.install()


def _limit(kind: int, most: int, *, grace: int = 0) -> None:
    _, hard = resource.getrlimit(kind)
    highest = most + grace if hard == resource.RLIM_INFINITY else min(hard, most + grace)
    resource.setrlimit(kind, (min(most, highest), highest))
