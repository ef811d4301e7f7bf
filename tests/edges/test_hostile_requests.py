"""Hostile bytes get constant responses and cannot affect the response to another request."""

import asyncio
import contextlib
import re
from dataclasses import dataclass

import pytest

from storagenode.protocol.routes import FRONT_LINES
from tests.edges.hostile_requests import BARE, HOSTILE, LONG_HEADS, UNFINISHED_BODIES
from tests.edges.read_targets import TARGETS

# A response must come within the first time. Once one is here, another may take the second.
RESPONSE_SECONDS_MAX = 20.0
SILENCE_SECONDS = 2.0
CONSTANT_BODIES = {
    b"",
    "".join(f"{line}\n" for line in FRONT_LINES).encode(),
    b"bad request\n",
    b"forbidden\n",
    b"method not allowed\n",
    b"range not satisfiable\n",
    b"unavailable\n",
}


@dataclass(frozen=True, slots=True)
class Received:
    """All bytes of one connection, and True if the target has closed it."""

    data: bytes
    is_closed: bool


@pytest.fixture(name="photos", scope="module")
def _photos(targets):
    """Return the requested photo, the photo of the smuggled request, and the canary."""
    return [targets.new_photo() for _ in range(3)]


@pytest.fixture(name="received", scope="module")
def _received(targets, photos):
    """Return what each target sends in each case. The cases run side by side: some are slow."""

    async def send_all(target):
        address = targets.address(target)
        sends = (send(address, request_of(case, photos)) for case in HOSTILE)
        return dict(zip(HOSTILE, await asyncio.gather(*sends), strict=True))

    return {target: asyncio.run(send_all(target)) for target in TARGETS}


def request_of(case, photos):
    """Return the bytes of a case, and the request for the canary."""
    requested, smuggled, canary = photos
    request = case.request.replace(b"S HTTP", smuggled.url().encode() + b" HTTP")
    request = request.replace(b": S", b": " + smuggled.url().encode())
    request = re.sub(rb"(?<![A-Z=])A(?![A-Za-z])", requested.url().encode(), request)
    return request + f"GET {canary.url()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def test_there_are_enough_cases():
    """Each case has its own name."""
    assert len({case.name for case in HOSTILE}) == len(HOSTILE) >= 150


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_hostile_bytes_get_a_response(received, case, target):
    """A client that keeps its side open gets an allowed status, and is never left waiting."""
    found = received[target][case]
    statuses = [status for status, _ in parse_responses(found.data)]
    if target == "varnish" and case.name in LONG_HEADS:
        assert statuses in ([], [400])
        assert found.is_closed
    elif target == "varnish" and case.name in UNFINISHED_BODIES:
        assert statuses == []
    else:
        assert statuses[0] in case.allowed
        assert found.is_closed or b"connection: close" in found.data.lower()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_hostile_bytes_affect_no_other_request(received, photos, case, target):
    """Every body is constant or the requested photo."""
    requested, smuggled, canary = photos
    received = received[target][case].data
    responses = list(parse_responses(received))
    assert smuggled.data not in received
    photos_sent = [body for _, body in responses if body not in CONSTANT_BODIES]
    # At most one response for the request and one for the canary, in this order.
    own, others = {requested.data, requested.data[:1], requested.data[1:2]}, [[], [canary.data]]
    assert photos_sent in others or (photos_sent[0] in own and photos_sent[1:] in others)
    for status, body in responses:
        assert status in {200, 206, BARE} or body in CONSTANT_BODIES
    for secret in (requested, smuggled, canary):
        assert secret.url().split(".")[3].encode() not in received


async def send(address, data):
    """Send bytes, and receive until the other side closes, or is idle after a response."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    received, is_closed = b"", False
    # A target may reset the connection while the request is sent.
    with contextlib.suppress(OSError):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(TimeoutError):
        while not is_closed:
            patience = SILENCE_SECONDS if received else RESPONSE_SECONDS_MAX
            async with asyncio.timeout(patience):
                chunk = b""
                with contextlib.suppress(OSError):
                    chunk = await reader.read(65536)
            received, is_closed = received + chunk, not chunk
    writer.close()
    return Received(received, is_closed)


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
