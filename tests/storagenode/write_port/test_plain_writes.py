"""Plain batches past aiohttp: the responses of the general path, in any parts, and no early one."""

import hashlib
import json
import random
import re
import socket
import sys
import time

import pytest

from runtime import plain_server
from runtime.plain_http import PlainRequests
from storagenode.protocol import batch_wire, wire
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.framing import header_of
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of, version_of
from volumes.photo_path import VersionTombstone

SECONDS = 30


@pytest.fixture(name="paths")
def _paths(served, monkeypatch):
    """Return the number of requests that each path of the served port has taken."""
    taken = {"plain": 0, "general": 0}

    def is_served(handler):
        # Other servers of the process have the same handler.
        port = handler.transport.get_extra_info("sockname")[1]
        return port == served.node.write.port

    respond, leave = plain_server.PlainHandler._respond, plain_server.PlainHandler._leave

    def count_respond(handler, request, parts):
        is_counted = is_served(handler)
        is_plain = respond(handler, request, parts)
        taken["plain"] += is_plain and is_counted
        return is_plain

    def count_leave(handler, data, *, is_one_request):
        taken["general"] += is_served(handler)
        leave(handler, data, is_one_request=is_one_request)

    monkeypatch.setattr(plain_server.PlainHandler, "_respond", count_respond)
    monkeypatch.setattr(plain_server.PlainHandler, "_leave", count_leave)
    return taken


