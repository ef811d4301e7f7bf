"""The fast path sends the same bytes as aiohttp, sooner."""

import asyncio
import contextlib
import re

import pytest
from aiohttp import web

from runtime.clients import ClientLimits, Clients
from storagenode.read_port import fast_path
from storagenode.read_port.buffered_response import BufferedResponse
from storagenode.read_port.fast_path import FastPathServer
from storagenode.read_port.read_api import malformed_request_response
from tests.storagenode.photo_samples import bytes_of, variant_of

PLAIN = b"GET /photo HTTP/1.1\r\nHost: x\r\n\r\n"
AT_ONCE = (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", b"at once")
IDLE_SECONDS = 0.4
SOON_SECONDS = 20


def request(*lines, first="GET /photo HTTP/1.1"):
    """Return a request with these lines."""
    return "\r\n".join([first, *lines, "\r\n"]).encode("latin-1")


class Port:
    """A server that reports which path responded, and a connection to it."""

    def __init__(self):
        self.wait_for = None
        self.at_once = lambda _: AT_ONCE
        self.targets = []
        self.packets = 0
        self.received = asyncio.Condition()

    async def handle(self, request):
        """Respond through aiohttp."""
        if self.wait_for is not None:
            await self.wait_for.wait()
        await request.read()
        return BufferedResponse(status=200, headers={}, body=b"handled")

    def try_fast_path(self, target):
        """Respond on the fast path."""
        self.targets.append(target)
        return self.at_once(target)

    async def connect(self):
        """Open another connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        self.stack.callback(writer.close)
        return reader, writer

    async def until_received(self, count):
        """Wait until the server has received this number of packets."""
        async with asyncio.timeout(SOON_SECONDS), self.received:
            await self.received.wait_for(lambda: self.packets >= count)

    async def serve(self, stack):
        """Start the server."""
        receive = fast_path._FastPathHandler.data_received

        async def count():
            async with self.received:
                self.packets += 1
                self.received.notify_all()

        def receive_and_count(handler, data):
            receive(handler, data)
            handler._loop.create_task(count())

        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(fast_path._FastPathHandler, "data_received", receive_and_count)
        runner = web.ServerRunner(
            FastPathServer(
                self.handle,
                self.try_fast_path,
                malformed_request_response,
                Clients(ClientLimits(connections_max=100)),
                idle_seconds=IDLE_SECONDS,
                access_log=None,
            )
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.number = runner.addresses[0][1]
        self.stack = stack
        self.reader, self.writer = await self.connect()

    async def send(self, data):
        """Return the body of the next response, or its status if it is not 200."""
        self.writer.write(data)
        return await self.next_response()

    async def next_response(self):
        """Return the next response as `send` does."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), SOON_SECONDS)
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        body = await asyncio.wait_for(self.reader.readexactly(length), SOON_SECONDS)
        status = int(head.split()[1])
        return body.decode() if status == 200 else status


def on_a_port(test):
    """Run a coroutine test with a running `Port`."""

    def run(*arguments, **named):
        async def serve_and_test():
            async with contextlib.AsyncExitStack() as stack:
                port = Port()
                await port.serve(stack)
                await test(port, *arguments, **named)

        asyncio.run(serve_and_test())

    return run


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: x"],
        ["host: 127.0.0.1:8080"],
        ["Host: x", "User-Agent: curl/7.88.1", "Accept: */*"],
        ["User-Agent: a browser", "Accept-Encoding: gzip", "X-Varnish: 32770", "Host: glassplate"],
        ["Host: x", "Sec-Fetch-Mode: no-cors", "sec-ch-ua-mobile: ?0", "Referer: http://a/b"],
        ["Host: x", "X-Empty: ", "Photo-Nodes: 2", "Upgrade-Insecure-Requests: 1"],
    ],
)
def test_requests_of_browsers_and_edges_use_the_fast_path(lines):
    """Also repeatedly on one connection."""

    @on_a_port
    async def test(port):
        assert [await port.send(request(*lines)) for _ in range(3)] == ["at once"] * 3
        assert port.targets == [b"/photo"] * 3

    test()


