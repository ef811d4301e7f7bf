"""No page makes a browser purge an edge, although it may reach the purge port of its machine."""

import pytest

from tests.proxy_config.edge_requests import exchange, parse_response, send_request

EDGES = ("nginx", "varnish")
ORIGINS = ("https://evil.test", "null", "http://127.0.0.1")
REQUESTS = {
    "a purge": lambda path: ("POST", "/purge", path),
    "a purge by its method": lambda path: ("PURGE", f"/{path}", ""),
    "a drop of the cache": lambda _: ("POST", "/drop", ""),
    "a new mark": lambda _: ("PUT", "/sessions/m1", "boot"),
    "a mark by POST": lambda _: ("POST", "/sessions/m1", "boot"),
    "a look at a mark": lambda _: ("GET", "/sessions/m1", ""),
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("request_of", REQUESTS)
def test_no_page_reaches_the_purge_port(targets, edge, origin, request_of):
    """A simple request needs no consent of the server, but it names its origin."""
    photo, running = targets.new_photo(), targets.edges[edge]
    assert send_request(running.address, photo.url()).body == photo.data
    method, path, body = REQUESTS[request_of](photo.path)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\n"
    head += f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    assert parse_response(exchange(running.purge, (head + body).encode())).status == 403
    assert send_request(running.address, photo.url()).body == photo.data
