"""Run as a program: goes behind the walls, tries what should not work there, and tells as JSON."""

import ctypes
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping

from imageworker.recipe import Limits
from imageworker.sandbox.sandbox import die_with_parent, drop_privileges, enter_sandbox
from imageworker.sandbox.syscall_filter import SyscallFilter

MEGABYTE = 1024 * 1024
LIMITS = Limits(memory_bytes_max=600 * MEGABYTE)


ATTEMPTS: Mapping[str, Callable[[], object]] = {
    "open a file": lambda: os.open("/dev/null", os.O_RDONLY),
    "write a file": lambda: os.open("/tmp/never-written", os.O_CREAT | os.O_WRONLY),
    "make a pipe": os.pipe,
    "make a memory file": lambda: os.memfd_create("x"),
    "make a TCP socket": socket.socket,
    "make a unix socket": lambda: socket.socket(socket.AF_UNIX),
    "make a socket pair": socket.socketpair,
    "start a program": lambda: os.execv("/bin/true", ["true"]),
    "fork": os.fork,
    "kill its parent": lambda: os.kill(os.getppid(), 0),
    "raise its own files": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    "raise its own memory": lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
    "become root": lambda: os.setuid(0),
    "take too much memory": lambda: bytearray(700 * MEGABYTE),
}
ALLOWED: Mapping[str, Callable[[], object]] = {
    "take some memory": lambda: bytearray(200 * MEGABYTE),
    "tell the time": os.times,
    "write its answer": lambda: os.write(1, b""),
}


def main() -> None:
    """Say what worked and what did not, and of the limits what they are."""
    syscalls = SyscallFilter()
    # Not even asking for one's limits is allowed later, so the kernel's own list is opened now.
    limits = os.open("/proc/self/limits", os.O_RDONLY)
    _, is_unprivileged = drop_privileges()
    die_with_parent(os.getppid())
    is_filtered = enter_sandbox(LIMITS, syscalls)
    death_signal = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(death_signal), 0, 0, 0)
    told = {
        "failed": [name for name, attempt in ATTEMPTS.items() if not _works(attempt)],
        "worked": [name for name, attempt in ALLOWED.items() if _works(attempt)],
        "filtered": is_filtered,
        "unprivileged": is_unprivileged and os.geteuid() != 0,
        "leads its session": os.getsid(0) == os.getpid(),
        "dies with its parent": death_signal.value == signal.SIGKILL,
        "limits": os.read(limits, 10_000).decode(),
    }
    os.write(1, json.dumps(told).encode())
    sys.stdout.flush()
    os._exit(0)


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, MemoryError, ValueError):
        return False
    return True


if __name__ == "__main__":
    main()
