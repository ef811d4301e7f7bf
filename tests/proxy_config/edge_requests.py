"""Asking an edge byte by byte, and signing what to ask for, with nothing of the project's own."""

import base64
import hmac
import itertools
import json
import socket
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
# How long a worker may go on serving an open file that is unlinked, and a little.
PURGE_SECONDS = 1.1

_photo_numbers = itertools.count()


@dataclass(frozen=True)
class Answer:
    """A response: its status, its headers by lower-case name, and its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def without(self, *names: str) -> "Answer":
        """This answer without some headers."""
        kept = {name: value for name, value in self.headers.items() if name not in names}
        return Answer(self.status, kept, self.body)


def ask(
    address: Address,
    target: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The answer to one request, whose target is sent as it is, in Latin-1."""
    lines = [f"{method} {target} HTTP/1.1", "Host: photos.test", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return parse_answer(exchange(address, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")))


def exchange(address: Address, request: bytes) -> bytes:
    """All bytes that come back for these bytes until the other side closes."""
    with socket.create_connection((address.host, address.port), ANSWER_SECONDS_MAX) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def purge(edge: RunningEdge, paths: Sequence[str]) -> list[Answer]:
    """Purges photos as a storagemaster does; the answers."""
    if edge.kind == "varnish":
        return [ask(edge.purge, f"/{path}", method="PURGE") for path in paths]
    body = "\n".join(paths).encode()
    head = f"POST /purge HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}"
    return [parse_answer(exchange(edge.purge, f"{head}\r\n\r\n".encode() + body))]


def parse_answer(received: bytes) -> Answer:
    """One response as it came over the wire."""
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        assert name.lower() not in headers, f"{name} is there twice"
        headers[name.lower()] = value
    return Answer(int(status_line.split()[1]), headers, body)


def new_photo_path(*, volume: int = 42, size: str = "m", ext: str = "jpg") -> str:
    """The path of a photo that no other test asks for."""
    digits = f"{next(_photo_numbers):06d}"
    return f"{volume}/{digits[-2:]}/01jd3x8m2c{digits}_3fz8qd_{size}.{ext}"


def sign(
    path: str, *, expiry: int = 0, key_id: str = "a", size_class: str = "", read_key: str = ""
) -> str:
    """The permission URL of a photo path; another class than its own makes a bad one."""
    left, ext = path.split(".")
    message = f"{expiry:x}/{left[:-2]}/{size_class or SIZE_CLASSES[left[-1]]}"
    digest = hmac.digest(bytes.fromhex(read_key or READ_KEYS[key_id]), message.encode(), "sha256")
    return f"/{left}.{key_id}.{expiry:x}.{base64.urlsafe_b64encode(digest[:18]).decode()}.{ext}"


def in_seconds(seconds: int) -> int:
    """An expiry so many seconds from now."""
    return int(time.time()) + seconds
