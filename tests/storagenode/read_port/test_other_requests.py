"""Requests of the read port with bodies, of other targets, and aborts of several responses."""

import contextlib
import errno
import http.client

import pytest

from storagenode.protocol.routes import FRONT_LINES
from tests.storagenode.photo_samples import VOLUME, bytes_of, variant_of, version_of
from tests.storagenode.read_port.test_deletes_during_reads import delete, slow_read
from volumes.photo_path import PhotoTombstone


def exchange(node, method, target, body=""):
    """Send a request and another GET behind it on one connection; return what comes."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    sent = f"{method} {target} HTTP/1.1\r\nHost: x\r\n{length}\r\n{body}"
    last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    return node.send_raw((sent + last).encode(), to_write_port=False)


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
@pytest.mark.parametrize("target", ["/", "/healthz", "photo"])
def test_a_read_with_a_body_is_refused_and_ends_the_connection(node, url, method, target):
    """The two sides could disagree on where the next request begins."""
    received = exchange(node, method, url if target == "photo" else target, "body")
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.endswith(b"\r\n\r\nbad request\n")
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_write_with_a_body_ends_the_connection(node, url):
    """Without one, the connection is kept."""
    assert exchange(node, "PUT", url, "body").count(b"HTTP/1.1 ") == 1
    received = exchange(node, "DELETE", url)
    assert received.startswith(b"HTTP/1.1 405 ")
    assert received.count(b"HTTP/1.1 ") == 2


def test_the_front_page_names_the_server(node):
    """No cache stores it."""
    response = node.read("/")
    assert (response.status, response.body.decode().splitlines()) == (200, [*FRONT_LINES])
    assert response.headers["Cache-Control"] == "no-store"


def test_the_options_of_the_server_as_a_whole_are_refused(node):
    """The node knows only the options of a target."""
    assert exchange(node, "OPTIONS", "*").startswith(b"HTTP/1.1 400 ")


def test_a_delete_cuts_off_all_responses_of_its_photo(node):
    """Of every client, whichever size it reads."""
    photo_version = version_of(995)
    reads = []
    with contextlib.ExitStack() as stack:
        for size in ("o", "b"):
            place = variant_of(photo_version, size)
            node.put(place, bytes_of(size, size=8 << 20))
            reads += [stack.enter_context(slow_read(node, place.file)) for _ in range(2)]
        delete(node, PhotoTombstone(VOLUME, photo_version.photo))
        for response in reads:
            with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
                response.read()


def test_a_disk_that_cannot_open_a_file_is_503(node, url, monkeypatch):
    """Another mirror may be able to."""

    def fail(_):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(node.store, "open", fail)
    assert (node.read(url).status, node.read(url).body) == (503, b"unavailable\n")