@pytest.mark.parametrize(
    "data",
    [
        request("Host: x", first="HEAD /photo HTTP/1.1"),
        request("Host: x", first="OPTIONS /photo HTTP/1.1"),
        request("Host: x", first="get /photo HTTP/1.1"),
        request("Host: x", first="GET /photo HTTP/1.0"),
        request("Host: x", first="GET http://x/photo HTTP/1.1"),
        request("Host: x", first="GET  /photo HTTP/1.1"),
        request("Host: x", first="GET /ph\xf8to HTTP/1.1"),
        request("Host: x", first="GET /a\0b HTTP/1.1"),
        request(first="GET /photo HTTP/1.1"),
        request("Host: x", "Host: x"),
        request("Host: "),
        request("Host: x", "Range: bytes=0-0"),
        request("Host: x", "range: bytes=0-0"),
        request("Host: x", "If-None-Match: *"),
        request("Host: x", "IF-MODIFIED-SINCE: now"),
        request("Host: x", "Content-Length: 0"),
        request("Host: x", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        request("Host: x", "Connection: close"),
        request("Host: x", "Connection: Upgrade", "Upgrade: websocket"),
        request("Host: x", "Expect: 100-continue"),
        request("Host: x", "Unusual-Header: it"),
        request("Host: x", "X-Tab:\tx"),
        request("Host: x", "X-Latin: \xe9"),
        request("Host: x", "X-Space : x"),
        request("Host: x", "X-Folded: a\r\n b"),
        request("Host: x", "X-Long: " + "x" * 5000),
        request("Host: x", *["X-Many: x"] * 41),
        PLAIN + PLAIN,
        b"\r\n" + PLAIN,
        PLAIN.replace(b"\r\n", b"\n"),
        PLAIN[:-2],
        PLAIN[:5],
        b"",
    ],
)
def test_all_other_requests_use_the_parser(data):
    """It handles or refuses them."""

    @on_a_port
    async def test(port):
        port.writer.write(data)
        port.writer.write_eof()
        response = await asyncio.wait_for(port.reader.read(), SOON_SECONDS)
        assert b"at once" not in response
        assert port.targets == []

    test()


def test_requests_without_a_fast_response_use_the_handler():
    """Later requests on the connection can use the fast path again."""

    @on_a_port
    async def test(port):
        port.at_once = lambda _: None
        assert await port.send(PLAIN) == "handled"
        port.at_once = lambda _: AT_ONCE
        assert await port.send(PLAIN) == "at once"
        assert await port.send(request("Host: x", "Range: bytes=0-0")) == "handled"
        assert await port.send(PLAIN) == "at once"

    test()


def test_an_error_of_the_fast_path_is_left_to_the_handler(caplog):
    """The handler reports it if it persists."""

    @on_a_port
    async def test(port):
        def fail(_):
            raise ZeroDivisionError

        port.at_once = fail
        assert await port.send(PLAIN) == "handled"

    test()
    assert not caplog.records


def test_responses_keep_the_order_of_requests():
    """A plain GET waits for a slow request before it."""

    @on_a_port
    async def test(port):
        port.wait_for = asyncio.Event()
        port.writer.write(request("Host: x", "Range: bytes=0-0"))
        await port.until_received(1)
        port.writer.write(PLAIN)
        await port.until_received(2)
        port.wait_for.set()
        assert [await port.next_response() for _ in range(2)] == ["handled", "handled"]
        assert await port.send(PLAIN) == "at once"

    test()


@pytest.mark.parametrize(
    "data",
    [
        request("Host: x", "Content-Length: 3", first="POST /photo HTTP/1.1") + b"abc",
        request("Host: x", "Content-Length: 3") + b"abc",
        request("Host: x", "Connection: keep-alive"),
        request("Host: x", "Unusual-Header: it", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ],
)
def test_after_an_unclear_request_the_parser_handles_the_connection(data):
    """So that bytes of a body are never parsed as a request."""

    @on_a_port
    async def test(port):
        assert await port.send(data) == "handled"
        assert await port.send(PLAIN) == "handled"
        assert port.targets == []

    test()


def test_the_remaining_bytes_of_a_request_are_not_a_request():
    """However a body is cut into packets."""

    @on_a_port
    async def test(port):
        head = request("Host: x", f"Content-Length: {len(PLAIN)}")
        port.writer.write(head)
        await port.until_received(1)
        port.writer.write(PLAIN)
        assert await port.next_response() == "handled"
        assert await port.send(PLAIN) == "handled"
        port.writer.write_eof()
        assert await port.reader.read() == b""

    test()


def test_a_client_that_reads_nothing_is_throttled():
    """Its responses would fill the memory."""

    @on_a_port
    async def test(port):
        body = bytes(4 * 1024 * 1024)
        port.at_once = lambda _: (b"HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n", body)
        with contextlib.suppress(TimeoutError):  # the server may also receive no more
            for count in range(1, 21):
                port.writer.write(PLAIN)
                await port.until_received(count)
        assert 0 < len(port.targets) < 10

    test()


def test_an_idle_connection_is_closed_and_a_busy_one_is_not():
    """Whichever path responds, and also without a request."""

    @on_a_port
    async def test(port):
        silent, _ = await port.connect()
        for number in range(4):
            await asyncio.sleep(IDLE_SECONDS * 0.6)
            assert await port.send(PLAIN) == "at once", number
        assert await asyncio.wait_for(silent.read(), SOON_SECONDS) == b""
        assert await asyncio.wait_for(port.reader.read(), SOON_SECONDS) == b""

    test()


def test_a_connection_with_a_slow_response_is_not_idle():
    """The idle time starts after the response."""

    @on_a_port
    async def test(port):
        port.wait_for = asyncio.Event()
        port.writer.write(request("Host: x", "Range: bytes=0-0"))
        await asyncio.sleep(4 * IDLE_SECONDS)
        port.wait_for.set()
        assert await port.next_response() == "handled"
        assert await asyncio.wait_for(port.reader.read(), SOON_SECONDS) == b""

    test()


def test_a_partial_request_times_out():
    """Its client has disconnected."""

    @on_a_port
    async def test(port):
        port.writer.write(PLAIN[:9])
        assert await asyncio.wait_for(port.reader.read(), SOON_SECONDS) == b""

    test()


@pytest.mark.parametrize("letter", ["m", "o"])
def test_both_paths_send_the_same_bytes(served, photo_version, letter, monkeypatch):
    """Status, headers in order, and body, except for the time."""
    place = variant_of(photo_version, letter)
    served.put(place, bytes_of("both", size=1000))
    url = served.url(place.file)
    handled_ones = []
    prepare = BufferedResponse.prepare

    async def recording(response, request):
        # A monitor of another test may look at a port that this node uses by now.
        if request.path == url:
            handled_ones.append(request.path)
        await prepare(response, request)

    monkeypatch.setattr(BufferedResponse, "prepare", recording)
    plain = served.read(url)
    assert handled_ones == []
    handled = served.read(url, {"Unusual-Header": "it"})
    assert handled_ones == [url]
    assert plain.body == handled.body
    assert _without_date(plain) == _without_date(handled)


def _without_date(response):
    return [response.status, [pair for pair in response.headers.items() if pair[0] != "Date"]]
