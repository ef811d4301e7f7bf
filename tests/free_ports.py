"""Loopback ports for the servers of tests, each returned as long ago as possible.

They are below the range that Linux uses for outgoing connections; otherwise such a connection could
take the port of a stopped server before its restart. Concurrent test processes get separate ranges:
"10240-21503" in GLASSPLATE_TEST_PORTS.
"""

import contextlib
import os
import random
import socket
from collections import deque

HOST = "127.0.0.1"
ALL = range(10_240, 32_768)

_own = os.environ.get("GLASSPLATE_TEST_PORTS", f"{ALL[0]}-{ALL[-1]}")
_first, _last = (int(port) for port in _own.split("-"))
# The last ports are for blocks; otherwise single ports would soon split every block.
BLOCK_PORTS = 40
BLOCKS = 20
_boundary = _last + 1 - BLOCKS * BLOCK_PORTS
# In random order, so that no test depends on it.
_random = random.SystemRandom()
_ports = deque(_random.sample(range(_first, _boundary), _boundary - _first))
_blocks = deque(_random.sample(range(_boundary, _last + 1, BLOCK_PORTS), BLOCKS))


def free_port() -> int:
    """Return a free port. It is returned again only after all others of the range."""
    for _ in range(len(_ports)):
        _ports.rotate(-1)
        if is_free(_ports[-1]):
            return _ports[-1]
    raise AssertionError("all ports of the range are in use")


def free_ports(count: int) -> list[int]:
    """Return this number of free ports."""
    return [free_port() for _ in range(count)]


def free_port_block(count: int) -> int:
    """Return the first of `count` consecutive ports, up to `BLOCK_PORTS`."""
    assert count <= BLOCK_PORTS
    for _ in range(len(_blocks)):
        _blocks.rotate(-1)
        first = _blocks[-1]
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise AssertionError("all blocks of ports are in use")


def is_free(port: int) -> bool:
    """Return True if no server listens on the port."""
    with contextlib.suppress(OSError):
        socket.create_server((HOST, port)).close()
        return True
    return False
