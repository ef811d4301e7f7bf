"""A HEAD has no body, so the next request on its connection is answered (RFC 9110, 9.3.2)."""

import asyncio

import pytest

from storagemaster import wire
from tests.storagemaster.admission.test_authorization import FIELDS, ROUTES

# A resumable upload has a HEAD of its own: its responses are in tests/storagemaster/resumable.
GETS = [n for n, r in ROUTES.items() if r.method == "GET" and r is not wire.UPLOAD_STATE]


@pytest.mark.parametrize("name", GETS)
async def test_the_next_request_after_a_head_is_answered(cluster, name):
    """On every route that a HEAD can reach, also where a GET streams without end."""
    address = cluster.master.address
    reader, writer = await asyncio.open_connection(address.host, address.port)
    token = cluster.master._token
    path = ROUTES[name].path(FIELDS)
    writer.write(
        f"HEAD {path} HTTP/1.1\r\nHost: m\r\nAuthorization: Bearer {token}\r\n\r\n"
        f"GET {wire.HEALTH.path()} HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n".encode()
    )
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        rest = await reader.read()
    writer.close()
    if head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 ")):  # a request without a signature
        assert (b"Connection: close" in head, rest) == (True, b"")
        return
    assert head.startswith(b"HTTP/1.1 ")
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest.endswith(b"\r\n\r\nok\n")


async def test_a_head_of_the_events_has_the_headers_of_the_stream(cluster):
    """Without taking the place of a watcher."""
    answer = await cluster.master.request("HEAD", wire.EVENTS.path())
    assert (answer.status, answer.document) == (200, "")
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
