"""An S3 proxy that injects one fault at a time."""

import contextlib
import http.client
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

Applies = Callable[[str, str], bool]
"""Predicate over the method and path of a request: True if a fault applies to it."""


def is_photo_read(method: str, path: str) -> bool:
    """Return True for a GET of a photo file."""
    return method == "GET" and ".jpg" in path


@dataclass(slots=True)
class Fault:
    """A fault, for a number of requests or until it is removed."""

    status: int = 0
    code: str = ""
    slow_seconds: float = 0.0
    keep_bytes: int | None = None
    """Close the connection after this many bytes of the body."""
    flip: bool = False
    """Flip a bit of the body."""
    hang_up: bool = False
    times: int = 1_000_000
    share: float = 1.0
    """Share of the matching requests that the fault hits, at random."""
    injected_count: int = 0
    """Number of requests that the fault has hit."""
    applies: Applies = field(default=lambda *_: True)


class FaultyS3Proxy:
    """Proxy that forwards to a server and injects the current fault."""

    def __init__(self, target: str) -> None:
        self.target = target
        """The URL of the server, without faults."""
        self.fault: Fault | None = None
        self.requests: list[tuple[str, str]] = []
        self.in_flight = self.in_flight_most = 0
        address = urlsplit(target)
        assert address.hostname is not None
        self._target = (address.hostname, address.port)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                proxy.in_flight += 1
                proxy.in_flight_most = max(proxy.in_flight_most, proxy.in_flight)
                try:
                    proxy.forward(self)
                finally:
                    proxy.in_flight -= 1

            do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815  # names of the base class

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @contextlib.contextmanager
    def failing(self, **how: object) -> Iterator[Fault]:
        """Inject a fault until the block exits."""
        self.fault = Fault(**how)  # type: ignore[arg-type]  # `Fault` checks the names
        try:
            yield self.fault
        finally:
            self.fault = None

    def forward(self, handler: BaseHTTPRequestHandler) -> None:
        """Forward one request, with the current fault if it applies."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        self.requests.append((handler.command, handler.path))
        fault = self._due(handler)
        if fault.hang_up:
            handler.close_connection = True
            return
        time.sleep(fault.slow_seconds)
        if fault.status:
            _refuse(handler, fault)
            return
        connection = http.client.HTTPConnection(*self._target, timeout=30)
        with contextlib.closing(connection):
            headers = dict(handler.headers.items())
            connection.request(handler.command, handler.path, body, headers)
            response = connection.getresponse()
            data = response.read()
        handler.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                handler.send_header(name, value)
        length = response.getheader("Content-Length") if handler.command == "HEAD" else len(data)
        handler.send_header("Content-Length", str(length or 0))
        handler.end_headers()
        if fault.flip and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        if fault.keep_bytes is not None and len(data) > fault.keep_bytes:
            data = data[: fault.keep_bytes]
            handler.close_connection = True
        handler.wfile.write(data)

    def _due(self, handler: BaseHTTPRequestHandler) -> Fault:
        fault = self.fault
        if fault is None or fault.times <= 0 or not fault.applies(handler.command, handler.path):
            return Fault()
        if random.random() >= fault.share:  # noqa: S311  # no secret
            return Fault()
        fault.times -= 1
        fault.injected_count += 1
        return fault


@contextlib.contextmanager
def running_faulty_s3_proxy(target: str) -> Iterator[FaultyS3Proxy]:
    """Run a proxy until the block exits."""
    proxy = FaultyS3Proxy(target)
    thread = Thread(target=proxy.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        proxy.server.server_close()


def _refuse(handler: BaseHTTPRequestHandler, fault: Fault) -> None:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Error><Code>{fault.code}</Code><Message>because of a test</Message>"
        "<ServerTime>2030-01-01T00:00:00Z</ServerTime></Error>"
    ).encode()
    handler.send_response_only(fault.status)
    handler.send_header("Content-Type", "application/xml")
    handler.send_header("Content-Length", str(len(text)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(text)
