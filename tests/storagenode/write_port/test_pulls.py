"""Pulls: a node fetches a file from another and publishes it only with the right digest."""

import contextlib
import dataclasses
import os
import socket
import threading
import time

import pytest

from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.protocol.errors import (
    BadRequest,
    Conflict,
    Corrupt,
    DigestMismatch,
    Gone,
    NodeError,
    NotFound,
    SourceUnreachable,
    Unreachable,
)
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import DIGEST_HEADER, MTIME_HEADER, Pull
from storagenode.transport import signed_requests
from storagenode.write_port.receiving import BATCH_BYTES
from tests.free_ports import free_ports
from tests.storagenode.disk.test_store import flip
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of
from volumes.photo_path import VersionTombstone

DATA = bytes_of("photo", size=1000)


@pytest.fixture(name="east", scope="module")
def _east(nodes):
    return nodes["east-1"]


@pytest.fixture(name="west", scope="module")
def _west(nodes):
    return nodes["west-1"]


@pytest.fixture(name="place")
def _place(photo_version):
    return variant_of(photo_version)


@pytest.fixture(name="nothing_left", autouse=True)
def _nothing_left(east, west):
    """Check that no staged file remains after each test."""
    yield
    assert east.staged() == west.staged() == []


def head_of(length, *, digest=None):
    """Return the head of a response with a file."""
    lines = (
        "HTTP/1.1 200 OK",
        f"Content-Length: {length}",
        f"{DIGEST_HEADER}: {digest or digest_of(DATA)}",
        f"{MTIME_HEADER}: {MTIME}",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def pull_of(place, source, *, digest=None, source_place=None):
    """Return a pull of a file."""
    return Pull(
        place=place,
        source_node="east-1" if isinstance(source, str) else source.node.id,
        source=source if isinstance(source, str) else source.client.url,
        source_place=source_place or place,
        digest=digest or digest_of(DATA),
    )


def pull(node, *args, **kwargs):
    """Make a node pull a file."""
    return node.run(node.client.pull(pull_of(*args, **kwargs)))


@pytest.mark.parametrize("size", [0, 1, 1000, BATCH_BYTES, 3 * BATCH_BYTES + 5])
def test_a_file_is_pulled_whole(east, west, place, size):
    """Bytes, digest, and time equal the source's."""
    data = bytes_of(size, size=size)
    east.put(place, data, mtime_seconds=1_234_567_890)
    published = pull(west, place, east, digest=digest_of(data))
    assert (published.bytes, published.existed) == (size, False)
    assert (west.root / place.path).read_bytes() == data
    assert (west.root / place.path).stat().st_mtime == 1_234_567_890
    assert west.run(west.client.stat(place)) == east.run(east.client.stat(place))


def test_a_pull_can_be_repeated(east, west, place):
    """By two storagemasters at once, or later."""
    east.put(place, DATA)
    assert [pull(west, place, east).existed for _ in range(2)] == [False, True]


def test_a_hint_is_delivered_by_a_pull(east, west, place):
    """From the handoff node to the mirror."""
    held = Place(place.file, "west-1")
    east.put(held, DATA)
    pull(west, place, east, source_place=held)
    east.run(east.client.remove_hint(held))
    assert (west.root / place.path).read_bytes() == DATA
    assert east.run(east.client.list_hints("west-1")) == []


def test_a_pull_can_store_a_hint_for_a_third_node(east, west, place):
    """A handoff node can pull."""
    east.put(place, DATA)
    held = Place(place.file, "west-2")
    pull(west, held, east, source_place=place)
    assert (west.root / held.path).read_bytes() == DATA
    west.run(west.client.remove_hint(held))


def test_a_missing_file_at_the_source_is_reported(east, west, place):
    """Nothing is published."""
    with pytest.raises(NotFound):
        pull(west, place, east)
    assert not (west.root / place.path).exists()


def test_a_corrupt_source_spreads_nothing(east, west, place):
    """Its bytes do not have the expected digest."""
    east.put(place, DATA)
    flip(east.root / place.path)
    with pytest.raises(DigestMismatch):
        pull(west, place, east)
    assert not (west.root / place.path).exists()


def test_a_source_with_other_bytes_is_refused(east, west, place):
    """Although the source's copy is sound."""
    east.put(place, bytes_of("other"))
    with pytest.raises(DigestMismatch):
        pull(west, place, east)


def test_a_source_without_a_digest_can_have_the_right_bytes(east, west, place):
    """The expected digest decides."""
    east.put(place, DATA)
    path = east.root / place.path
    path.chmod(0o600)
    os.removexattr(path, DIGEST_XATTR)
    pull(west, place, east)
    assert west.run(west.client.stat(place)).digest == digest_of(DATA)


def test_a_corrupt_copy_is_repaired_by_a_pull(east, west, place):
    """The good bytes get the name, and the corrupt ones are quarantined."""
    for node in (east, west):
        node.put(place, DATA)
    flip(west.root / place.path)
    assert not pull(west, place, east).existed
    assert (west.root / place.path).read_bytes() == DATA


def test_a_pull_is_refused_like_a_put(east, west, photo_version, place):
    """For other existing bytes and for tombstones."""
    east.put(place, DATA)
    west.put(place, bytes_of("other"))
    with pytest.raises(Conflict):
        pull(west, place, east)
    west.run(
        west.client.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)
    )
    with pytest.raises(Gone):
        pull(west, place, east)


