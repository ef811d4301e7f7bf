"""The queue server needs a password, and TLS with a certificate of the cluster where it has it."""

import asyncio
import contextlib
import dataclasses
import subprocess
import time
from pathlib import Path

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from glassplate.local.shared_servers import create_password, valkey_command
from runtime.tls.certificate import Certificate
from runtime.tls.certificate_files import CertificateFiles
from runtime.tls.machine_name import Role
from storagemaster.operations.certificates import Certificates
from storagemaster.operations.server_certificates import ServerCertificates
from storagemaster.queue_client import (
    QueueServer,
    async_queue_client,
    queue_client,
    queue_server,
)
from tests.certificates import MASTER, NODE, save
from tests.free_ports import free_port
from tests.storagemaster.small_cluster import HOST, node_cluster
from volumes.address import Address
from volumes.cluster import Tls
from volumes.machines import VALKEY, own_certificate

START_SECONDS_MAX = 30.0
REFUSED = (redis.ConnectionError, redis.AuthenticationError)


def is_up(server):
    """Return True if the queue server responds."""
    with queue_client(server) as client:
        return client.ping()


@contextlib.contextmanager
def running(command, server):
    """Run a queue server, and return once it responds to a client that it knows."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            while True:
                with contextlib.suppress(redis.ConnectionError):
                    if is_up(server):
                        break
                assert time.monotonic() < deadline, "the queue server did not start"
                time.sleep(0.02)
            yield
        finally:
            process.kill()


@pytest.fixture(name="local", scope="module")
def _local(roots, tmp_path_factory):
    """Return a config whose queue server runs as in a local cluster."""
    folder = tmp_path_factory.mktemp("queue")
    password, address = folder / "queue-password", Address(HOST, free_port())
    create_password(password)
    config = dataclasses.replace(
        node_cluster(roots),
        queue_url=f"redis://{address}/0",
        queue_password_file=str(password),
    )
    command = valkey_command(config, address, folder / "valkey")
    with running(command, queue_server(config, Role.MASTER, "m1")):
        yield config


def test_a_client_without_the_password_is_refused(local):
    """Neither jobs nor settings can be read."""
    assert is_up(queue_server(local, Role.MASTER, "m1"))
    for url in (local.queue_url, f"redis://:wrong@{local.queue_url.removeprefix('redis://')}"):
        with pytest.raises(redis.AuthenticationError):
            is_up(QueueServer(url))


def test_the_password_is_in_no_command_line(local, tmp_path):
    """Other users of the machine see command lines, and cannot read the files."""
    folder = tmp_path / "valkey"
    command = valkey_command(local, Address(HOST, 1), folder)
    password = Path(local.queue_password_file).read_text()
    assert not any(password in part for part in command)
    assert password in (folder / "valkey.conf").read_text()
    assert (folder / "valkey.conf").stat().st_mode & 0o077 == 0


def test_a_password_file_that_cannot_be_used_is_refused_with_the_reason(local, tmp_path):
    """The queue counts as unreachable, as with a wrong password."""
    path = tmp_path / "queue-password"
    config = dataclasses.replace(local, queue_password_file=str(path))
    with pytest.raises(redis.AuthenticationError, match="cannot read queue_password_file"):
        is_up(queue_server(config, Role.MASTER, "m1"))
    create_password(path)
    path.chmod(0o644)
    with pytest.raises(redis.AuthenticationError, match="all users can read"):
        is_up(queue_server(config, Role.MASTER, "m1"))


def test_a_changed_password_is_used_without_a_restart(local, tmp_path):
    """By the next connection of a running client."""
    path = tmp_path / "queue-password"
    old = Path(local.queue_password_file).read_text()
    create_password(path)
    config = dataclasses.replace(local, queue_password_file=str(path))
    with (
        queue_client(queue_server(local, Role.MASTER, "m1")) as admin,
        queue_client(queue_server(config, Role.WORKER, "east")) as client,
    ):
        with pytest.raises(redis.AuthenticationError):
            client.ping()
        admin.config_set("requirepass", path.read_text())
        try:
            assert client.ping()
        finally:
            client.config_set("requirepass", old)


@pytest.fixture(name="encrypted", scope="module")
def _encrypted(roots, tmp_path_factory):
    """Return a config whose queue server speaks TLS only."""
    folder = tmp_path_factory.mktemp("encrypted")
    tls, password, port = folder / "tls", folder / "queue-password", free_port()
    create_password(password)
    for machine in (MASTER, NODE):
        save(tls, machine)
    own, authority = save(tls, VALKEY, hosts=(HOST,)), tls / "ca.pem"
    config = dataclasses.replace(
        node_cluster(roots),
        queue_url=f"rediss://{HOST}:{port}/0",
        queue_password_file=str(password),
        tls=Tls(internal=True, folder=str(tls)),
    )
    command = [
        *("redis-server", "--bind", HOST, "--port", "0", "--tls-port", str(port), "--save", ""),
        *("--tls-cert-file", own, "--tls-key-file", own, "--tls-ca-cert-file", authority),
        *("--tls-auth-clients", "yes", "--requirepass", password.read_text()),
    ]
    with running(command, queue_server(config, MASTER.role, MASTER.id)):
        yield config


async def test_machines_of_the_cluster_use_the_queue_over_tls(encrypted):
    """Jobs, results, and the events between storagemasters."""
    server = queue_server(encrypted, MASTER.role, MASTER.id)
    async with async_queue_client(server) as relay:
        assert await relay.ping()
    with queue_client(server) as connection:
        queue = Queue("sums", connection=connection, serializer=JSONSerializer)
        job = queue.enqueue("operator.add", 2, 3)
        SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=True)
        assert job.return_value(refresh=True) == 5


async def test_the_status_has_the_end_of_its_certificate(encrypted):
    """As for the machines, so that its alert comes weeks ahead."""
    own = own_certificate(encrypted, MASTER.role, MASTER.id)
    certificates = Certificates(encrypted, MASTER.id, own)
    await ServerCertificates(encrypted, certificates).look()
    states = certificates.document({}, now_seconds=time.time())["certificates"]
    assert {"role": "queue", "id": "valkey", "days_left": 364} in states


def test_a_client_without_a_certificate_of_the_cluster_is_refused(encrypted, tmp_path):
    """Although it knows the password: in clear text, with none, and with one of another cluster."""
    server = queue_server(encrypted, MASTER.role, MASTER.id)
    assert is_up(server)
    login = {"credential_provider": server.options["credential_provider"]}
    authority = {"ssl_ca_certs": server.options["ssl_ca_certs"]}
    foreign = str(save(tmp_path / "other", MASTER, by="impostor"))
    for url, options in (
        (server.url.replace("rediss", "redis"), login),
        (server.url, login | authority),
        (server.url, login | authority | {"ssl_certfile": foreign, "ssl_keyfile": foreign}),
    ):
        with pytest.raises(REFUSED):
            is_up(QueueServer(url, options))


async def test_an_impostor_at_the_address_of_the_queue_server_gets_no_password(encrypted):
    """Its certificate is of the cluster, and names another host."""
    received = []

    async def take(reader, writer):
        received.append(await reader.read(1))
        writer.close()

    own = Certificate(CertificateFiles(Path(encrypted.tls.folder), NODE))
    server = await asyncio.start_server(take, HOST, port := free_port(), ssl=own.server)
    config = dataclasses.replace(encrypted, queue_url=f"rediss://{HOST}:{port}/0")
    async with server, async_queue_client(queue_server(config, MASTER.role, MASTER.id)) as client:
        with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
            await client.ping()
    assert b"".join(received) == b""
