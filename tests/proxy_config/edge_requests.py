"""Raw requests to an edge, and signed URLs, without project code."""

import base64
import contextlib
import hmac
import itertools
import json
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.edge_servers import RunningEdge
from volumes.address import Address

GOLDEN_URLS = json.loads(
    (Path(__file__).parents[1] / "permission_urls" / "golden_urls.json").read_text()
)
READ_KEYS: dict[str, str] = GOLDEN_URLS["read_keys"]
SIZE_CLASSES: dict[str, str] = GOLDEN_URLS["size_classes"]
ANSWER_SECONDS_MAX = 20.0
# A worker can serve an unlinked open file for one more second.
PURGE_SECONDS = 1.1

_photo_numbers = itertools.count()


@dataclass(frozen=True)
class Response:
    """A response: its status, its headers by lower-case name, and its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def without(self, *names: str) -> "Response":
        """Return this response without some headers."""
        kept = {name: value for name, value in self.headers.items() if name not in names}
        return Response(self.status, kept, self.body)


def send_request(
    address: Address,
    target: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Response:
    """Send one request with its target unchanged, in Latin-1; return the response."""
    lines = [f"{method} {target} HTTP/1.1", "Host: photos.test", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return parse_response(exchange(address, request, tls=tls))


def exchange(address: Address, request: bytes, *, tls: ssl.SSLContext | None = None) -> bytes:
    """Send bytes; return all bytes until the other side closes."""
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(
            socket.create_connection((address.host, address.port), ANSWER_SECONDS_MAX)
        )
        # A request that follows a handshake would wait for a delayed ACK of 40 ms.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            connection = stack.enter_context(tls.wrap_socket(connection))
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def purge(edge: RunningEdge, paths: Sequence[str]) -> list[Response]:
    """Purge photos as a storagemaster does; return the responses."""
    if edge.kind == "varnish":
        return [send_request(edge.purge, f"/{path}", method="PURGE") for path in paths]
    body = "\n".join(paths).encode()
    head = f"POST /purge HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}"
    return [parse_response(exchange(edge.purge, f"{head}\r\n\r\n".encode() + body))]


def parse_response(received: bytes) -> Response:
    """Parse one response."""
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        assert name.lower() not in headers, f"{name} is there twice"
        headers[name.lower()] = value
    return Response(int(status_line.split()[1]), headers, body)


def new_photo_path(*, volume: int = 42, size: str = "m", ext: str = "jpg") -> str:
    """Return a photo path that no other test requests."""
    digits = f"{next(_photo_numbers):06d}"
    return f"{volume}/{digits[-2:]}/01jd3x8m2c{digits}_3fz8qd_{size}.{ext}"


def sign(
    path: str, *, expiry: int = 0, key_id: str = "a", size_class: str = "", read_key: str = ""
) -> str:
    """Sign a photo path; a wrong class gives an invalid URL."""
    left, ext = path.split(".")
    message = f"{expiry:x}/{left[:-2]}/{size_class or SIZE_CLASSES[left[-1]]}"
    digest = hmac.digest(bytes.fromhex(read_key or READ_KEYS[key_id]), message.encode(), "sha256")
    return f"/{left}.{key_id}.{expiry:x}.{base64.urlsafe_b64encode(digest[:18]).decode()}.{ext}"


def in_seconds(seconds: int) -> int:
    """Return an expiry in this number of seconds."""
    return int(time.time()) + seconds
