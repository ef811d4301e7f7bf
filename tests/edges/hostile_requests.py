"""Hostile requests as bytes, and the allowed responses.

`A` is a permission URL of a photo, and `S` one of a photo that only a smuggled request reads. The
same connection then requests another photo, the canary.
"""

from dataclasses import dataclass

BARE = 9
"""A response without a head, as in HTTP/0.9."""

REFUSED = frozenset({400})
NO_PERMISSION = frozenset({400, 403})
NO_METHOD = frozenset({400, 405})
SERVED_OR_REFUSED = frozenset({200, 400})

H = b"Host: photos.test\r\n"
SMUGGLED = b"GET S HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED_SMUGGLED = b"0\r\n\r\n" + SMUGGLED


@dataclass(frozen=True, slots=True)
class Hostile:
    """A request, and its allowed statuses."""

    name: str
    request: bytes
    allowed: frozenset[int] = REFUSED


def _get(headers: bytes, *, body: bytes = b"", method: bytes = b"GET") -> bytes:
    return method + b" A HTTP/1.1\r\n" + headers + b"\r\n" + body


def _line(line: bytes) -> bytes:
    return line + b"\r\n" + H + b"\r\n"


def _framing() -> list[Hostile]:
    """Return requests that two servers can split differently."""
    lengths = {
        "negative": b"-1",
        "signed": b"+5",
        "hex": b"0x5",
        "float": b"5.0",
        "list": b"5, 5",
        "list of two": b"5, 6",
        "words": b"five",
        "empty": b"",
        "spaces within": b"5 5",
        "huge": b"9" * 40,
        "2**63": b"9223372036854775808",
        "2**64": b"18446744073709551616",
        "underscore": b"5_0",
        "full-width": b"\xef\xbc\x95",
        "semicolon": b"5;",
        "quoted": b'"5"',
        "NUL": b"5\x00",
    }
    found = [
        Hostile(f"{method.decode()} Content-Length {name}", _get(
            H + b"Content-Length: " + value + b"\r\n", body=SMUGGLED, method=method), NO_METHOD)
        for name, value in lengths.items()
        for method in (b"GET", b"POST")
    ]  # fmt: skip
    encodings = {
        "chunked": b"Transfer-Encoding: chunked",
        "upper case": b"Transfer-Encoding: CHUNKED",
        "identity": b"Transfer-Encoding: identity",
        "xchunked": b"Transfer-Encoding: xchunked",
        "chunked twice": b"Transfer-Encoding: chunked, chunked",
        "chunked, identity": b"Transfer-Encoding: chunked, identity",
        "gzip, chunked": b"Transfer-Encoding: gzip, chunked",
        "chunked, gzip": b"Transfer-Encoding: chunked, gzip",
        "quoted": b'Transfer-Encoding: "chunked"',
        "parameter": b"Transfer-Encoding: chunked;q=1",
        "empty": b"Transfer-Encoding:",
        "tab before": b"Transfer-Encoding:\tchunked",
        "vertical tab": b"Transfer-Encoding: \x0bchunked",
        "space in name": b"Transfer-Encoding : chunked",
        "underscore": b"Transfer_Encoding: chunked",
        "folded": b"Transfer-Encoding:\r\n chunked",
        "two lines": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "bare LF": b"X: x\nTransfer-Encoding: chunked",
        "NUL": b"Transfer-Encoding: chunked\x00",
    }
    for name, line in encodings.items():
        # A server that knows none of these names can see a request without a body, and the canary.
        allowed = SERVED_OR_REFUSED if name == "underscore" else REFUSED
        headers = H + line + b"\r\n"
        found.append(Hostile(f"TE {name}", _get(headers, body=b"0\r\n\r\n"), allowed))
        both = headers + b"Content-Length: 5\r\n"
        found.append(Hostile(f"CL and TE {name}", _get(both, body=b"0\r\n\r\n")))
        if name == "underscore":
            continue
        both = H + b"Content-Length: 4\r\n" + line + b"\r\n"
        found.append(
            Hostile(f"POST, TE {name} after CL", _get(both, body=CHUNKED_SMUGGLED, method=b"POST"),
                    NO_METHOD)
        )  # fmt: skip
    return found


