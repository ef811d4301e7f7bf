"""Program that enters the sandbox, tries forbidden operations, and prints the results as JSON."""

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from imageworker.recipe import Limits
from imageworker.sandbox.sandbox import die_with_parent, drop_privileges, enter_sandbox
from imageworker.sandbox.syscall_filter import SyscallFilter

MEGABYTE = 1024 * 1024
LIMITS = Limits(memory_bytes_max=600 * MEGABYTE)


# This process owns the file, so only the sandbox can deny access to it.
VICTIM = f"{tempfile.gettempdir()}/sandbox-probe-{os.getpid()}"
OTHER = f"{VICTIM}-other"


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None).prctl(option, value, 0, 0, 0) != 0:
        raise PermissionError


ATTEMPTS: Mapping[str, Callable[[], object]] = {
    "open a file": lambda: os.open("/dev/null", os.O_RDONLY),
    "write a file": lambda: os.open("/tmp/never-written", os.O_CREAT | os.O_WRONLY),
    "remove a file": lambda: os.unlink(VICTIM),
    "rename a file": lambda: os.rename(VICTIM, OTHER),
    "link a file": lambda: os.link(VICTIM, OTHER),
    "make a symbolic link": lambda: os.symlink(VICTIM, OTHER),
    "truncate a file": lambda: os.truncate(VICTIM, 0),
    "make a directory": lambda: os.mkdir(OTHER),
    "make a named pipe": lambda: os.mkfifo(OTHER),
    "change a mode": lambda: os.chmod(VICTIM, 0o777),
    "change an owner": lambda: os.chown(VICTIM, -1, -1),
    "change a time": lambda: os.utime(VICTIM),
    "change an attribute": lambda: os.setxattr(VICTIM, "user.sha256", b"x"),
    "read an attribute": lambda: os.getxattr(VICTIM, "user.sha256"),
    "look at a file": lambda: os.stat(VICTIM),
    "list a directory": lambda: os.listdir("/"),
    "change its directory": lambda: os.chdir("/"),
    "slow another process down": lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
    "move another process": lambda: os.sched_setaffinity(os.getppid(), {0}),
    "outlive its parent": lambda: _prctl(1, 0),
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
    "write its result": lambda: os.write(1, b""),
}


def main() -> None:
    """Print the result of every operation, and the limits."""
    syscalls = SyscallFilter()
    # The sandbox denies reading limits and sessions, so the kernel's files are opened before.
    limits = os.open("/proc/self/limits", os.O_RDONLY)
    stat = os.open("/proc/self/stat", os.O_RDONLY)
    _, is_unprivileged = drop_privileges()
    die_with_parent(os.getppid())
    death_signal = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(death_signal), 0, 0, 0)
    Path(VICTIM).write_bytes(b"a photo")
    is_filtered = enter_sandbox(LIMITS, syscalls)
    report = {
        "failed": [name for name, attempt in ATTEMPTS.items() if not _works(attempt)],
        "worked": [name for name, attempt in ALLOWED.items() if _works(attempt)],
        "filtered": is_filtered,
        "unprivileged": is_unprivileged and os.geteuid() != 0,
        "leads its session": int(os.read(stat, 1000).rpartition(b")")[2].split()[3]) == os.getpid(),
        "dies with its parent": death_signal.value == signal.SIGKILL,
        "victim": VICTIM,
        "limits": os.read(limits, 10_000).decode(),
    }
    os.write(1, json.dumps(report).encode())
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
