"""Slow clients do not delay other clients."""

import contextlib
import socket

import pytest

from tests.edges.read_targets import TARGETS
from tests.proxy_config.edge_requests import send_request

# Only edges connect to nodes, and they read quickly.
SLOW_CLIENTS = {"node": 50, "nginx": 300, "varnish": 300}
QUICK_READS = 30
LARGE_BYTES = 4 * 1024 * 1024
# Small, so that a large photo does not fit into the buffers.
RECEIVE_BUFFER_BYTES = 4096


def slow_header(url, number):
    """Send half a request line or half a header."""
    whole = f"GET {url} HTTP/1.1\r\nHost: x\r\nX: y\r\n".encode()
    return whole[: 1 + number % len(whole)]


def slow_body(url, number):
    """Send no body, or half of one."""
    return f"POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n".encode() + b"x" * (
        number % 10
    )


def slow_read(url, _):
    """Send a request, and never read the response."""
    return f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("behave", [slow_header, slow_body, slow_read], ids=lambda f: f.__name__)
def test_quick_clients_are_served_beside_slow_ones(targets, target, behave):
    """Every other read succeeds, cached or not, while many slow connections are open."""
    address = targets.address(target)
    large = targets.new_photo(size=LARGE_BYTES)
    quick = [targets.new_photo() for _ in range(QUICK_READS)]
    with contextlib.ExitStack() as stack:
        for number in range(SLOW_CLIENTS[target]):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            slow.connect((address.host, address.port))
            slow.sendall(behave(large.url(), number))
        for photo in quick * 2:
            response = send_request(address, photo.url())
            assert (response.status, response.body) == (200, photo.data)
