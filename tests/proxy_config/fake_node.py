"""A real HTTP server that behaves like a storage node and can fail on request."""

import re
import socket
import threading
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

MTIME = 0x65F0C1A2
LAST_MODIFIED = "Tue, 12 Mar 2024 20:57:06 GMT"

_PERMISSION_URL = re.compile(r"/([^.]+)\.[^.]+\.[^.]+\.[^.]+\.([a-z]+)")


class Behavior(Enum):
    """Behavior of the node for every request."""

    WELL = "responses"
    WRONG_BYTES = "finds that its bytes are wrong: 502"
    UNAVAILABLE = "has no disk: 503"
    FORBIDS = "finds no good permission: 403"
    STALLED = "takes the connection and never responses"


@dataclass
class FakeNode:
    """A node on a port. It has every photo except the ones in `absent` and `gone`."""

    port: int
    behavior: Behavior = Behavior.WELL
    absent: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    bytes_by_path: dict[str, bytes] = field(default_factory=dict)
    """Photos with other bytes than `bytes_of` their path."""
    answering: threading.Event = field(default_factory=lambda: _set(threading.Event()))
    """Photo requests wait while this event is clear."""
    sending: threading.Event = field(default_factory=lambda: _set(threading.Event()))
    """Bodies of photos wait in their middle while this event is clear."""
    answers_probes: bool = True
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen, with the current state."""
        server = _Server(("127.0.0.1", self.port), _Handler)
        server.node = self
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening, and close every connection."""
        assert isinstance(self._server, _Server)
        self._server.shutdown()
        self._server.drop_connections()
        self._server.server_close()
        self._server = None

    @property
    def is_running(self) -> bool:
        """True if the node listens."""
        return self._server is not None

    def request_count(self, path: str) -> int:
        """Return the number of requests for a photo."""
        return sum(photo_path_of(target) == path for _, target, _ in self.requests)


def _set(event: threading.Event) -> threading.Event:
    event.set()
    return event


def photo_path_of(target: str) -> str:
    """Return the photo path in a permission URL."""
    match = _PERMISSION_URL.fullmatch(target)
    return f"{match[1]}.{match[2]}" if match else ""


def bytes_of(path: str) -> bytes:
    """Return the bytes of every node for a photo path."""
    return path.encode() * 20


def etag_of(path: str) -> str:
    """Return the ETag of a photo."""
    return f'"{MTIME:x}-{len(bytes_of(path)):x}"'


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    node: FakeNode

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.over = threading.Event()
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        self.over.set()
        for connection in list(self._connections):
            self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors, because edges close connections at any time."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "glassplate"
    sys_version = ""
    refusals: ClassVar = {
        Behavior.WRONG_BYTES: (502, "bad gateway"),
        Behavior.UNAVAILABLE: (503, "unavailable"),
        Behavior.FORBIDS: (403, "forbidden"),
    }

    def log_message(self, *_: Any) -> None:
        """Discard the log line."""

    def do_GET(self) -> None:
        node = self.server.node
        if self.path == "/healthz":
            return self.say(*((200, "ok") if node.answers_probes else (503, "busy")))
        node.requests.append((self.command, self.path, dict(self.headers)))
        path = photo_path_of(self.path)
        node.answering.wait()
        if node.behavior is Behavior.STALLED:
            self.server.over.wait()
        elif node.behavior in self.refusals:
            self.say(*self.refusals[node.behavior])
        elif path in node.gone:
            self.say(410, "gone")
        elif path in node.absent:
            self.say(404, "not found")
        else:
            self.say_photo(path)
        return None

    do_HEAD = do_GET  # noqa: N815  # the name is the method's

    def say_photo(self, path: str) -> None:
        data = self.server.node.bytes_by_path.get(path, bytes_of(path))
        etag = f'"{MTIME:x}-{len(data):x}"'
        unmodified = self.headers.get("If-None-Match") == etag
        self.send_response(304 if unmodified else 200)
        self.send_header("ETag", etag)
        self.send_header("Last-Modified", LAST_MODIFIED)
        # The node's Cache-Control belongs to the permission of this request.
        self.send_header("Cache-Control", "public, max-age=7")
        self.send_header("Set-Cookie", "seen=1")
        self.send_header("Vary", "X-Poison")
        if not unmodified:
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET" and not unmodified:
            middle = len(data) // 2
            self.wfile.write(data[:middle])
            self.server.node.sending.wait()
            self.wfile.write(data[middle:])

    def say(self, status: int, text: str) -> None:
        body = f"{text} {self.path}\n".encode()
        self.send_response(status)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
