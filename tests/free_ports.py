"""Ports of loopback for the servers that tests start, each given out once.

They are below those that Linux takes for outgoing connections: a server that is stopped could not
be started again on a port that such a one has taken meanwhile. Tests that run beside others have
some to themselves: "10240-21503" in GLASSPLATE_TEST_PORTS.
"""

import contextlib
import os
import random
import socket

HOST = "127.0.0.1"
ALL = range(10_240, 32_768)

_own = os.environ.get("GLASSPLATE_TEST_PORTS", f"{ALL[0]}-{ALL[-1]}")
_first, _last = (int(port) for port in _own.split("-"))
# In no order that a test could have as well.
_left = random.SystemRandom().sample(range(_first, _last + 1), _last + 1 - _first)


def free_port() -> int:
    """A port that nothing listens on, and that was not given out before."""
    while _left:
        port = _left.pop()
        if is_free(port):
            return port
    raise AssertionError("there is no end of ports")


def free_ports(count: int) -> list[int]:
    """So many of them."""
    return [free_port() for _ in range(count)]


def free_port_block(count: int) -> int:
    """The first of so many that follow each other."""
    for first in list(_left):
        block = range(first, first + count)
        if set(block) <= set(_left) and all(is_free(port) for port in block):
            _left[:] = [port for port in _left if port not in block]
            return first
    raise AssertionError("no block of free ports")


def is_free(port: int) -> bool:
    """Whether nothing listens on a port."""
    with contextlib.suppress(OSError):
        socket.create_server((HOST, port)).close()
        return True
    return False