def test_a_tombstone_is_not_pulled(east, west, photo_version, place):
    """A storagemaster writes it with its proof, so another node's disk cannot delete."""
    west.put(place, DATA)
    tombstone = Place(VersionTombstone(photo_version))
    east.run(east.client.write_tombstone(tombstone, mtime_seconds=MTIME))
    digest = east.run(east.client.stat(tombstone)).digest
    for wanted in (digest, digest_of(b"")):
        with pytest.raises((BadRequest, DigestMismatch)):
            pull(west, tombstone, east, digest=wanted)
    assert (west.root / place.path).exists()


def test_deleted_files_are_not_transferred(west, photo_version, place):
    """The source gets no request."""
    west.run(
        west.client.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)
    )
    nowhere = pull_of(place, f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(Gone):
        west.run(west.client.pull(nowhere))
    (outcome,) = west.run(west.client.pull_many([nowhere], timeout_seconds=5))
    assert isinstance(outcome, Gone)


def test_of_many_pulls_only_undeleted_files_are_transferred(east, west, photo_version, place):
    """Each outcome belongs to its pull."""
    other = variant_of(dataclasses.replace(photo_version, version="zzzzzz"))
    lost = variant_of(dataclasses.replace(photo_version, version="yyyyyy"))
    for each in (place, other):
        east.put(each, DATA)
    west.run(
        west.client.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)
    )
    pulls = [pull_of(each, east) for each in (lost, place, other)]
    outcomes = west.run(west.client.pull_many(pulls, timeout_seconds=5))
    assert [type(outcome) for outcome in outcomes] == [NotFound, Gone, type(None)]
    assert (west.root / other.path).read_bytes() == DATA
    assert not (west.root / place.path).exists()


def test_of_many_pulls_each_file_is_compared_with_its_digest(east, west, photo_version):
    """Wrong bytes are not published and affect no other file; a damaged copy is replaced."""
    wrong, new, damaged = (
        variant_of(dataclasses.replace(photo_version, version=version))
        for version in ("wwwwww", "nnnnnn", "dddddd")
    )
    east.put(wrong, bytes_of("other"))
    for each in (new, damaged):
        east.put(each, DATA)
    west.put(damaged, bytes_of("damaged"))
    pulls = [pull_of(each, east) for each in (wrong, new, damaged)]
    pulls[2] = dataclasses.replace(pulls[2], replaces=digest_of(bytes_of("damaged")))
    outcomes = west.run(west.client.pull_many(pulls, timeout_seconds=5))
    assert [type(outcome) for outcome in outcomes] == [DigestMismatch, type(None), type(None)]
    assert not (west.root / wrong.path).exists()
    assert {(west.root / each.path).read_bytes() for each in (new, damaged)} == {DATA}


def test_an_unreachable_source_does_not_make_the_node_unreachable(west, place):
    """The error is `SourceUnreachable`."""
    with pytest.raises(SourceUnreachable) as caught:
        pull(west, place, f"http://127.0.0.1:{free_ports(1)[0]}")
    assert "disk" not in str(caught.value)


@pytest.mark.parametrize(
    "source", ["", "nowhere", "http://", "http://x:0", "ftp://x:1", "http://x/y:1"]
)
def test_an_invalid_source_is_refused(west, place, source):
    """It is a bad request."""
    with pytest.raises(BadRequest):
        pull(west, place, source)


