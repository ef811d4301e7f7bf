"""Plain GETs are answered in one step, and nobody can tell but by the clock."""

import asyncio
import contextlib
import re

import pytest
from aiohttp import web

from runtime.clients import ClientLimits, Clients
from storagenode.read_port.buffered_response import BufferedResponse
from storagenode.read_port.fast_path import FastPathServer
from storagenode.read_port.read_api import malformed_request_response
from tests.storagenode.photo_samples import bytes_of, variant_of

PLAIN = b"GET /photo HTTP/1.1\r\nHost: x\r\n\r\n"
AT_ONCE = (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", b"at once")
IDLE_SECONDS = 0.4
SOON_SECONDS = 20


def request(*lines, first="GET /photo HTTP/1.1"):
    """A request of these lines."""
    return "\r\n".join([first, *lines, "\r\n"]).encode("latin-1")


class Port:
    """A server that says which way it answered, and a connection to it."""

    def __init__(self):
        self.wait_for = None
        self.at_once = lambda _: AT_ONCE
        self.targets = []

    async def handle(self, request):
        """The way of aiohttp."""
        if self.wait_for is not None:
            await self.wait_for.wait()
        await request.read()
        return BufferedResponse(status=200, headers={}, body=b"handled")

    def try_fast_path(self, target):
        """The short way."""
        self.targets.append(target)
        return self.at_once(target)

    async def connect(self):
        """One more connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        self.stack.callback(writer.close)
        return reader, writer

    async def serve(self, stack):
        """Begin."""
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

    async def ask(self, data):
        """The body of the next answer, or the status if it is no 200."""
        self.writer.write(data)
        return await self.next_answer()

    async def next_answer(self):
        """As `ask`."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), SOON_SECONDS)
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        body = await asyncio.wait_for(self.reader.readexactly(length), SOON_SECONDS)
        status = int(head.split()[1])
        return body.decode() if status == 200 else status


def on_a_port(test):
    """Run a test that is a coroutine with a `Port` that serves."""

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
def test_what_readers_and_edges_send_is_answered_at_once(lines):
    """Again and again on one connection."""

    @on_a_port
    async def test(port):
        assert [await port.ask(request(*lines)) for _ in range(3)] == ["at once"] * 3
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
        request("Host: x", "Never-Heard-Of: it"),
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
def test_all_else_is_left_to_the_parser(data):
    """It knows what to make of it, or that nothing is to be made of it."""

    @on_a_port
    async def test(port):
        port.writer.write(data)
        port.writer.write_eof()
        answer = await asyncio.wait_for(port.reader.read(), SOON_SECONDS)
        assert b"at once" not in answer
        assert port.targets == []

    test()


def test_what_cannot_be_answered_at_once_is_answered_by_the_handler():
    """And so is what comes after it, if it must be."""

    @on_a_port
    async def test(port):
        port.at_once = lambda _: None
        assert await port.ask(PLAIN) == "handled"
        port.at_once = lambda _: AT_ONCE
        assert await port.ask(PLAIN) == "at once"
        assert await port.ask(request("Host: x", "Range: bytes=0-0")) == "handled"
        assert await port.ask(PLAIN) == "at once"

    test()


def test_a_fault_of_the_short_way_is_left_to_the_handler(caplog):
    """Which meets it too if it is not only there, and knows how to say so."""

    @on_a_port
    async def test(port):
        def fail(_):
            raise ZeroDivisionError

        port.at_once = fail
        assert await port.ask(PLAIN) == "handled"

    test()
    assert not caplog.records


def test_answers_come_in_the_order_of_the_requests():
    """A plain one waits for one before it that takes its time."""

    @on_a_port
    async def test(port):
        port.wait_for = asyncio.Event()
        port.writer.write(request("Host: x", "Range: bytes=0-0"))
        await asyncio.sleep(0.05)
        port.writer.write(PLAIN)
        await asyncio.sleep(0.05)
        port.wait_for.set()
        assert [await port.next_answer() for _ in range(2)] == ["handled", "handled"]
        assert await port.ask(PLAIN) == "at once"

    test()


@pytest.mark.parametrize(
    "data",
    [
        request("Host: x", "Content-Length: 3", first="POST /photo HTTP/1.1") + b"abc",
        request("Host: x", "Content-Length: 3") + b"abc",
        request("Host: x", "Connection: keep-alive"),
        request("Host: x", "Never-Heard-Of: it", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ],
)
def test_after_what_the_parser_alone_knows_the_end_of_all_is_the_parser_s(data):
    """So that no bytes are ever a body to the one and a request to the other."""

    @on_a_port
    async def test(port):
        assert await port.ask(data) == "handled"
        assert await port.ask(PLAIN) == "handled"
        assert port.targets == []

    test()


def test_the_rest_of_a_request_is_no_request():
    """A body that looks like one is a body, however it is cut into packets."""

    @on_a_port
    async def test(port):
        head = request("Host: x", f"Content-Length: {len(PLAIN)}")
        port.writer.write(head)
        await asyncio.sleep(0.05)
        port.writer.write(PLAIN)
        assert await port.next_answer() == "handled"
        assert await port.ask(PLAIN) == "handled"
        port.writer.write_eof()
        assert await port.reader.read() == b""

    test()


def test_a_client_that_reads_nothing_is_waited_for():
    """Its answers would fill the memory."""

    @on_a_port
    async def test(port):
        body = bytes(4 * 1024 * 1024)
        port.at_once = lambda _: (b"HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n", body)
        for _ in range(20):
            port.writer.write(PLAIN)
            await asyncio.sleep(0.01)
        assert len(port.targets) < 10

    test()


def test_a_silent_connection_is_closed_and_a_busy_one_is_not():
    """Whichever way its answers come, and also if it never asked."""

    @on_a_port
    async def test(port):
        silent, _ = await port.connect()
        for number in range(4):
            await asyncio.sleep(IDLE_SECONDS * 0.6)
            assert await port.ask(PLAIN) == "at once", number
        assert await asyncio.wait_for(silent.read(), SOON_SECONDS) == b""
        assert await asyncio.wait_for(port.reader.read(), SOON_SECONDS) == b""

    test()


def test_a_connection_whose_answer_takes_long_is_not_silent():
    """It is closed when it has been silent after the answer."""

    @on_a_port
    async def test(port):
        port.wait_for = asyncio.Event()
        port.writer.write(request("Host: x", "Range: bytes=0-0"))
        await asyncio.sleep(4 * IDLE_SECONDS)
        port.wait_for.set()
        assert await port.next_answer() == "handled"
        assert await asyncio.wait_for(port.reader.read(), SOON_SECONDS) == b""

    test()


def test_half_a_request_is_not_waited_for_for_ever():
    """Whoever sends no more of it has gone."""

    @on_a_port
    async def test(port):
        port.writer.write(PLAIN[:9])
        assert await asyncio.wait_for(port.reader.read(), SOON_SECONDS) == b""

    test()


@pytest.mark.parametrize("letter", ["m", "o"])
def test_both_ways_answer_with_the_same_bytes(served, photo_version, letter, monkeypatch):
    """Status, headers and their order, and the body; but for the second of the day."""
    place = variant_of(photo_version, letter)
    served.put(place, bytes_of("both", size=1000))
    url = served.url(place.file)
    handled_ones = []
    prepare = BufferedResponse.prepare

    async def noted(response, request):
        handled_ones.append(request.path)
        await prepare(response, request)

    monkeypatch.setattr(BufferedResponse, "prepare", noted)
    plain = served.read(url)
    assert handled_ones == []
    handled = served.read(url, {"Never-Heard-Of": "it"})
    assert handled_ones == [url]
    assert plain.body == handled.body
    assert _without_date(plain) == _without_date(handled)


def _without_date(answer):
    return [answer.status, [pair for pair in answer.headers.items() if pair[0] != "Date"]]
