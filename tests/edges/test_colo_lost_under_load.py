"""A node dies or its bytes are corrupted under load, without errors for clients."""

import asyncio
import contextlib
import itertools
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.edge_servers import running_nginx, running_varnish
from tests.edges.read_targets import NODES, make_site
from tests.proxy_config.edge_requests import READ_KEYS, send_request, sign
from tests.storagenode.node_process import ask as ask_node
from tests.storagenode.node_process import body_of, node_process
from tests.storagenode.photo_samples import MTIME, bytes_of, variant_of, version_of
from tests.storagenode.served_site import lift_fences
from volumes.photo_path import render_path

PHOTOS = 200
PHOTO_BYTES = 20_000
CLIENTS = 8
# When a quarter of the reads is done.
FAULT_AFTER = PHOTOS // 4


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(name="photos", scope="module")
def _photos():
    """Return places and bytes; each kind of fault and edge has its own photos."""
    places = [variant_of(version_of(number), "m") for number in range(4 * PHOTOS)]
    return [(place, bytes_of(render_path(place.file), size=PHOTO_BYTES)) for place in places]


@pytest.fixture(name="nodes", scope="module")
def _nodes(site, photos):
    """Run a process per node, both with all photos."""
    with contextlib.ExitStack() as stack:
        started = {}

        def start(id_):
            started[id_] = stack.enter_context(node_process(site, id_))

        for id_, _ in NODES:
            start(id_)

            ask_node(site, id_, partial(fill, photos=photos))
        yield started, start


async def fill(client, *, photos):
    """Upload all photos concurrently, because fsyncs share the disk."""

    async def upload(some):
        for place, data in some:
            await client.put(place, body_of(data), mtime_seconds=MTIME, bytes_total=len(data))

    await lift_fences(client)
    await asyncio.gather(*(upload(photos[first::CLIENTS]) for first in range(CLIENTS)))


@pytest.fixture(name="edges", scope="module")
def _edges(site, nodes):
    del nodes
    with (
        running_nginx(site.cluster, "nginx", READ_KEYS) as nginx,
        running_varnish(site.cluster, "varnish", READ_KEYS) as varnish,
    ):
        yield {"nginx": nginx, "varnish": varnish}


def wait_until_varnish_asks(edge, backend):
    """Wait until a recovered node passes its probes."""
    argv = ["varnishadm", "-n", str(edge.run_dir / "varnish"), "backend.list"]
    deadline = time.monotonic() + 60
    while True:
        listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        (line,) = [line for line in listed.splitlines() if line.startswith(f"boot.{backend} ")]
        if "healthy" in line:
            return
        assert time.monotonic() < deadline, listed
        time.sleep(0.1)


def kill_the_near_node(site, nodes, photos):
    """Kill the local node during its responses."""
    del site, photos
    nodes["east-1"].kill()


def spoil_the_near_nodes_bytes(site, nodes, photos):
    """Change one byte of each photo on the local node's disk."""
    del nodes
    for place, data in photos:
        path = Path(site.node("east-1").store) / render_path(place.file)
        path.chmod(0o644)
        with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
            file.write(bytes([data[0] ^ 1]))


@pytest.mark.parametrize("kind", ["nginx", "varnish"])
@pytest.mark.parametrize("fault", [spoil_the_near_nodes_bytes, kill_the_near_node],
                         ids=["bytes go bad", "node is killed"])  # fmt: skip
def test_clients_see_no_error(site, nodes, edges, photos, kind, fault):
    """Every read is correct, except reads that were in progress at the moment of the fault."""
    started, start = nodes
    if started["east-1"].poll() is not None:
        start("east-1")
        ask_node(site, "east-1", lift_fences)
        wait_until_varnish_asks(edges["varnish"], "east_1")
    first = PHOTOS * [("nginx", 0), ("varnish", 0), ("nginx", 1), ("varnish", 1)].index(
        (kind, int(fault is kill_the_near_node))
    )
    mine = photos[first : first + PHOTOS]
    done = itertools.count(1)
    is_time = threading.Event()

    def read(photo):
        place, data = photo
        url = sign(render_path(place.file))
        try:
            response = send_request(edges[kind].address, url)
            error = None if (response.status, response.body) == (200, data) else response.status
        except (OSError, IndexError, ValueError) as failure:
            error = repr(failure)
        if next(done) == FAULT_AFTER:
            is_time.set()
        return error

    with ThreadPoolExecutor(CLIENTS) as threads:
        reads = [threads.submit(read, photo) for photo in mine]
        assert is_time.wait(60)
        fault(site, started, mine)
        errors = [error for each in reads if (error := each.result()) is not None]
    print(f"{kind}, {fault.__name__}: {len(errors)} errors in {PHOTOS} reads: {errors}")  # noqa: T201  # reports the count
    assert len(errors) <= CLIENTS
