"""A small file is sent whole, over a connection that is kept, signed by its digest."""

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


@pytest.fixture(name="node", scope="module")
def _node(served):
    return served


def put_whole(node, place, data=DATA, *, digest=None):
    """Send a file whole; what was published."""
    putting = node.client.put_whole(
        place, data, mtime_seconds=MTIME, digest=digest or digest_of(data)
    )
    return node.run(putting)


def test_a_whole_file_is_published_as_a_streamed_one_is(node, photo_version):
    """And a second time is as good as the first."""
    place = variant_of(photo_version)
    assert not put_whole(node, place).existed
    assert put_whole(node, place).existed
    fetched = node.run(node.client.fetch(place))
    assert (fetched.data, fetched.metadata.mtime_seconds) == (DATA, MTIME)


def test_bytes_with_another_digest_are_not_published(node, photo_version):
    """What was signed is the digest, and the node computes its own."""
    with pytest.raises(DigestMismatch):
        put_whole(node, variant_of(photo_version), digest=digest_of(b"other bytes"))
    assert node.run(node.client.find(photo_version.photo)) == []


def test_many_files_at_once_are_published_each_with_its_own_bytes(node):
    """However they were gathered into requests; one that is refused stops no other."""
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
    calling = node.client._call_short(target, batch_wire.render_writes([file]))
    with pytest.raises(InvalidSignature):
        node.run(calling)
    assert node.run(node.client.find(photo_version.photo)) == []


def test_a_file_too_large_to_be_sent_whole_is_refused(node, photo_version):
    """It is to be streamed."""
    with pytest.raises(BadRequest):
        put_whole(node, variant_of(photo_version), bytes(wire.WHOLE_BYTES_MAX + 1))
    assert node.run(node.client.find(photo_version.photo)) == []


def test_the_nodes_refusals_are_told_as_its_errors(node):
    """A tombstone wins over what is sent whole too."""
    photo_version = version_of(901)
    tombstone = Place(
        wire.parse_path(f"{photo_version.volume}/{photo_version.shard}/{photo_version.photo}.gone")
    )
    node.run(node.client.write_tombstone(tombstone, mtime_seconds=MTIME))
    with pytest.raises(Gone):
        put_whole(node, variant_of(photo_version))


async def _answering(answers, requests, served):
    """A server that answers each request of a connection with the next text, then hangs up."""

    async def serve(reader, writer):
        served.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, IndexError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                requests.append(head.split(b" ", 2)[1])
                answer = answers.pop(0)
                writer.write(answer)
                if b"hang up" in answer:
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def ask(answers, paths):
    """What short requests for these paths were answered, and what the server was asked."""
    requests, served = [], []

    async def run():
        server = await _answering(answers, requests, served)
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


def test_a_connection_is_kept_for_the_next_request():
    """And an answer is read to its end and no further."""
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\n\r\none"]
    answers.append(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
    (first, second), requests = ask(answers, ["/1", "/2"])
    assert (first.status, first.headers["a"], first.body) == (200, "b", b"one")
    assert (second.status, second.body) == (404, b"")
    assert requests == [b"/1", b"/2"]


def test_a_request_over_a_connection_that_was_closed_meanwhile_is_sent_again():
    """The node closes what is idle for long."""
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhang up"
    (first, second), requests = ask([good, good], ["/1", "/2"])
    assert first.body == second.body == b"hang up"
    assert requests == [b"/1", b"/2"]


@pytest.mark.parametrize(
    "answer",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 9999],
    ids=["no HTTP", "no length", "endless head"],
)
def test_what_is_no_answer_of_a_node_is_an_error(answer):
    """Whoever sent it."""
    with pytest.raises(MalformedResponse):
        ask([answer], ["/1"])


def test_an_answer_that_breaks_off_is_a_lost_connection():
    """Nothing is known of what became of the request."""
    with pytest.raises(ConnectionError):
        ask([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhang up"], ["/1"])


def test_a_node_that_is_not_there_is_unreachable(node, photo_version, monkeypatch):
    """Which is not a no."""
    nobody = RawHttpClient(Address("127.0.0.1", 1), connect_seconds=0.2)
    monkeypatch.setattr(node.client, "_short", nobody)
    with pytest.raises(Unreachable):
        put_whole(node, variant_of(photo_version))


def test_an_answer_that_is_no_receipt_is_an_error_of_the_node(node, photo_version, monkeypatch):
    """As when something else has taken its port."""

    async def send(*_):
        return wire_answer

    wire_answer = type("Answer", (), {"status": 200, "headers": {}, "body": b"{}"})()
    monkeypatch.setattr(node.client, "_short", type("Other", (), {"send": send})())
    with pytest.raises(NodeError):
        put_whole(node, variant_of(photo_version))
