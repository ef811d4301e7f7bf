"""With TLS, machines of the cluster talk only to each other, and each end knows which one it is."""

import asyncio
import contextlib
import dataclasses
import ssl
import tempfile
import time
from pathlib import Path

import aiohttp
import pytest

from runtime.tls.machine_name import MachineName, Role
from storagenode.app import running_node
from storagenode.client import NodeClient
from storagenode.protocol.errors import Unreachable
from storagenode.protocol.layout import Place
from tests.certificates import MASTER, NODE, authority, certificate, save
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of, version_of
from tests.storagenode.served_site import make_site
from tests.storagenode.write_port.test_pulls import pull_of
from volumes.cluster import Master, Tls

WEST = MachineName(Role.NODE, "west-1")
WORKER = MachineName(Role.WORKER, "east")
DATA = bytes_of("photo", size=400_000)


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates") / "tls"
    for machine in (NODE, WEST, MASTER, WORKER):
        save(folder, machine)
    return folder


@pytest.fixture(name="site", scope="module")
def _site(folder):
    with tempfile.TemporaryDirectory() as root:
        site = make_site(Path(root))
        master = site.cluster.masters["m1"]
        cluster = dataclasses.replace(
            site.cluster,
            tls=Tls(internal=True, folder=str(folder)),
            masters={"m1": Master(id="m1", colo=master.colo, address=master.address)},
        )
        yield dataclasses.replace(site, cluster=cluster)


async def body(data):
    """Yield a body."""
    yield data


def run(site, work, *ids):
    """Run nodes, and return the result of `work(client)`, a coroutine function."""

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            for id_ in ids or ("east-1",):
                await stack.enter_async_context(
                    running_node(site.cluster, site.node(id_), site.keys)
                )
            session = await stack.enter_async_context(aiohttp.ClientSession())

            def client(own, node="east-1"):
                made = NodeClient(node, site.node("east-1").write, session, site.keys, own)
                stack.callback(made.close)
                return made

            return await work(client)

    return asyncio.run(main())


@pytest.mark.parametrize("machine", [MASTER, WORKER, WEST], ids=str)
def test_machines_of_the_cluster_store_and_read(site, folder, machine):
    """Streams, short requests, and responses."""

    async def work(client):
        east = client(certificate(folder, machine))
        place, small = variant_of(version_of(1)), variant_of(version_of(2))
        await east.put(place, body(DATA), mtime_seconds=MTIME, bytes_total=len(DATA))
        await east.put_whole(small, b"small", mtime_seconds=MTIME, digest=digest_of(b"small"))
        return (await east.fetch(place)).data, (await east.fetch(small)).data

    assert run(site, work) == (DATA, b"small")


def test_a_node_pulls_from_another(site, folder):
    """Both are servers and clients."""

    async def work(client):
        east = client(certificate(folder, MASTER))
        place = variant_of(version_of(3))
        published = await east.put(place, body(DATA), mtime_seconds=MTIME, bytes_total=len(DATA))
        pull = pull_of(place, east.url, digest=published.digest)
        async with aiohttp.ClientSession() as session:
            own = certificate(folder, MASTER)
            west = NodeClient("west-1", site.node("west-1").write, session, site.keys, own)
            await west.pull(pull)
            fetched = await west.fetch(place)
            west.close()
        return fetched.data

    assert run(site, work, "east-1", "west-1") == DATA


def refused(site, own, *, node="east-1"):
    """Check that a client gets no response, on either kind of connection."""

    async def work(client):
        with pytest.raises(Unreachable):
            await client(own, node).status()
        with pytest.raises(Unreachable):
            await client(own, node).put_whole(
                Place(variant_of(version_of(4)).file), b"", mtime_seconds=MTIME, digest="0" * 64
            )

    run(site, work)


def test_a_client_without_tls_is_refused(site):
    """A signed request in clear text reaches no handler."""
    refused(site, None)


@pytest.mark.parametrize(
    "machine",
    [
        MachineName(Role.NODE, "east-9"),
        MachineName(Role.MASTER, "m9"),
        MachineName(Role.WORKER, "north"),
    ],
    ids=str,
)
def test_a_machine_that_is_not_in_the_map_is_refused(site, folder, machine):
    """A removed node keeps its certificate until it ends."""
    refused(site, certificate(folder, machine))


def test_a_certificate_of_another_authority_is_refused(site, tmp_path):
    """Its names are the right ones."""
    refused(site, certificate(tmp_path / "other", MASTER, by="impostor"))


def test_a_certificate_that_has_ended_is_refused(site, folder):
    """Without a restart of the node."""
    year = 365 * 86_400
    refused(site, certificate(folder, MASTER, now_seconds=time.time() - 2 * year))


