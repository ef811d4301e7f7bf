"""A fetch over a thin link that is under way at a delete never ends up in the cache of an edge."""

import contextlib
import itertools
import socket
import threading
import time
from dataclasses import replace

import pytest

from drill.cluster.tcp_proxy import Direction, LinkConditions, running_proxy
from storagenode.protocol.layout import Place
from tests.edge_servers import running_nginx, running_varnish
from tests.edges.read_targets import make_site
from tests.proxy_config.edge_requests import PURGE_SECONDS, READ_KEYS, purge, send_request, sign
from tests.storagenode.photo_samples import MTIME, bytes_of, variant_of, version_of
from tests.storagenode.served_site import serving
from volumes.address import Address
from volumes.photo_path import VersionTombstone, render_path

EDGES = {"nginx": running_nginx, "varnish": running_varnish}
# More than the buffers of the kernel and the proxy hold, so that the delete meets the fetch, and
# no more than Varnish caches.
PHOTO_BYTES = 6 * 1024 * 1024
THIN_LINK = LinkConditions(bytes_per_second=2 * 1024 * 1024)
_numbers = itertools.count(100)


@pytest.fixture(name="nodes", scope="module")
def _nodes(tmp_path_factory):
    """Both nodes, and the cluster as an edge behind thin links sees it."""
    site = make_site(tmp_path_factory.mktemp("thin"))
    with serving(site, ["east-1", "west-1"]) as nodes:
        thread = nodes["east-1"].thread
        stack = contextlib.AsyncExitStack()
        proxies = {}
        for id_, node in site.cluster.nodes.items():
            listen = Address("127.0.0.1", 0)
            proxies[id_] = thread.run(stack.enter_async_context(running_proxy(listen, node.read)))
            proxies[id_].conditions = THIN_LINK
        seen = {
            id_: replace(node, read=proxies[id_].address)
            for id_, node in site.cluster.nodes.items()
        }
        yield nodes, proxies, replace(site.cluster, nodes=seen)
        thread.run(stack.aclose())


@pytest.fixture(name="edge", scope="module", params=EDGES)
def _edge(request, nodes):
    _, _, cluster = nodes
    with EDGES[request.param](cluster, request.param, READ_KEYS) as edge:
        yield edge


class SlowGet(threading.Thread):
    """A GET that reads whatever comes, until the connection ends."""

    def __init__(self, address, target):
        super().__init__()
        self._address = address
        self._target = target
        self.received = 0

    def run(self):
        """Count the bytes of the response, head and all."""
        with socket.create_connection((self._address.host, self._address.port), 60) as connection:
            connection.sendall(f"GET {self._target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            with contextlib.suppress(OSError):
                while chunk := connection.recv(65536):
                    self.received += len(chunk)
                    if self.received > PHOTO_BYTES:
                        return


def until(condition):
    """Wait until a condition holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def new_photo(nodes):
    """Return a large photo that both nodes have and no edge: its version and path."""
    photo_version = version_of(next(_numbers))
    place = variant_of(photo_version, "m")
    data = bytes_of(str(photo_version), size=PHOTO_BYTES)
    for node in nodes.values():
        node.put(place, data)
    return photo_version, render_path(place.file)


def bytes_to_edges(proxies):
    """Return number of bytes that nodes have sent to edges so far."""
    return sum(proxy.bytes_passed[Direction.CLIENT] for proxy in proxies.values())


def test_a_fetch_under_way_at_a_delete_is_cut_off_and_not_cached(nodes, edge):
    """The client gets a part, and from the purge on the edge answers 410, however long it waits."""
    nodes, proxies, _ = nodes
    photo_version, path = new_photo(nodes)
    before = bytes_to_edges(proxies)
    get = SlowGet(edge.address, sign(path))
    get.start()
    until(lambda: bytes_to_edges(proxies) > before + 256 * 1024)
    tombstone = Place(VersionTombstone(photo_version))
    for node in nodes.values():
        node.run(node.client.write_tombstone(tombstone, mtime_seconds=MTIME))
    assert {answer.status for answer in purge(edge, [path])} == {200}
    get.join(60)
    assert 0 < get.received < PHOTO_BYTES
    time.sleep(PURGE_SECONDS)
    assert send_request(edge.address, sign(path)).status == 410


def test_without_a_delete_the_same_fetch_is_whole_and_cached(nodes, edge):
    """A thin link alone cuts nothing off."""
    nodes, proxies, _ = nodes
    _, path = new_photo(nodes)
    get = SlowGet(edge.address, sign(path))
    get.start()
    get.join(60)
    assert get.received > PHOTO_BYTES
    until(lambda: send_request(edge.address, sign(path), method="HEAD").status == 200)
    before = bytes_to_edges(proxies)
    assert len(send_request(edge.address, sign(path)).body) == PHOTO_BYTES
    # The end of the first fetch may still be on its way, but the photo is not fetched again.
    assert bytes_to_edges(proxies) < before + PHOTO_BYTES // 2
