"""An nginx edge reads from the nodes over TLS, and each end knows which machine the other is."""

import asyncio
import contextlib
import dataclasses
import http.client
import threading
import time

import pytest

from runtime.tls.machine_name import MachineName, Role
from storagenode.protocol.layout import Place
from tests.certificates import certificate, save
from tests.edge_servers import running_nginx
from tests.edges.read_targets import Photo, make_site
from tests.free_ports import free_port
from tests.proxy_config.edge_requests import READ_KEYS
from tests.storagenode.photo_samples import bytes_of, variant_of, version_of
from tests.storagenode.served_site import serving
from volumes.address import Address
from volumes.cluster import Tls
from volumes.machines import PROMETHEUS
from volumes.photo_path import render_path

EDGE = MachineName(Role.EDGE, "nginx")
MASTER = MachineName(Role.MASTER, "one")
EAST, WEST = (MachineName(Role.NODE, id_) for id_ in ("east-1", "west-1"))


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory):
    """Return a cluster whose nodes have an address for reads over TLS."""
    folder = tmp_path_factory.mktemp("tls-to-nodes")
    site = make_site(folder)
    for machine in (EDGE, MASTER, EAST, WEST):
        save(folder / "tls", machine)
    nodes = {
        id_: dataclasses.replace(node, read_tls=Address("127.0.0.1", free_port()))
        for id_, node in site.cluster.nodes.items()
    }
    tls = Tls(internal=True, folder=str(folder / "tls"))
    return dataclasses.replace(
        site, cluster=dataclasses.replace(site.cluster, nodes=nodes, tls=tls)
    )


@pytest.fixture(name="nodes", scope="module")
def _nodes(site):
    with serving(site, ["east-1", "west-1"]) as nodes:
        yield nodes


@pytest.fixture(name="edge", scope="module")
def _edge(site, nodes):
    assert nodes
    with running_nginx(site.cluster, "nginx", READ_KEYS) as edge:
        yield edge


def stored(nodes, number, *ids):
    """Store a photo on some nodes."""
    place = variant_of(version_of(number), "m")
    path = render_path(place.file)
    for id_ in ids:
        nodes[id_].put(Place(place.file), bytes_of(path, size=1000))
    return Photo(path, bytes_of(path, size=1000))


def read(address, url, **tls):
    """Return status and body of a GET."""
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    with contextlib.closing(kind(address.host, address.port, timeout=20, **tls)) as connection:
        connection.request("GET", url)
        response = connection.getresponse()
        return response.status, response.read()


def test_an_edge_reads_over_tls_from_both_nodes(edge, nodes):
    """A photo that only the second node has needs a try with another name."""
    for number, ids in enumerate((["east-1", "west-1"], ["west-1"]), 1):
        photo = stored(nodes, number, *ids)
        assert read(edge.address, photo.url()) == (200, photo.data)


def test_a_node_reports_the_ends_of_the_certificates_of_edges_and_monitors(edge, site, nodes):
    """They report no status of their own, and the storagemasters alert weeks ahead."""
    photo = stored(nodes, 5, "east-1")
    read(edge.address, photo.url())
    monitor = certificate(site.config.parent / "tls", PROMETHEUS, days=10)
    monitor.client.check_hostname = False
    write = site.cluster.nodes["east-1"].write
    assert read(write, "/metrics", context=monitor.client)[0] == 200
    seen = nodes["east-1"].run(nodes["east-1"].client.status()).client_certificates
    days = {name: (end - time.time()) / 86_400 for name, end in seen.items()}
    assert 364 < days["nginx.edge.glassplate"] < 366
    assert 9 < days["prometheus.monitor.glassplate"] < 11


def test_a_node_serves_its_tls_port_only_to_edges(site, nodes):
    """In clear text, without a certificate, and with one of another role or authority."""
    photo = stored(nodes, 3, "east-1")
    address = site.cluster.nodes["east-1"].read_tls

    def context_of(machine, **options):
        folder = site.config.parent / f"client-{machine}-{len(options)}"
        context = certificate(folder, machine, **options).client
        context.load_verify_locations(f"{site.cluster.tls.folder}/ca.pem")
        context.check_hostname = False
        return context

    assert read(address, photo.url(), context=context_of(EDGE)) == (200, photo.data)
    for context in (
        context_of(MASTER),
        context_of(MachineName(Role.EDGE, "other")),
        context_of(EDGE, by="impostor"),
        None,
    ):
        with pytest.raises((OSError, http.client.HTTPException)):
            read(address, photo.url(), **({"context": context} if context else {}))


@contextlib.contextmanager
def impostor(address, own):
    """Answer TLS at the address of a node; yield the received bytes."""
    received, started, loop = [], threading.Event(), asyncio.new_event_loop()

    async def take(reader, writer):
        received.append(await reader.read(1))
        writer.close()

    async def serve():
        server = await asyncio.start_server(take, address.host, address.port, ssl=own.server)
        started.set()
        async with server:
            await server.serve_forever()

    thread = threading.Thread(target=lambda: run_until_cancelled(loop, serve()))
    thread.start()
    assert started.wait(20)
    try:
        yield received
    finally:
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        thread.join()


def wait_until(what, holds):
    """Return when a condition holds."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def run_until_cancelled(loop, work):
    """Run a coroutine in a loop until it is cancelled."""
    with contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(work)
    loop.close()


@pytest.mark.parametrize("machine", [WEST, EDGE, MASTER], ids=str)
def test_an_impostor_at_the_address_of_a_node_gets_no_request(site, nodes, tmp_path, machine):
    """It has a certificate of the cluster for another machine. The other node serves the photo."""
    photo = stored(nodes, 4, "east-1", "west-1")
    address, listen, purge = (Address("127.0.0.1", free_port()) for _ in range(3))
    east = dataclasses.replace(site.cluster.nodes["east-1"], read_tls=address)
    edge = dataclasses.replace(site.cluster.edges["nginx"], listen=listen, purge=purge)
    cluster = dataclasses.replace(
        site.cluster, nodes={**site.cluster.nodes, "east-1": east}, edges={"nginx": edge}
    )
    with (
        impostor(address, certificate(tmp_path / "tls", machine)) as received,
        running_nginx(cluster, "nginx", READ_KEYS) as running,
    ):
        assert read(running.address, photo.url()) == (200, photo.data)
        wait_until("the edge has tried it", lambda: str(address) in running.logs())
    assert b"".join(received) == b""