@pytest.mark.parametrize("node", ["west-1", "east-2"])
def test_an_answer_counts_only_from_the_node_that_was_asked(site, folder, node):
    """East answers at an address that the map gives to another node, with a valid certificate."""
    refused(site, certificate(folder, MASTER), node=node)


@pytest.mark.parametrize("machine", [MASTER, WORKER, MachineName(Role.MASTER, "east-1")], ids=str)
def test_an_impostor_with_another_role_at_a_nodes_address_gets_no_request(site, folder, machine):
    """Neither a signature nor the bytes of a photo."""

    async def main():
        received = []

        async def take(reader, writer):
            received.append(await reader.read(1))
            writer.close()

        own = certificate(folder, machine)
        address = site.node("east-1").write
        server = await asyncio.start_server(take, address.host, address.port, ssl=own.server)
        async with server, aiohttp.ClientSession() as session:
            client = NodeClient("east-1", address, session, site.keys, certificate(folder, MASTER))
            place = variant_of(version_of(5))
            with pytest.raises(Unreachable):
                await client.put(place, body(DATA), mtime_seconds=MTIME, bytes_total=len(DATA))
            with pytest.raises(Unreachable):
                await client.put_whole(place, b"", mtime_seconds=MTIME, digest="0" * 64)
            client.close()
        return b"".join(received)

    assert asyncio.run(main()) == b""


def test_a_renewed_certificate_is_used_without_a_restart(site, folder):
    """New connections see it; a damaged file changes nothing."""

    async def work(client):
        own = certificate(folder, MASTER)
        address = site.node("east-1").write

        async def serial():
            _, writer = await asyncio.open_connection(
                address.host, address.port, **own.options_for(NODE)
            )
            found = writer.get_extra_info("peercert")["serialNumber"]
            writer.close()
            return found

        first = await serial()
        path = save(folder, NODE)
        async with asyncio.timeout(20):
            while await serial() == first:  # noqa: ASYNC110  # a file sends no event
                await asyncio.sleep(0.1)
        second = await serial()
        path.write_text("damaged")
        await asyncio.sleep(1.2)
        assert await serial() == second
        assert (await client(own).status()).certificate_expiry_seconds > time.time()
        save(folder, NODE)

    run(site, work)


def test_a_removed_authority_is_trusted_no_longer_without_a_restart(site, tmp_path):
    """Machines trust both for a while; then connections by the old one end, and new ones fail."""
    node_folder = tmp_path / "tls"
    old = certificate(tmp_path / "old", MASTER)
    new = certificate(tmp_path / "new", MASTER, by="next")
    both = authority("tests").certificate_pem + authority("next").certificate_pem
    save(node_folder, NODE)
    (node_folder / "ca.pem").write_bytes(both)
    trusting_both = dataclasses.replace(
        site,
        cluster=dataclasses.replace(site.cluster, tls=Tls(internal=True, folder=str(node_folder))),
    )

    async def settles(expected, *clients):
        """Return once requests of these clients succeed or fail as expected."""
        async with asyncio.timeout(20):
            while True:
                found = []
                for each in clients:
                    try:
                        await each.status()
                        found.append(True)
                    except Unreachable:
                        found.append(False)
                if found == expected:
                    return
                await asyncio.sleep(0.1)

    async def work(client):
        by_old, by_new = client(old), client(new)
        new.client.load_verify_locations(cadata=both.decode())
        await settles([True, True], by_old, by_new)
        save(node_folder, NODE, by="next")
        (node_folder / "ca.pem").write_bytes(authority("next").certificate_pem)
        old.client.load_verify_locations(cadata=both.decode())
        await settles([False, True], by_old, by_new)

    run(trusting_both, work)


def test_a_client_uses_no_connection_of_a_removed_authority(site, tmp_path):
    """Neither for short requests nor for others."""
    folder = tmp_path / "master"
    own = certificate(folder, MASTER)

    async def work(client):
        east = client(own)
        place = variant_of(version_of(6))
        await east.put_whole(place, b"small", mtime_seconds=MTIME, digest=digest_of(b"small"))
        await east.status()
        save(folder, MASTER, by="next")
        (folder / "ca.pem").write_bytes(authority("next").certificate_pem)
        own.check()
        with pytest.raises(Unreachable):
            await east.status()
        with pytest.raises(Unreachable):
            await east.put_whole(place, b"small", mtime_seconds=MTIME, digest=digest_of(b"small"))

    run(site, work)


def test_only_tls_1_3_is_spoken(site, folder):
    """Older versions are refused."""

    async def work(client):
        own = certificate(folder, MASTER)
        own.client.minimum_version = own.client.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(Unreachable):
            await client(own).status()

    run(site, work)