@pytest.fixture(name="responses")
def _responses():
    """Run servers that send fixed bytes to one request and disconnect."""
    with contextlib.ExitStack() as stack:

        def start(*chunks, until=None):
            server = socket.create_server(("127.0.0.1", 0))

            def serve():
                while True:
                    connection, _ = server.accept()
                    with connection:
                        if not connection.recv(65536):
                            return
                        for chunk in chunks:
                            connection.sendall(chunk)
                        if until is not None:
                            until.wait()

            thread = threading.Thread(target=serve)
            thread.start()
            stack.callback(server.close)
            stack.callback(thread.join)
            # A connection without a request is the end.
            stack.callback(lambda: socket.create_connection(server.getsockname()).close())
            return f"http://127.0.0.1:{server.getsockname()[1]}"

        yield start


@pytest.mark.parametrize("sent", [0, 1, 999])
@pytest.mark.parametrize("declared", [1000, 3 * BATCH_BYTES])
def test_a_source_that_dies_during_a_transfer_leaves_nothing(
    west, place, responses, sent, declared
):
    """And the disk is not suspect."""
    source = responses(head_of(declared), DATA[:sent])
    with pytest.raises(NodeError) as caught:
        pull(west, place, source)
    assert not isinstance(caught.value, Unreachable)
    assert "disk" not in str(caught.value)
    assert not (west.root / place.path).exists()
    assert west.run(west.client.status()).suspect_reason == ""


def test_a_source_that_dies_in_a_large_file_leaves_nothing(west, place, responses):
    """After some bytes are staged."""
    source = responses(head_of(4 * BATCH_BYTES), bytes(2 * BATCH_BYTES))
    with pytest.raises(NodeError) as caught:
        pull(west, place, source)
    assert "disk" not in str(caught.value)
    assert west.run(west.client.status()).suspect_reason == ""


@pytest.mark.parametrize("chunks", [(), (head_of(1000),), (head_of(1000), DATA[:10])])
def test_a_silent_source_times_out(west, place, responses, monkeypatch, chunks):
    """Before or during its response."""
    monkeypatch.setattr(signed_requests, "SILENCE_SECONDS", 0.2)
    is_over = threading.Event()
    try:
        with pytest.raises(NodeError, match=r"in time|Timeout"):
            pull(west, place, responses(*chunks, until=is_over))
    finally:
        is_over.set()
    assert not (west.root / place.path).exists()


def test_a_source_with_a_wrong_digest_is_detected(west, place, responses):
    """Only the digest computed here counts."""
    other = bytes_of("other", size=1000)
    source = responses(head_of(1000), other)
    with pytest.raises(DigestMismatch):
        pull(west, place, source)


@pytest.mark.parametrize(
    "response", [b"", b"nonsense", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
)
def test_a_source_that_is_not_a_node_is_refused(west, place, responses, response):
    """It has no digest, or does not speak HTTP."""
    with pytest.raises((NodeError, Corrupt)):
        pull(west, place, responses(response))
    assert not (west.root / place.path).exists()


def test_a_sender_that_disconnects_leaves_nothing(west, place):
    """During an upload."""
    path = f"/files/{place.path}?mtime={MTIME}"
    soon = int(time.time()) + 100
    opening = west.sign("PUT", path, "-", expiry_seconds=soon)
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {4 * BATCH_BYTES}\r\n"
        f"Glassplate-Signature: {opening}\r\n\r\n"
    ).encode()
    for sent in (0, 100, 2 * BATCH_BYTES):
        address = west.node.write
        with socket.create_connection((address.host, address.port)) as connection:
            connection.sendall(head + bytes(sent))
            wait_until_noticed(west, sent)
        wait_until_nothing_is_staged(west)
        assert not (west.root / place.path).exists()
    assert west.run(west.client.status()).suspect_reason == ""


def wait_until_noticed(node, sent):
    """Return when the node has staged a file."""
    for _ in range(5000):
        if sent < BATCH_BYTES or node.staged():
            return
        node.run(node.client.status())
    raise AssertionError("the upload never began")


def wait_until_nothing_is_staged(node):
    """Return when the node has detected the disconnection."""
    for _ in range(5000):
        if not node.staged():
            return
        node.run(node.client.status())
    raise AssertionError("an unfinished write was left behind")
