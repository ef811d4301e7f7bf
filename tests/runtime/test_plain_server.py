"""The server of plain requests holds bodies of senders that it admits, and of no others."""

import asyncio

import pytest
from aiohttp import web

from runtime.clients import ClientLimits, Clients
from runtime.plain_http import PlainRequests, render_response
from runtime.plain_server import PlainRunner

HEAD = b"PUT /x HTTP/1.1\r\nHost: h\r\nX-Sender: %s\r\nContent-Length: 5\r\n\r\n"


async def refuse_at_once(_request):
    """Respond before the body is read, as a check of the head does."""
    return web.Response(status=403)


@pytest.mark.parametrize(("sender", "status"), [(b"known", 200), (b"other", 403)])
def test_an_incomplete_body_is_held_only_of_an_admitted_sender(sender, status):
    """The general path responds to any other at once, while the body is still to come."""

    async def statuses():
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
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(HEAD % sender)
        if sender == b"known":
            writer.write(b"hello")
        async with asyncio.timeout(30):
            line = await reader.readline()
        writer.close()
        await runner.cleanup()
        return int(line.split()[1])

    assert asyncio.run(statuses()) == status
