"""Concurrent requests for an uncached photo cause one request to a node."""

import contextlib
import socket
import time

import pytest

from tests.proxy_config.edge_requests import (
    ANSWER_SECONDS_MAX,
    READ_KEYS,
    in_seconds,
    new_photo_path,
    parse_response,
    sign,
)
from tests.proxy_config.fake_node import bytes_of

CLIENTS = 40


@pytest.fixture(name="edge", scope="module", params=["nginx", "varnish", "both"])
def _edge(request, nginx, varnish, make_cluster, nodes):
    """Run an edge of each kind."""
    ports = {"42": [node.port for node in nodes]}
    if request.param == "nginx":
        return nginx(make_cluster(ports), "nginx", READ_KEYS)
    middle = varnish(make_cluster(ports), "varnish", READ_KEYS)
    if request.param == "varnish":
        return middle
    return nginx(make_cluster(ports), "nginx", READ_KEYS, varnish_tier=(middle.address,))


def send(stack, edge, url):
    """Open a connection and request a photo."""
    address = (edge.address.host, edge.address.port)
    connection = stack.enter_context(socket.create_connection(address, ANSWER_SECONDS_MAX))
    connection.sendall(f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return connection


def test_many_misses_of_one_photo_are_one_request(edge, nodes):
    """All clients get the whole photo from one request to a node, with any permission."""
    path = new_photo_path()
    urls = [sign(path), sign(path, key_id="b2"), sign(path, expiry=in_seconds(600))]
    nodes[0].answering.clear()
    try:
        with contextlib.ExitStack() as stack:
            clients = [send(stack, edge, urls[n % len(urls)]) for n in range(CLIENTS)]
            deadline = time.monotonic() + ANSWER_SECONDS_MAX
            while not nodes[0].request_count(path):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            nodes[0].answering.set()
            for client in clients:
                response = parse_response(b"".join(iter(lambda c=client: c.recv(65536), b"")))
                assert (response.status, response.body) == (200, bytes_of(path))
    finally:
        nodes[0].answering.set()
    assert (nodes[0].request_count(path), nodes[1].request_count(path)) == (1, 0)