def _chunks() -> list[Hostile]:
    """Return chunks that overflow, have wrong lengths, or never end."""
    bodies = {
        "size overflow": b"FFFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n",
        "size 2**64": b"10000000000000000\r\nx\r\n0\r\n\r\n",
        "size 2**63-1": b"7FFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n",
        "size negative": b"-1\r\nx\r\n0\r\n\r\n",
        "size with 0x": b"0x1\r\nx\r\n0\r\n\r\n",
        "size empty": b"\r\nx\r\n0\r\n\r\n",
        "size of words": b"ten\r\nx\r\n0\r\n\r\n",
        "size with underscore": b"1_0\r\nx\r\n0\r\n\r\n",
        "size with space": b"1 \r\nx\r\n0\r\n\r\n",
        "many zeros": b"0" * 5000 + b"1\r\nx\r\n0\r\n\r\n",
        "extension": b"1;a=b\r\nx\r\n0\r\n\r\n",
        "extension of 64 KiB": b"1;" + b"a" * 65536 + b"\r\nx\r\n0\r\n\r\n",
        "extension with LF": b"1;a\nx\r\n0\r\n\r\n",
        "bare LF": b"1\nx\n0\n\n",
        "too long": b"1\r\nxxxxx\r\n0\r\n\r\n",
        "no CRLF after": b"1\r\nx0\r\n\r\n",
        "trailer": b"0\r\nX: x\r\n\r\n",
        "trailer of framing": b"0\r\nContent-Length: 50\r\n\r\n",
        "trailer of 64 KiB": b"0\r\nX: " + b"a" * 65536 + b"\r\n\r\n",
    }
    return [
        Hostile(f"{method.decode()} chunk {name}", _get(
            H + b"Transfer-Encoding: chunked\r\n", body=body, method=method), NO_METHOD)
        for name, body in bodies.items()
        for method in (b"GET", b"POST")
    ]  # fmt: skip


