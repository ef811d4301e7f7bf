"""Clients that are too many or too slow lose their connection; all others keep theirs."""

import asyncio
import contextlib
import resource

import pytest
from aiohttp import web

from runtime.clients import (
    ClientLimits,
    Clients,
    ConnectionState,
    Offense,
    allow_open_files,
    share_of_connections,
)
from runtime.plain_http import PlainRequests
from runtime.plain_server import PlainRunner

LIMITS = ClientLimits(connections_max=3)
WINDOW = LIMITS.window_seconds
LEAST = int(LIMITS.bytes_per_second_min * WINDOW)


class FakeConnection:
    """A connection whose state the test sets."""

    def __init__(self):
        self.now = ConnectionState()
        self.offenses = []

    def state(self, now_seconds):
        """Return what the test has set."""
        del now_seconds
        return self.now

    def certificate(self):
        """Return None, as without TLS."""

    def reject(self, offense):
        """Record the offense."""
        self.offenses.append(offense)


def watched(limits=LIMITS):
    """Return a connection, and the clients that watch it."""
    clients, connection = Clients(limits), FakeConnection()
    clients.admit(connection)
    return connection, clients


def test_one_connection_more_than_the_limit_is_rejected():
    """It is not counted, and the ones before it are left alone."""
    clients = Clients(LIMITS)
    connections = [FakeConnection() for _ in range(LIMITS.connections_max + 1)]
    for each in connections:
        clients.admit(each)
    assert [each.offenses for each in connections] == [[], [], [], [Offense.TOO_MANY]]
    assert clients.count == LIMITS.connections_max
    assert clients.rejected[Offense.TOO_MANY] == 1
    clients.forget(connections[0])
    clients.admit(late := FakeConnection())
    assert late.offenses == []


@pytest.mark.parametrize(("seconds", "offenses"), [(0, []), (10, []), (10.1, [Offense.SLOW_HEAD])])
def test_a_head_has_ten_seconds(seconds, offenses):
    """From its first byte to its last."""
    connection, clients = watched()
    connection.now = ConnectionState(head_seconds=seconds)
    clients.check(100.0)
    assert connection.offenses == offenses


@pytest.mark.parametrize(
    ("direction", "counter", "offense"),
    [
        ("is_receiving", "bytes_received", Offense.SLOW_BODY),
        ("is_sending", "bytes_acknowledged", Offense.SLOW_READER),
    ],
)
def test_a_body_and_a_response_need_the_least_rate_over_a_window(direction, counter, offense):
    """One byte less than the least in a window is too slow; a faster window does not make up."""
    connection, clients = watched()

    def check(at, count, *, active=True):
        connection.now = ConnectionState(**{direction: active, counter: count})
        clients.check(at)
        return connection.offenses

    assert check(0.0, 10) == []
    assert check(WINDOW - 1, 10) == []
    assert check(WINDOW, 10 + LEAST) == []
    assert check(2 * WINDOW, 10 + 2 * LEAST - 1) == [offense]
    assert clients.rejected[offense] == 1


def test_time_without_a_body_or_response_does_not_count():
    """A client that thinks between two requests is not slow."""
    connection, clients = watched()
    for at, active in ((0.0, True), (WINDOW - 1, False), (WINDOW, True), (2 * WINDOW - 1, True)):
        connection.now = ConnectionState(is_receiving=active)
        clients.check(at)
    assert connection.offenses == []
    clients.check(2 * WINDOW)
    assert connection.offenses == [Offense.SLOW_BODY]


