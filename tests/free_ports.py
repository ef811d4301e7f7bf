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
# The last are for blocks, or single ports would soon have left no block whole.
BLOCK_PORTS = 40
BLOCKS = 20
_boundary = _last + 1 - BLOCKS * BLOCK_PORTS
# In no order that a test could have as well.
_random = random.SystemRandom()
_left = _random.sample(range(_first, _boundary), _boundary - _first)
_blocks = _random.sample(range(_boundary, _last + 1, BLOCK_PORTS), BLOCKS)


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
    """The first of so many, up to `BLOCK_PORTS`, that follow each other."""
    assert count <= BLOCK_PORTS
    while _blocks:
        first = _blocks.pop()
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise AssertionError("no block of free ports")


def is_free(port: int) -> bool:
    """Whether nothing listens on a port."""
    with contextlib.suppress(OSError):
        socket.create_server((HOST, port)).close()
        return True
    return False
