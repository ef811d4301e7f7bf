"""Strict recognizer of plain HTTP/1.1 requests, and responses to them. No input or output.

A plain request has one form only: a known method, a target without spaces, and headers of known
names, each once, with one space after the colon. Its body, if any, has a declared length. Whatever
else a client may send, if only an unusual space, is not recognized and left to a general parser.
The two can therefore never disagree about where a request ends.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

HEAD_BYTES_MAX = 4096
_HEADERS_MAX = 40

# Headers without effect on a response, unlike conditions, ranges, bodies, and connections.
NEUTRAL_HEADERS = (
    "accept",
    "cache-control",
    "dnt",
    "photo-",
    "pragma",
    "priority",
    "referer",
    "sec-(?:ch-|fetch-|gpc)",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-",
)
"""Beginnings of names, as regular expressions."""

_HEADER_LINES = re.compile(rb"([A-Za-z0-9-]+): ([^\r]*)\r\n")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,9}")
# Requests without a body, so that their end is known without a parser.
_FRAMING_NAMES = rb"(?i:connection|content-[a-z]+|expect|transfer-[a-z]+|upgrade):"
_ONE_BODILESS = re.compile(
    rb"(?:GET|HEAD|OPTIONS) [!-~]+ HTTP/1\.1\r\n"
    rb"(?:(?!" + _FRAMING_NAMES + rb")[A-Za-z0-9-]+: [ -~]*\r\n)*\r\n"
)


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A recognized request. The names of its headers are in lower case."""

    target: bytes
    headers: Mapping[bytes, bytes]
    head_bytes: int
    body_bytes: int

    @property
    def total_bytes(self) -> int:
        """Length of head and body."""
        return self.head_bytes + self.body_bytes


class PlainRequests:
    """Recognizer of requests of one method.

    `reads` are the names of headers whose values count. `neutral` are the beginnings of names of
    headers that are ignored. With `body_bytes_max`, a request declares the length of its body, up
    to that limit. `route` is the name of all these targets in metrics.
    """

    def __init__(
        self,
        method: str,
        target: str = "/[!-~]*",
        *,
        reads: Sequence[str] = (),
        neutral: Sequence[str] = NEUTRAL_HEADERS,
        body_bytes_max: int | None = None,
        route: str = "",
    ) -> None:
        self.method = method
        self.route = route
        self._body_bytes_max = body_bytes_max
        length = [] if body_bytes_max is None else ["content-length"]
        read = "|".join(["host", *length, *(re.escape(name) for name in reads)])
        ignored = "|".join(neutral)
        lines = rf"(?:(?i:{read}): [!-~](?:[ -~]*[!-~])?\r\n|(?i:(?:{ignored})[a-z-]*): [ -~]*\r\n)"
        self._head = re.compile(
            rf"{method} ({target}) HTTP/1\.1\r\n({lines}{{1,{_HEADERS_MAX}}})\r\n".encode()
        )

    def recognize(self, data: bytes) -> PlainRequest | None:
        """Return the plain request that `data` begins with, or None for anything else.

        The head must be complete. The body may be incomplete, and nothing may follow it.
        """
        head = self._head.match(data, 0, HEAD_BYTES_MAX)
        if head is None:
            return None
        pairs = _HEADER_LINES.findall(head[2])
        headers = {name.lower(): text for name, text in pairs}
        if len(headers) < len(pairs) or b"host" not in headers or b" " in headers[b"host"]:
            return None
        body_bytes = self._declared_bytes(headers)
        if body_bytes is None or head.end() + body_bytes < len(data):
            return None
        return PlainRequest(head[1], headers, head.end(), body_bytes)

    def _declared_bytes(self, headers: Mapping[bytes, bytes]) -> int | None:
        if self._body_bytes_max is None:
            return 0
        length = headers.get(b"content-length", b"")
        if not _LENGTH.fullmatch(length) or int(length) > self._body_bytes_max:
            return None
        return int(length)


def render_json(
    status: int, document: object, headers: Mapping[str, str] | None = None
) -> tuple[bytes, bytes]:
    """Return head and body of a response with a JSON document, on a kept connection."""
    all_headers = {**(headers or {}), "Content-Type": "application/json; charset=utf-8"}
    return render_response(status, all_headers, json.dumps(document).encode())


def render_response(status: int, headers: Mapping[str, str], body: bytes) -> tuple[bytes, bytes]:
    """Return head and body of a response, on a kept connection."""
    lines = "".join([f"{name}: {text}\r\n" for name, text in headers.items()])
    head = (
        f"HTTP/1.1 {status} {_phrase(status)}\r\n{lines}Content-Length: {len(body)}\r\n"
        f"Date: {_render_date(int(time.time()))}\r\n\r\n"
    )
    return head.encode("latin-1"), body


@lru_cache
def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


@lru_cache(1)
def _render_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def is_one_bodiless_request(data: bytes) -> bool:
    """Return True if the data is certainly one whole request without a body."""
    return _ONE_BODILESS.fullmatch(data) is not None
