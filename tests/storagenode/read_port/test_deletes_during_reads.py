"""A delete ends the responses under way: what a client has not received, it never receives."""

import contextlib
import http.client
import socket

import pytest

from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import MTIME, VOLUME, bytes_of, variant_of, version_of
from volumes.photo_path import PhotoTombstone, VersionTombstone

KIB = 1024
MIB = 1024 * KIB
# More than the kernel's buffers hold, which are a few MiB on loopback.
SLOW_BUFFER_BYTES = 16 * KIB


def put(node, photo_version, size_bytes):
    """Store a photo; return its variant and bytes."""
    place = variant_of(photo_version, "o")
    data = bytes_of(str(photo_version), size=size_bytes)
    node.put(place, data)
    return place.file, data


@contextlib.contextmanager
def slow_read(node, variant, *, plain=True):
    """Run a GET whose client has received the head and one byte, and pauses."""
    connection = http.client.HTTPConnection(node.node.read.host, node.node.read.port, timeout=60)
    connection.sock = socket.socket()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
    connection.sock.settimeout(60)
    connection.sock.connect((node.node.read.host, node.node.read.port))
    with contextlib.closing(connection):
        connection.putrequest("GET", node.url(variant), skip_accept_encoding=True)
        if not plain:
            connection.putheader("If-None-Match", '"another"')
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 200
        assert response.read(1)
        yield response


def delete(node, tombstone):
    """Write a tombstone, as a storagemaster does."""
    node.run(node.client.write_tombstone(Place(tombstone), mtime_seconds=MTIME))


# The fast path, from memory on the general path, from memory after a thread, and streamed.
SIZES = {
    "fast": (250 * KIB, True),
    "inline": (250 * KIB, False),
    "buffered": (8 * MIB, True),
    "streamed": (24 * MIB, True),
}


@pytest.mark.parametrize("path", SIZES)
@pytest.mark.parametrize("kind", [PhotoTombstone, VersionTombstone])
def test_a_delete_cuts_off_a_response_under_way(node, path, kind):
    """On every path of a read, and whatever kind of tombstone covers the photo."""
    size_bytes, plain = SIZES[path]
    photo_version = version_of(900 + 10 * list(SIZES).index(path) + (kind is PhotoTombstone))
    variant, data = put(node, photo_version, size_bytes)
    with slow_read(node, variant, plain=plain) as response:
        tombstone = (
            PhotoTombstone(VOLUME, photo_version.photo)
            if kind is PhotoTombstone
            else VersionTombstone(photo_version)
        )
        delete(node, tombstone)
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            response.read()
    assert node.read(node.url(variant)).status == 410
    assert len(data) == size_bytes


def test_a_delete_leaves_the_responses_of_other_photos_alone(node):
    """Also of another version of the same photo."""
    photo_version = version_of(990)
    other = version_of(990, version=7)
    variant, data = put(node, other, 8 * MIB)
    put(node, photo_version, 1000)
    with slow_read(node, variant) as response:
        delete(node, VersionTombstone(photo_version))
        delete(node, PhotoTombstone(VOLUME, version_of(991).photo))
        assert response.read() == data[1:]


def test_a_delete_leaves_an_idle_connection_that_has_received_all(node):
    """An edge keeps its connections, also after it has read a photo that is deleted."""
    photo_version = version_of(992)
    variant, data = put(node, photo_version, 1000)
    kept, _ = put(node, version_of(993), 1000)
    connection = http.client.HTTPConnection(node.node.read.host, node.node.read.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", node.url(variant))
        assert connection.getresponse().read() == data
        before = connection.sock
        delete(node, VersionTombstone(photo_version))
        connection.request("GET", node.url(kept))
        assert connection.getresponse().status == 200
        assert connection.sock is before