def test_open_files_are_raised_to_what_is_allowed():
    """The soft limit of a shell is 1,024, which one flood of connections exhausts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        limit = allow_open_files(wanted=2048)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limit, hard)
        assert limit == min(2048, hard if hard != resource.RLIM_INFINITY else 2048)
        assert allow_open_files(wanted=1500) == limit
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ports_share_what_is_not_reserved():
    """A flood at one port leaves descriptors to the other, to peers, and to the disk."""
    assert share_of_connections(65_536, ports=2) * 2 + 512 <= 65_536
    assert share_of_connections(128, ports=2) == 64


@contextlib.asynccontextmanager
async def served(limits=LIMITS):
    """Run a server that echoes bodies, and sends 64 MiB for a GET."""

    async def echo(request):
        return web.Response(body=await request.read())

    async def large(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(bytes(1024 * 1024))
        return response

    application = web.Application()
    application.add_routes([web.post("/", echo), web.get("/", large)])
    clients = Clients(limits)
    runner = PlainRunner(
        application,
        PlainRequests("PUT"),
        lambda _request, _body: None,
        lambda status: web.Response(status=status),
        clients,
        admit=lambda _request: True,
        idle_seconds=60,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1], clients
    finally:
        await runner.cleanup()


async def until(condition):
    """Wait until a condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  it is about a transport, which has no event
            await asyncio.sleep(0.005)


async def _connect(port, data=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    return reader, writer


def later(seconds):
    """Return the loop's clock, moved forward."""
    return asyncio.get_running_loop().time() + seconds


def _check(clients, seconds):
    clients.check(later(seconds))


@pytest.mark.parametrize("head", [b"G", b"POST / HTTP/1.1\r\nHost: x\r\nX-", b"\r\n"])
def test_half_a_head_is_closed(head):
    """Before its time is over it is left alone."""

    async def run():
        async with served() as (port, clients):
            reader, writer = await _connect(port, head)
            (connection,) = clients._watched
            await until(lambda: connection.state(later(0)).head_seconds > 0)
            _check(clients, 9)
            assert not reader.at_eof()
            _check(clients, 11)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()

    asyncio.run(run())


def test_a_connection_that_is_kept_alive_is_no_half_head():
    """After a response, the next head begins with its first byte."""

    async def run():
        async with served() as (port, clients):
            request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
            reader, writer = await _connect(port, request)
            assert (await reader.readuntil(b"hi")).startswith(b"HTTP/1.1 200 OK")
            _check(clients, 11)
            writer.write(request)
            assert (await reader.readuntil(b"hi")).startswith(b"HTTP/1.1 200 OK")
            writer.close()

    asyncio.run(run())


def test_a_body_that_stalls_is_answered_with_408_and_closed():
    """The client learns why, whatever else it still sends."""

    async def run():
        async with served() as (port, clients):
            head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf"
            reader, writer = await _connect(port, head)
            (connection,) = clients._watched
            await until(lambda: connection.state(later(0)).is_receiving)
            _check(clients, 0)
            _check(clients, WINDOW - 1)
            assert clients.rejected[Offense.SLOW_BODY] == 0
            _check(clients, WINDOW + 1)
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
            await reader.read()
            writer.close()

    asyncio.run(run())


def test_a_client_that_does_not_read_is_cut_off():
    """The server frees the response; a slow but steady reader keeps its connection."""

    async def run():
        async with served() as (port, clients):
            reader, writer = await _connect(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            (connection,) = clients._watched
            await until(lambda: connection.state(later(0)).is_sending)
            _check(clients, 0)
            await reader.readexactly(4 * 1024 * 1024)
            _check(clients, WINDOW + 1)
            assert clients.rejected[Offense.SLOW_READER] == 0
            _check(clients, 2 * WINDOW + 3)
            assert clients.rejected[Offense.SLOW_READER] == 1
            await until(lambda: clients.count == 0)
            writer.close()

    asyncio.run(run())


def test_a_flood_of_connections_leaves_those_that_were_there():
    """One more than the limit is closed at once; the first ones are still answered."""

    async def run():
        async with served() as (port, clients):
            request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
            reader, writer = await _connect(port)
            await until(lambda: clients.count == 1)
            others = [await _connect(port) for _ in range(20)]
            await until(lambda: clients.rejected[Offense.TOO_MANY] == 18)
            writer.write(request)
            assert (await reader.readuntil(b"hi")).startswith(b"HTTP/1.1 200 OK")
            for _, other in [*others, (reader, writer)]:
                other.close()

    asyncio.run(run())