class Connection:
    """A raw connection to a write port."""

    def __init__(self, node):
        self.node = node
        self._socket = socket.create_connection(
            (node.node.write.host, node.node.write.port), timeout=SECONDS
        )
        self._file = self._socket.makefile("rb")

    def send(self, data):
        """Send bytes."""
        self._socket.sendall(data)

    def response(self):
        """Return status, content type, error name, and body of the next response."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._file.readline()
            if not line:
                return None
            head += line
        fields = {
            name.lower(): text.strip()
            for name, _, text in (i.partition(":") for i in head.decode().split("\r\n")[1:])
        }
        body = self._file.read(int(fields["content-length"]))
        status = int(head.split()[1])
        return status, fields["content-type"], fields.get(wire.ERROR_HEADER.lower()), body

    def close(self):
        """Disconnect."""
        self._file.close()
        self._socket.close()


@pytest.fixture(name="connection")
def _connection(served):
    connection = Connection(served)
    yield connection
    connection.close()


def batch(*files):
    """Return the body of a batch."""
    return b"".join(batch_wire.render_writes(files))


def photo(number, data=None, **changes):
    """Return one small file."""
    data = bytes_of(number) if data is None else data
    fields = {"digest": digest_of(data), "mtime_seconds": MTIME} | changes
    return InMemoryFile(variant_of(version_of(number)), data, **fields)


def post(node, body, *lines, expiry_seconds=None, signed=None):
    """Return a signed request with a batch, and these further lines."""
    digest = hashlib.sha256(header_of(body if signed is None else signed)).hexdigest()
    signature = node.sign(
        "POST", "/writes", digest, expiry_seconds=expiry_seconds or int(time.time()) + 60
    )
    head = [
        "POST /writes HTTP/1.1",
        f"Host: {node.node.write}",
        f"{wire.SIGNATURE_HEADER}: {signature}",
        f"{wire.DIGEST_HEADER}: {digest}",
        *lines,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "\r\n"]).encode() + body


def requests_of(node, first):
    """Return requests of every kind, for files from a number on."""
    good = batch(photo(first), photo(first + 1))
    wrong = photo(first + 2, digest=digest_of(b"other bytes"))
    large = bytes_of(first, size=wire.WHOLE_BYTES_MAX)
    deleted = photo(first + 4)
    tombstone = Place(VersionTombstone(deleted.place.file.photo_version))
    node.run(node.client.write_tombstone(tombstone, mtime_seconds=MTIME))
    return {
        "good": post(node, good),
        "again": post(node, good),
        "other bytes": post(node, batch(photo(first, b"other"))),
        "mixed": post(node, batch(wrong, photo(first + 3), deleted)),
        "hint": post(
            node,
            batch(
                InMemoryFile(
                    variant_of(version_of(first + 5), hint_for="west-1"),
                    b"hint",
                    digest_of(b"hint"),
                    MTIME,
                )
            ),
        ),
        "empty file": post(node, batch(photo(first + 6, b""))),
        "large": post(node, batch(photo(first + 8, large))),
        "large again": post(node, batch(photo(first + 8, large))),
        "large with other bytes": post(
            node, batch(photo(first + 9, large, digest=digest_of(b"other bytes")))
        ),
        "too large": post(node, batch(photo(first + 10, large + b"1"))),
        "no files": post(node, batch()),
        "not a batch": post(node, b"[]\n and more"),
        "no JSON": post(node, b"nothing"),
        "bad path": post(node, b'[{"path": "../x", "hint_for": "", "bytes": 0}]\n'),
        "expired": post(node, good, expiry_seconds=1),
        "not signed for this": post(node, good, signed=batch(photo(1))),
        "unusual head": post(node, batch(photo(first + 7)), "Cookie: a=b"),
    }


def normalized(response, first):
    """Return a response with the numbers of photos relative to `first`, and without digests."""
    if response is None:
        return None
    status, kind, error, body = response
    text = re.sub(r"[0-9a-f]{64}", "digest", body.decode())
    text = re.sub(r"01jd3x8m2c(\d{4})..", lambda match: f"photo {int(match[1]) - first}", text)
    text = re.sub(r"42/../", "42/shard/", text)
    return status, kind, error, text


def responses(node, first):
    """Return the response to each request, on a connection of its own."""
    found = {}
    for name, request in requests_of(node, first).items():
        connection = Connection(node)
        connection.send(request)
        found[name] = normalized(connection.response(), first)
        connection.close()
    return found


def test_both_paths_respond_alike(served, paths, monkeypatch):
    """The same table of requests, with and without the plain path."""
    plain = responses(served, 300)
    assert paths["plain"] == 9
    before = dict(paths)
    monkeypatch.setattr(PlainRequests, "recognize", lambda *_: None)
    general = responses(served, 320)
    assert paths["plain"] == before["plain"]
    assert plain == general
    assert {found[0] for found in plain.values() if found} == {200, 400, 403}


@pytest.mark.parametrize("seed", range(4))
def test_a_request_in_any_parts_has_one_response(connection, served, seed):
    """Heads and bodies are cut anywhere, and requests follow each other at once."""
    sys.stdout.write(f"seed {seed}\n")
    choose = random.Random(seed)
    numbers = [400 + 10 * seed + n for n in range(5)]
    whole = b"".join(
        post(served, batch(photo(number, bytes_of(number, size=choose.randint(1, 9000)))))
        for number in numbers
    )
    while whole:
        size = choose.choice([1, 100, 300, 2000, 20_000])
        connection.send(whole[:size])
        whole = whole[size:]
        time.sleep(choose.choice([0, 0, 0.002]))
    for number in numbers:
        status, _, _, body = connection.response()
        (outcome,) = json.loads(body)
        assert (status, outcome["path"]) == (200, variant_of(version_of(number)).path)


def test_a_slow_body_is_left_to_the_general_path(connection, served, paths):
    """The limits of slow clients apply there."""
    request = post(served, batch(photo(460, bytes_of("slow", size=5000))))
    connection.send(request[:-1])
    deadline = time.monotonic() + SECONDS
    while not paths["general"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    connection.send(request[-1:])
    assert connection.response()[0] == 200
    assert paths["plain"] == 0


def test_a_failure_of_the_plain_path_is_left_to_the_general_path(connection, served, monkeypatch):
    """The client receives the response of the general path."""
    parse = batch_wire.parse_writes
    failures = [ZeroDivisionError()]

    def fail_once(body):
        if failures:
            raise failures.pop()
        return parse(body)

    monkeypatch.setattr(batch_wire, "parse_writes", fail_once)
    connection.send(post(served, batch(photo(470))))
    assert connection.response()[0] == 200
