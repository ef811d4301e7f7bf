"""Reads close their files: on every path, with every outcome."""

import contextlib
import http.client
import time
from pathlib import Path

import pytest

from storagenode.open_file import OpenFile
from storagenode.protocol.errors import Corrupt
from tests.storagenode.photo_samples import bytes_of, variant_of, version_of

KIB = 1024
READS = 25
CLOSE_SECONDS_MAX = 10.0
SIZES = {"fast": 2 * KIB, "buffered": 300 * KIB, "streamed": 9000 * KIB}
# The request, and the status that it gets.
REQUESTS = {
    "plain": ("GET", {}, 200),
    "general": ("GET", {"Unusual-Header": "it"}, 200),
    "head": ("HEAD", {}, 200),
    "range": ("GET", {"Range": "bytes=1-9"}, 206),
    "bad range": ("GET", {"Range": "bytes=99999999-"}, 416),
    "modified": ("GET", {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 412),
    "not modified": ("GET", {"If-None-Match": "*"}, 304),
}


@pytest.fixture(name="urls", scope="module")
def _urls(node):
    """Return the URL of a photo of each size."""
    urls = {}
    for number, (name, size) in enumerate(SIZES.items(), 740):
        place = variant_of(version_of(number), "o")
        node.put(place, bytes_of(name, size=size))
        urls[name] = node.url(place.file)
    return urls


def open_photos(node):
    """Return the photos that this process, which runs the node, has open."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            path = descriptor.readlink()
            if path.is_relative_to(node.root) and path.suffix == ".jpg":
                found.append(path)
    return found


def all_are_closed(node):
    """Return True once no photo is open: a node closes the last one after its client has it."""
    deadline = time.monotonic() + CLOSE_SECONDS_MAX
    while open_photos(node) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not open_photos(node)


def read_often(node, url, method, headers):
    """Send the same request on one connection; return the statuses."""
    address = node.node.read
    statuses = set()
    with contextlib.closing(http.client.HTTPConnection(address.host, address.port)) as kept:
        for _ in range(READS):
            kept.request(method, url, headers=headers)
            response = kept.getresponse()
            response.read()
            statuses.add(response.status)
    return statuses


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("size", SIZES)
def test_a_read_closes_its_file(node, urls, size, request_name):
    """No descriptor is left, however often a photo is read."""
    method, headers, status = REQUESTS[request_name]
    assert read_often(node, urls[size], method, headers) == {status}
    assert all_are_closed(node)


@pytest.mark.parametrize("size", SIZES)
def test_a_read_that_fails_closes_its_file(node, urls, size, monkeypatch):
    """A corrupt file is closed on each path."""

    def fail(*_):
        raise Corrupt("damaged")

    for name in ("read_cached", "read", "verify"):
        monkeypatch.setattr(OpenFile, name, fail)
    monkeypatch.setattr(node.store, "quarantine", lambda *_, **__: None)
    assert read_often(node, urls[size], "GET", {}) == {502}
    assert all_are_closed(node)
