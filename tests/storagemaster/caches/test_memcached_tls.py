"""With TLS, a memcached answers only machines of the cluster, and they trust no other server."""

import asyncio
import contextlib
import dataclasses
import shutil
import socket
import ssl
import time

import pytest

from glassplate.local.shared_servers import memcached_command
from runtime.tls.machine_name import MachineName, Role
from storagemaster.caches import memcached
from storagemaster.caches.memcached import MemcachedServer
from storagemaster.operations.certificates import Certificates, certificate_alerts
from storagemaster.operations.server_certificates import ServerCertificates
from tests.certificates import MASTER, NODE, certificate, save
from tests.free_ports import free_port
from tests.storagemaster.memcached_servers import running_memcached
from tests.storagemaster.small_cluster import HOST, node_cluster
from volumes.address import Address
from volumes.cluster import Tls
from volumes.machines import MEMCACHED


@pytest.fixture(name="patience", autouse=True)
def _patience(monkeypatch):
    """Return a long timeout, because a busy machine is slow."""
    monkeypatch.setattr(memcached, "RESPONSE_SECONDS", 10.0)


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    """Return the certificates of the cluster."""
    folder = tmp_path_factory.mktemp("memcached") / "tls"
    for machine in (MASTER, MEMCACHED):
        save(folder, machine)
    return folder


@pytest.fixture(name="address", scope="module")
def _address(roots, folder):
    """Run the memcached of a local cluster, and yield its address."""
    config = dataclasses.replace(node_cluster(roots), tls=Tls(internal=True, folder=str(folder)))
    address = Address(HOST, free_port())
    command = memcached_command(config, address, shutil.which("memcached"))
    with running_memcached(address.port, command):
        yield address


async def found(address, own):
    """Write a value with the certificate of the master, and return it as another client has it."""
    with contextlib.closing(MemcachedServer(address, own)) as server:
        await server.replace(["key"], b"value", ttl_seconds=60)
        return {key: value.data for key, value in (await server.get(["key"])).items()}


async def test_a_machine_of_the_cluster_stores_and_reads(address, folder):
    """Requests share a connection."""
    assert await found(address, certificate(folder, MASTER)) == {"key": b"value"}


async def test_a_client_without_a_certificate_of_the_cluster_is_refused(address, folder, tmp_path):
    """In clear text, and with a certificate of another authority."""
    assert await found(address, certificate(folder, MASTER)) == {"key": b"value"}
    assert await found(address, None) == {}
    foreign = certificate(tmp_path / "other", MASTER, by="impostor")
    foreign.client.load_verify_locations(folder / "ca.pem")
    assert await found(address, foreign) == {}


@pytest.mark.parametrize("days", [9, -1])
async def test_the_end_of_its_certificate_is_an_alert(roots, tmp_path, days):
    """Weeks before, and after it; the alert says that memcached has to be restarted."""
    folder, address = tmp_path / "tls", Address(HOST, free_port())
    own = certificate(folder, MASTER)
    now = time.time() - (400 * 86_400 if days < 0 else 0)
    save(folder, MEMCACHED, **({"now_seconds": now} if days < 0 else {"days": 10}))
    config = dataclasses.replace(
        node_cluster(roots), tls=Tls(internal=True, folder=str(folder)), memcached=(address,)
    )
    certificates = Certificates(config, "m1", own)
    servers = ServerCertificates(config, certificates)
    await servers.look()
    assert {each["id"] for each in document(certificates)} == {"m1"}
    command = memcached_command(config, address, shutil.which("memcached"))
    with running_memcached(address.port, command):
        await servers.look()
    (state,) = [each for each in document(certificates) if each["role"] == Role.CACHE]
    assert state == {"role": "cache", "id": "memcached", "days_left": days}
    (alert,) = certificate_alerts([state])
    assert alert.startswith("the certificate of cache memcached ")
    assert ("has ended" in alert) == (days < 0)
    assert alert.endswith("copy it to its machine; then restart memcached")


def document(certificates):
    """Return the states of all certificates that were seen."""
    return certificates.document({}, now_seconds=time.time())["certificates"]


def test_a_client_with_tls_and_no_certificate_gets_no_response(address, folder):
    """TLS 1.3 refuses it after the handshake."""
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.check_hostname = False
    with socket.create_connection((address.host, address.port), 10) as plain:
        try:
            with context.wrap_socket(plain) as client:
                client.sendall(b"version\r\n")
                answer = client.recv(100)
        except (ssl.SSLError, ConnectionError) as error:
            answer = str(error).encode()
    assert b"VERSION" not in answer


@pytest.mark.parametrize("machine", [NODE, MachineName(Role.CACHE, "other")], ids=str)
async def test_an_impostor_at_the_address_of_memcached_gets_no_request(folder, machine):
    """Its certificate is of the cluster, and names another machine."""
    received = []

    async def take(reader, writer):
        received.append(await reader.read(1))
        writer.close()

    own = certificate(folder, machine)
    server = await asyncio.start_server(take, HOST, port := free_port(), ssl=own.server)
    async with server:
        assert await found(Address(HOST, port), certificate(folder, MASTER)) == {}
    assert b"".join(received) == b""
