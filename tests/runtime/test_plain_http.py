"""The recognizer of plain requests: whatever it accepts, aiohttp's parser reads the same."""

import asyncio
import random
import sys

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser

from runtime.plain_http import (
    HEAD_BYTES_MAX,
    PlainRequests,
    is_one_bodiless_request,
    render_json,
)

GETS = PlainRequests("GET")
POSTS = PlainRequests(
    "POST", "/photos", reads=("authorization", "content-type"), body_bytes_max=100
)
UPLOAD = [
    "Host: photos.example",
    "Authorization: Bearer abc",
    "Content-Type: image/jpeg",
    "Content-Length: 5",
]
FUZZED = 20_000


def request(*lines, first="POST /photos HTTP/1.1", body=b"photo"):
    """Return a request with these lines."""
    return "\r\n".join([first, *lines, "\r\n"]).encode("latin-1") + body


def test_a_plain_upload_is_recognized():
    """Names in any case, other headers ignored."""
    found = POSTS.recognize(request(*UPLOAD, "ACCEPT: */*", "x-request-id: 7"))
    assert found.target == b"/photos"
    assert found.headers == {
        b"host": b"photos.example",
        b"authorization": b"Bearer abc",
        b"content-type": b"image/jpeg",
        b"content-length": b"5",
        b"accept": b"*/*",
        b"x-request-id": b"7",
    }
    assert (found.body_bytes, found.total_bytes) == (5, found.head_bytes + 5)


def test_an_incomplete_body_is_recognized_by_its_head():
    """The server waits for its end."""
    assert POSTS.recognize(request(*UPLOAD, body=b"ph")).body_bytes == 5


@pytest.mark.parametrize(
    "data",
    [
        request(*UPLOAD, body=b"photo and more"),
        request(*UPLOAD[:3]),
        request(*UPLOAD[1:]),
        request(*UPLOAD, "Host: other.example"),
        request(*UPLOAD, "Content-Length: 5"),
        request(*UPLOAD[:3], "Content-Length: 05"),
        request(*UPLOAD[:3], "Content-Length: +5"),
        request(*UPLOAD[:3], "Content-Length: 5, 5"),
        request(*UPLOAD[:3], "Content-Length: 101"),
        request(*UPLOAD, "Transfer-Encoding: chunked"),
        request(*UPLOAD, "Content-Encoding: gzip"),
        request(*UPLOAD, "Expect: 100-continue"),
        request(*UPLOAD, "Connection: close"),
        request(*UPLOAD, "Upgrade: h2c"),
        request(*UPLOAD, "Idempotency-Key: 1"),
        request(*UPLOAD, "X-Note: a\r\n folded"),
        request(*UPLOAD, "X-Note : a"),
        request(*UPLOAD, "Authorization:Bearer abc"),
        request(*UPLOAD, "X-Note: \xe4"),
        request(*UPLOAD, "X-Note: \0"),
        request(*UPLOAD, f"X-Note: {'a' * HEAD_BYTES_MAX}"),
        request(*UPLOAD, *["X-Note: a"] * 50),
        request(*UPLOAD).replace(b"\r\n", b"\n"),
        request(*UPLOAD, first="POST /photos HTTP/1.0"),
        request(*UPLOAD, first="POST  /photos HTTP/1.1"),
        request(*UPLOAD, first="PUT /photos HTTP/1.1"),
        request(*UPLOAD, first="POST /photos?volume=1 HTTP/1.1"),
        request(*UPLOAD, first="POST /photosets HTTP/1.1"),
        request(*UPLOAD)[:20],
        b"",
    ],
)
def test_all_else_is_left_to_the_parser(data):
    """A request with any effect, form, or framing that is not plain."""
    assert POSTS.recognize(data) is None


def test_a_get_has_no_body():
    """A length, or bytes behind the head, are unusual."""
    get = request("Host: x", first="GET /photo HTTP/1.1", body=b"")
    assert GETS.recognize(get).total_bytes == len(get)
    assert GETS.recognize(get + b"x") is None
    length = request("Host: x", "Content-Length: 0", first="GET / HTTP/1.1", body=b"")
    assert GETS.recognize(length) is None


def test_the_end_of_a_request_without_a_body_is_certain():
    """Only if nothing in its head can announce a body or another protocol."""
    head = request("Host: x", first="GET / HTTP/1.1", body=b"")
    assert is_one_bodiless_request(head)
    assert not is_one_bodiless_request(head + head)
    for line in ("Content-Length: 1", "Transfer-Encoding: chunked", "Upgrade: h2c", "Expect: x"):
        assert not is_one_bodiless_request(
            request("Host: x", line, first="GET / HTTP/1.1", body=b"")
        )


@pytest.mark.parametrize("seed", range(3))
def test_what_is_recognized_means_the_same_to_aiohttp(seed):
    """Mutations of plain requests: one message, with this target, these headers, and this body."""
    sys.stdout.write(f"seed {seed}\n")
    choose = random.Random(seed)
    recognized = 0
    for _ in range(FUZZED // 3):
        recognizer, data = choose.choice([(POSTS, post(choose)), (GETS, get(choose))])
        data = mutated(data, choose)
        found = recognizer.recognize(data)
        if found is not None and found.total_bytes == len(data):
            recognized += 1
            assert parsed(data) == (
                found.target.decode(),
                {name: text.decode().strip() for name, text in found.headers.items()},
                data[found.head_bytes :],
            ), data
    assert recognized > 500


def post(choose):
    """Return a plain upload."""
    lines = [*UPLOAD, *choose.choices(["Accept: */*", "X-A: b", "User-Agent: c d", "Via: e"], k=2)]
    return request(*choose.sample(lines, len(lines)))


def get(choose):
    """Return a plain GET."""
    neutral = choose.choices(["Accept: a", "DNT: 1", "Referer: http://y/", "X-A: "], k=2)
    return request("Host: x", *neutral, first=f"GET /{choose.randint(0, 99)} HTTP/1.1", body=b"")


def mutated(data, choose):
    """Return the data after some random edits, often none."""
    edits = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b"\xff", b"A", b"0", b",", b"-"]
    for _ in range(choose.choice([0, 0, 1, 1, 2, 3])):
        at = choose.randrange(len(data) + 1)
        kind = choose.randrange(4)
        if kind == 0:
            data = data[:at] + choose.choice(edits) + data[at:]
        elif kind == 1:
            data = data[:at] + data[at + 1 :]
        elif kind == 2:
            data = data[:at] + choose.choice(edits) + data[at + 1 :]
        else:
            end = choose.randrange(at, len(data) + 1)
            data = data[:end] + data[at:end] + data[end:]
    return data


def parsed(data):
    """Return target, headers, and body of the only request that aiohttp's parser reads."""
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
        messages, is_upgraded, tail = parser.feed_data(data)
    except HttpProcessingError as error:
        return repr(error)
    finally:
        loop.close()
    ((message, payload),) = messages
    assert not is_upgraded
    assert not tail
    assert not message.should_close
    assert payload.is_eof()
    body = b"".join(getattr(payload, "_buffer", []))
    headers = {name.lower().encode(): text for name, text in message.headers.items()}
    assert len(headers) == len(message.headers)
    return message.path, headers, body


def test_a_json_response_is_complete():
    """Its length is that of its body, and other headers come first."""
    head, body = render_json(201, {"photo": "\xe4"}, {"Location": "/photos/1"})
    lines = head.decode().split("\r\n")
    assert lines[:2] == ["HTTP/1.1 201 Created", "Location: /photos/1"]
    assert f"Content-Length: {len(body)}" in lines
    assert body == b'{"photo": "\\u00e4"}'