def _headers() -> list[Hostile]:
    """Return malformed or duplicate header lines."""
    lines = {
        "no Host": (b"", REFUSED),
        "two Hosts": (H + b"Host: evil.test\r\n", REFUSED),
        "the same Host twice": (H + H, REFUSED),
        "an empty Host": (b"Host:\r\n", SERVED_OR_REFUSED),
        "a Host with a path": (b"Host: x/y\r\n", SERVED_OR_REFUSED),
        "a Host with a user": (b"Host: a@b\r\n", SERVED_OR_REFUSED),
        "a Host with a port": (b"Host: photos.test:99999\r\n", SERVED_OR_REFUSED),
        "a Host with a space": (b"Host: a b\r\n", SERVED_OR_REFUSED),
        "a Host with a NUL": (b"Host: a\x00b\r\n", REFUSED),
        "a folded line": (H + b"X: a\r\n b\r\n", SERVED_OR_REFUSED),
        "a folded Host": (b"Host: a\r\n b\r\n", SERVED_OR_REFUSED),
        "a space before the colon": (H + b"X : a\r\n", SERVED_OR_REFUSED),
        "a space before the name": (b" " + H, REFUSED),
        "no colon": (H + b"X\r\n", SERVED_OR_REFUSED),
        "no name": (H + b": a\r\n", SERVED_OR_REFUSED),
        "a NUL in a name": (H + b"X\x00Y: a\r\n", SERVED_OR_REFUSED),
        "a NUL in a value": (H + b"X: a\x00b\r\n", REFUSED),
        "a CR in a value": (H + b"X: a\rb\r\n", SERVED_OR_REFUSED),
        "a bare LF at the end": (H + b"X: a\n", SERVED_OR_REFUSED),
        "high bytes in a name": (H + b"X\xff: a\r\n", SERVED_OR_REFUSED),
        "high bytes in a value": (H + b"X: \xff\xfe\r\n", SERVED_OR_REFUSED),
        "control bytes in a value": (H + b"X: \x01\x02\x7f\r\n", SERVED_OR_REFUSED),
        "a name of 64 KiB": (H + b"X" * 65536 + b": a\r\n", REFUSED),
        "a value of 9,000": (H + b"X: " + b"a" * 9000 + b"\r\n", REFUSED),
        "a value of 64 KiB": (H + b"X: " + b"a" * 65536 + b"\r\n", REFUSED),
        "10,000 headers": (H + b"X: a\r\n" * 10_000, REFUSED),
        "Expect": (H + b"Expect: 100-continue\r\n", SERVED_OR_REFUSED),
        "an unknown Expect": (H + b"Expect: miracles\r\n", frozenset({200, 400, 417})),
        "Upgrade to h2c": (
            H + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n",
            SERVED_OR_REFUSED,
        ),
        "Upgrade to WebSocket": (
            H + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n",
            SERVED_OR_REFUSED,
        ),
        "Connection that names Host": (H + b"Connection: Host\r\n", SERVED_OR_REFUSED),
        "Range of 10 KiB": (H + b"Range: bytes=" + b"0-0," * 2560 + b"1-1\r\n", REFUSED),
        "Range twice": (
            H + b"Range: bytes=0-0\r\nRange: bytes=1-1\r\n",
            frozenset({200, 206, 400}),
        ),
        "If-None-Match of 10 KiB": (H + b"If-None-Match: " + b'"x",' * 2560 + b'"y"\r\n', REFUSED),
        "a method to override": (H + b"X-HTTP-Method-Override: DELETE\r\n", SERVED_OR_REFUSED),
        "another URL": (H + b"X-Original-URL: S\r\nX-Rewrite-URL: S\r\n", SERVED_OR_REFUSED),
        "X-Accel-Redirect": (H + b"X-Accel-Redirect: S\r\n", SERVED_OR_REFUSED),
    }
    return [Hostile(f"with {name}", _get(text), allowed) for name, (text, allowed) in lines.items()]


