"""Small files are sent in whole over persistent connections, signed by their digests."""

import asyncio
import contextlib

import pytest

from storagenode.protocol import batch_wire, wire
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import (
    BadRequest,
    DigestMismatch,
    Gone,
    InvalidSignature,
    NodeError,
    Unreachable,
)
from storagenode.protocol.layout import Place
from storagenode.protocol.routes import WRITE_MANY, Signed
from storagenode.transport.raw_http import MalformedResponse, RawHttpClient
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of, version_of
from volumes.address import Address

DATA = bytes_of("small photo", size=3000)
MANY = wire.SHARING_BYTES_MAX + 1


@pytest.fixture(name="node", scope="module")
def _node(served):
    return served


def put_whole(node, place, data=DATA, *, digest=None):
    """Send a file and return what was published."""
    putting = node.client.put_whole(
        place, data, mtime_seconds=MTIME, digest=digest or digest_of(data)
    )
    return node.run(putting)


def test_a_whole_file_is_published_like_a_streamed_one(node, photo_version):
    """A second put is not an error."""
    place = variant_of(photo_version)
    assert not put_whole(node, place).existed
    assert put_whole(node, place).existed
    fetched = node.run(node.client.fetch(place))
    assert (fetched.data, fetched.metadata.mtime_seconds) == (DATA, MTIME)


def test_large_files_are_sent_at_once_in_requests_of_their_own(node):
    """None of them waits for the response to another."""
    numbers = range(600, 604)
    files = [(variant_of(version_of(number)), bytes_of(number, size=MANY)) for number in numbers]

    async def put_all():
        puts = [
            node.client.put_whole(place, data, mtime_seconds=MTIME, digest=digest_of(data))
            for place, data in files
        ]
        await asyncio.gather(*puts)
        return [(await node.client.fetch(place)).data for place, _ in files]

    assert node.run(put_all()) == [data for _, data in files]


@pytest.mark.parametrize("size", [len(DATA), MANY])
def test_bytes_with_another_digest_are_not_published(node, photo_version, size):
    """The node computes the digest itself."""
    with pytest.raises(DigestMismatch):
        put_whole(node, variant_of(photo_version), bytes(size), digest=digest_of(b"other bytes"))
    assert node.run(node.client.find(photo_version.photo)) == []


def test_parallel_files_are_published_with_their_own_bytes(node):
    """In any batches; a refused file affects no other."""
    numbers = range(500, 540)
    files = [(variant_of(version_of(number)), bytes_of(number, size=3000)) for number in numbers]

    async def put_all():
        puts = [
            node.client.put_whole(
                place, data, mtime_seconds=MTIME, digest=digest_of(data if number else b"other")
            )
            for number, (place, data) in enumerate(files)
        ]
        outcomes = await asyncio.gather(*puts, return_exceptions=True)
        there = [await node.client.fetch(place) for place, _ in files[1:]]
        return outcomes, [file.data for file in there]

    outcomes, there = node.run(put_all())
    assert isinstance(outcomes[0], DigestMismatch)
    assert [each.digest for each in outcomes[1:]] == [digest_of(data) for _, data in files[1:]]
    assert there == [data for _, data in files[1:]]


@pytest.mark.parametrize("signed", [Signed.BODY, Signed.TRAILER])
def test_files_whose_header_is_not_signed_are_refused(node, photo_version, signed):
    """No byte of them is written."""
    file = InMemoryFile(variant_of(photo_version), DATA, digest_of(DATA), MTIME)
    target = WRITE_MANY.target()._replace(signed=signed)
    calling = node.client._call_short(target, *batch_wire.render_writes([file]))
    with pytest.raises(InvalidSignature):
        node.run(calling)
    assert node.run(node.client.find(photo_version.photo)) == []


def test_a_file_too_large_for_a_batch_is_refused(node, photo_version):
    """It must be streamed."""
    with pytest.raises(BadRequest):
        put_whole(node, variant_of(photo_version), bytes(wire.WHOLE_BYTES_MAX + 1))
    assert node.run(node.client.find(photo_version.photo)) == []


def test_errors_of_the_node_are_raised(node):
    """A tombstone wins over small files as well."""
    photo_version = version_of(901)
    tombstone = Place(
        wire.parse_path(f"{photo_version.volume}/{photo_version.shard}/{photo_version.photo}.gone")
    )
    node.run(node.client.write_tombstone(tombstone, mtime_seconds=MTIME))
    with pytest.raises(Gone):
        put_whole(node, variant_of(photo_version))


async def _responding(responses, requests, served):
    """Run a server that sends the next text to each request and then disconnects."""

    async def serve(reader, writer):
        served.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, IndexError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                requests.append(head.split(b" ", 2)[1])
                response = responses.pop(0)
                writer.write(response)
                if b"hang up" in response:
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def send_to_server(responses, paths):
    """Return the responses to short requests for these paths, and the received requests."""
    requests, served = [], []

    async def run():
        server = await _responding(responses, requests, served)
        port = server.sockets[0].getsockname()[1]
        short = RawHttpClient(Address("127.0.0.1", port), connect_seconds=1)
        try:
            return [await short.send("GET", path, {}, b"") for path in paths]
        finally:
            short.close()
            server.close()
            await asyncio.gather(*served)
            await server.wait_closed()

    return asyncio.run(run()), requests


def test_a_connection_is_reused():
    """A response is read exactly to its end."""
    responses = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\n\r\none"]
    responses.append(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
    (first, second), requests = send_to_server(responses, ["/1", "/2"])
    assert (first.status, first.headers["a"], first.body) == (200, "b", b"one")
    assert (second.status, second.body) == (404, b"")
    assert requests == [b"/1", b"/2"]


def test_a_request_on_a_closed_connection_is_repeated():
    """The node closes idle connections."""
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhang up"
    (first, second), requests = send_to_server([good, good], ["/1", "/2"])
    assert first.body == second.body == b"hang up"
    assert requests == [b"/1", b"/2"]


@pytest.mark.parametrize(
    "response",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 9999],
    ids=["no HTTP", "no length", "endless head"],
)
def test_an_invalid_response_is_an_error(response):
    """From any sender."""
    with pytest.raises(MalformedResponse):
        send_to_server([response], ["/1"])


def test_a_truncated_response_is_a_lost_connection():
    """The outcome of the request is unknown."""
    with pytest.raises(ConnectionError):
        send_to_server([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhang up"], ["/1"])


def test_a_missing_node_is_unreachable(node, photo_version, monkeypatch):
    """This is not a refusal."""
    unreachable = RawHttpClient(Address("127.0.0.1", 1), connect_seconds=0.2)
    monkeypatch.setattr(node.client, "_short", unreachable)
    with pytest.raises(Unreachable):
        put_whole(node, variant_of(photo_version))


def test_a_response_without_outcomes_is_an_error(node, photo_version, monkeypatch):
    """Another program may have the node's port."""

    async def send(*_):
        return wire_answer

    wire_answer = type("Answer", (), {"status": 200, "headers": {}, "body": b"{}"})()
    monkeypatch.setattr(node.client, "_short", type("Other", (), {"send": send})())
    with pytest.raises(NodeError):
        put_whole(node, variant_of(photo_version))
