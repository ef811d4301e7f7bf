"""Hostile bytes get constant responses and cannot affect the response to another request."""

import contextlib
import re
import socket

import pytest

from tests.edges.hostile_requests import BARE, CLOSED, HOSTILE
from tests.edges.read_targets import TARGETS

SILENCE_SECONDS = 5.0
CONSTANT_BODIES = {
    b"",
    b"bad request\n",
    b"forbidden\n",
    b"method not allowed\n",
    b"range not satisfiable\n",
    b"unavailable\n",
}


@pytest.fixture(name="photos", scope="module")
def _photos(targets):
    """Return the requested photo, the photo of the smuggled request, and the canary."""
    return [targets.new_photo() for _ in range(3)]


def test_there_are_enough_cases():
    """Each case has its own name."""
    assert len({case.name for case in HOSTILE}) == len(HOSTILE) >= 150


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_hostile_bytes_affect_no_other_request(targets, photos, case, target):
    """The status is allowed, and every body is constant or the requested photo."""
    requested, smuggled, canary = photos
    request = case.request.replace(b"S HTTP", smuggled.url().encode() + b" HTTP")
    request = request.replace(b": S", b": " + smuggled.url().encode())
    request = re.sub(rb"(?<![A-Z=])A(?![A-Za-z])", requested.url().encode(), request)
    after = f"GET {canary.url()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    received = send(targets.address(target), request + after)
    responses = list(parse_responses(received))
    assert (responses[0][0] if responses else CLOSED) in case.allowed
    assert smuggled.data not in received
    photos_sent = [body for _, body in responses if body not in CONSTANT_BODIES]
    # At most one response for the request and one for the canary, in this order.
    own, others = {requested.data, requested.data[:1], requested.data[1:2]}, [[], [canary.data]]
    assert photos_sent in others or (photos_sent[0] in own and photos_sent[1:] in others)
    for status, body in responses:
        assert status in {200, 206, BARE} or body in CONSTANT_BODIES
    for secret in (requested, smuggled, canary):
        assert secret.url().split(".")[3].encode() not in received


def send(address, data):
    """Send bytes; return all bytes until the other side closes or is idle."""
    received = b""
    with socket.create_connection((address.host, address.port), SILENCE_SECONDS) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while chunk := connection.recv(65536):
                received += chunk
    return received


def parse_responses(received):
    """Return statuses and bodies, in order."""
    while received:
        if not received.startswith(b"HTTP/1."):
            yield BARE, received
            return
        head, _, rest = received.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
        size = int(length[1]) if length else 0
        if status != 100:
            yield status, rest[:size]
        received = rest[size:]