def _request_lines() -> list[Hostile]:
    """Return malformed request lines."""
    lines = {
        "HTTP/0.9": (b"GET A", REFUSED | {BARE}),
        "HTTP/1.2": (b"GET A HTTP/1.2", SERVED_OR_REFUSED),
        "HTTP/2.0": (b"GET A HTTP/2.0", frozenset({400, 505})),
        "HTTP/3": (b"GET A HTTP/3", REFUSED),
        "HTTP/9.9": (b"GET A HTTP/9.9", frozenset({400, 505})),
        "HTTP/1.10": (b"GET A HTTP/1.10", SERVED_OR_REFUSED),
        "HTTP/01.1": (b"GET A HTTP/01.1", REFUSED),
        "http/1.1": (b"GET A http/1.1", SERVED_OR_REFUSED),
        "HTPP/1.1": (b"GET A HTPP/1.1", REFUSED),
        "no version": (b"GET A ", NO_PERMISSION | {BARE}),
        "no target": (b"GET  HTTP/1.1", NO_PERMISSION),
        "two targets": (b"GET A S HTTP/1.1", NO_PERMISSION),
        "a tab for a space": (b"GET\tA\tHTTP/1.1", REFUSED),
        "two spaces": (b"GET  A  HTTP/1.1", SERVED_OR_REFUSED),
        "a space before": (b" GET A HTTP/1.1", SERVED_OR_REFUSED),
        "a space after": (b"GET A HTTP/1.1 ", SERVED_OR_REFUSED),
        "a CR within": (b"GET A\r HTTP/1.1", NO_PERMISSION),
        "a lower-case method": (b"get A HTTP/1.1", NO_METHOD),
        "an unknown method": (b"BREW A HTTP/1.1", NO_METHOD),
        "a method with a slash": (b"GE/T A HTTP/1.1", NO_METHOD),
        "a method of 40 KiB": (b"G" * 40960 + b" A HTTP/1.1", NO_METHOD),
        "CONNECT": (b"CONNECT photos.test:443 HTTP/1.1", NO_METHOD),
        "PRI": (b"PRI * HTTP/2.0", NO_METHOD | {505}),
        "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", REFUSED),
        "SMTP": (b"EHLO photos.test", REFUSED),
        "a NUL in the target": (b"GET /a\x00b HTTP/1.1", NO_PERMISSION),
        "a NUL after the URL": (b"GET A\x00 HTTP/1.1", NO_PERMISSION),
        "an escaped NUL": (b"GET A%00 HTTP/1.1", REFUSED),
        "an escaped slash": (b"GET /42%2f00%2fx HTTP/1.1", REFUSED),
        "an escaped escape": (b"GET /42%252f00 HTTP/1.1", REFUSED),
        "an escaped line end": (b"GET /x%0d%0aX:%20y HTTP/1.1", REFUSED),
        "dot segments": (b"GET /x/../../etc/passwd HTTP/1.1", REFUSED),
        "escaped dot segments": (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", REFUSED),
        "a fragment": (b"GET A#x HTTP/1.1", NO_PERMISSION),
        "a query": (b"GET A?x HTTP/1.1", REFUSED),
        "a backslash": (b"GET \\etc\\passwd HTTP/1.1", NO_PERMISSION),
        "high bytes": (b"GET /\xff\xc0\xaf HTTP/1.1", REFUSED),
        "control bytes": (b"GET /\x01\x7f HTTP/1.1", NO_PERMISSION),
        "8 KiB": (b"GET /" + b"a" * 8192 + b" HTTP/1.1", REFUSED),
        "64 KiB": (b"GET /" + b"a" * 65536 + b" HTTP/1.1", REFUSED),
        "10,000 segments": (b"GET " + b"/a" * 10_000 + b" HTTP/1.1", REFUSED),
        "an absolute URI": (b"GET http://photos.testA HTTP/1.1", SERVED_OR_REFUSED),
        "another host's URI": (b"GET http://evil.testA HTTP/1.1", SERVED_OR_REFUSED),
        "a URI with a user": (b"GET http://a:b@photos.testA HTTP/1.1", SERVED_OR_REFUSED),
        "a URI of files": (b"GET file:///etc/passwd HTTP/1.1", NO_PERMISSION),
        "a URI without a path": (b"GET http://photos.test HTTP/1.1", NO_PERMISSION | {200}),
        "an authority": (b"GET photos.test:80 HTTP/1.1", NO_PERMISSION),
        "an asterisk": (b"GET * HTTP/1.1", NO_PERMISSION),
        "a relative path": (b"GET a HTTP/1.1", NO_PERMISSION),
    }
    found = [Hostile(f"line: {name}", _line(line), ok) for name, (line, ok) in lines.items()]
    found.append(Hostile("line ends in LF", b"GET A HTTP/1.1\n" + H + b"\n", SERVED_OR_REFUSED))
    found.append(Hostile("empty lines first", b"\r\n\r\n" + _get(H), SERVED_OR_REFUSED))
    found.append(Hostile("a CR first", b"\r" + _get(H), SERVED_OR_REFUSED))
    return found


HOSTILE = (*_framing(), *_chunks(), *_headers(), *_request_lines())

LONG_HEADS = frozenset(
    {
        "with a name of 64 KiB",
        "with a value of 64 KiB",
        "with 10,000 headers",
        "line: a method of 40 KiB",
        "line: 64 KiB",
    }
)
"""Cases in which Varnish closes the connection without a response."""

UNFINISHED_BODIES = frozenset({"GET chunk size 2**63-1", "POST chunk size 2**63-1"})
"""Cases in which Varnish waits for the announced body before it responds."""
