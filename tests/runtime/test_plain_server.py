"""The server of plain requests holds bodies of senders that it admits, and of no others."""

import asyncio
import contextlib

import pytest
from aiohttp import web

from runtime import plain_server
from runtime.clients import ClientLimits, Clients
from runtime.plain_http import PlainRequests, render_response
from runtime.plain_server import PlainRunner

SECONDS = 30
BODY = b"hello"
BODY_BYTES = len(BODY)


def head(sender=b"known", length=BODY_BYTES):
    """Return the head of a request."""
    return b"PUT /x HTTP/1.1\r\nHost: h\r\nX-Sender: %s\r\nContent-Length: %d\r\n\r\n" % (
        sender,
        length,
    )


async def refuse_at_once(_request):
    """Respond before the body is read, as a check of the head does."""
    return web.Response(status=403)


@contextlib.asynccontextmanager
async def serving():
    """Serve plain requests with status 200, and others with 403; yield the address."""
    application = web.Application()
    application.add_routes([web.put("/x", refuse_at_once)])
    runner = PlainRunner(
        application,
        PlainRequests("PUT", reads=("x-sender",), body_bytes_max=1000),
        lambda _request, _body: render_response(200, {}, b""),
        lambda refused: web.Response(status=refused),
        Clients(ClientLimits(connections_max=10)),
        admit=lambda request: request.headers[b"x-sender"] == b"known",
        idle_seconds=60,
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0]
    await runner.cleanup()


class Connection:
    """A connection that has sent some bytes, and on which the server has received them."""

    def __init__(self, address):
        self._address = address

    async def __aenter__(self):
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        return self

    async def __aexit__(self, *_):
        """Disconnect."""
        self._writer.close()
        await self._writer.wait_closed()

    async def send(self, data):
        """Send bytes, and wait until the server has responded to a later request of another."""
        self._writer.write(data)
        async with Connection(self._address) as other:
            other._writer.write(head(length=0))
            assert await other.status() == 200

    async def status(self):
        """Return the status of the next response."""
        return int((await asyncio.wait_for(self._reader.readline(), SECONDS)).split()[1])


@pytest.mark.parametrize(("sender", "status"), [(b"known", 200), (b"other", 403)])
def test_an_incomplete_body_is_held_only_of_an_admitted_sender(sender, status):
    """The general path responds to any other at once, while the body is still to come."""

    async def responding():
        async with serving() as address, Connection(address) as connection:
            await connection.send(head(sender))
            if sender == b"known":
                await connection.send(BODY)
            return await connection.status()

    assert asyncio.run(responding()) == status


@pytest.mark.parametrize(
    ("end", "status"), [(BODY, 200), (BODY + BODY, 400), (b"", None)], ids=["whole", "long", "lost"]
)
def test_a_port_holds_a_limited_number_of_bytes(monkeypatch, end, status):
    """Further bodies are left to the general path, until one that is held has ended."""
    monkeypatch.setattr(plain_server, "_HELD_BYTES_MAX", 2 * len(BODY) - 1)

    async def responding():
        async with serving() as address:
            async with Connection(address) as held, Connection(address) as left:
                await held.send(head())
                await left.send(head())
                assert await left.status() == 403
                await held.send(end)
                assert status is None or await held.status() == status
            async with Connection(address) as later:
                await later.send(head())
                await later.send(BODY)
                assert await later.status() == 200

    asyncio.run(responding())
