"""Faults of trust: impostors, replayed requests, certificates that are renewed or have ended."""

import asyncio
import contextlib
import logging
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp

from drill.cluster.drill_cluster import DrillCluster
from drill.faults.evidence import Evidence
from drill.faults.processes import Down
from glassplate.certificates.certificate_folder import (
    load_authority,
    renew_certificates,
    save_certificate,
)
from permission_urls import InternalSigner, Purpose, generate_key, load_keys, save_keys
from runtime.tasks_beside import run_beside
from runtime.tls.certificate import Certificate
from runtime.tls.machine_name import MachineName, Role
from storagenode.client import NodeClient
from storagenode.protocol import routes, wire
from storagenode.protocol.routes import EMPTY_DIGEST
from volumes.cluster import Cluster, Node, NodeId
from volumes.machines import own_certificate

log = logging.getLogger(__name__)

# Longer than a process takes to follow its files, also on a busy machine.
FOLLOWED_SECONDS_MAX = 20.0
# Edges render and reload, which takes longer than reading a file.
ROLLOUT_SECONDS = 6.0
ENDED_SECONDS = 400 * 86_400
NEW_KEY = "z9"
ROTATED = (Purpose.READ, Purpose.INTERNAL, Purpose.TOMBSTONE, Purpose.JOB)


@dataclass(frozen=True, slots=True)
class Impostor:
    """A node is down, and a process with the certificate of another machine is at its address."""

    name: str
    role: Role = Role.NODE
    id: str = "west-1"

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Accept connections until the block exits. None may bring a byte of a request."""
        received: list[bytes] = []
        greetings = 0

        def greet(*_: object) -> None:
            nonlocal greetings
            greetings += 1

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await reader.read(1))
            writer.close()

        own = own_certificate(drill_cluster.cluster, self.role, self.id)
        assert own is not None, "a drill runs with TLS"
        own.server.sni_callback = greet
        address = drill_cluster.cluster.nodes[NodeId(self.name)].write
        async with Down((self.name,)).injected(drill_cluster, evidence):
            server = await asyncio.start_server(take, address.host, address.port, ssl=own.server)
            async with server:
                yield
        evidence.add(greetings, f"{greetings} connections to {self.name} reached the impostor")
        evidence.add(not any(received), f"it got {len(b''.join(received))} bytes of requests")


@dataclass(frozen=True, slots=True)
class Replayed:
    """Signed requests to one node are repeated at every other node."""

    name: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Send a valid request of the node to all nodes. Only its receiver may serve it."""
        for node in drill_cluster.cluster.nodes.values():
            status = await _send_signed_for(self.name, node, drill_cluster)
            wanted = 200 if node.id == self.name else 403
            evidence.add(status == wanted, f"{node.id} responded {status} to it")
        yield


@dataclass(frozen=True, slots=True)
class CertificatesAndKeysRenewed:
    """All certificates, and the keys of URLs, requests, tombstones, and jobs, are replaced."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Renew the certificates, then rotate the keys as an operator does."""
        # As `proxy-config --watch` does.
        async with run_beside(drill_cluster.local.follow_edges(log.info)):
            await self._rotate(drill_cluster.cluster, evidence)
            yield

    async def _rotate(self, cluster: Cluster, evidence: Evidence) -> None:
        nodes = list(cluster.nodes.values())
        before = [await _serial(cluster, node) for node in nodes]
        renew_certificates(
            cluster, Path(cluster.tls.folder), now_seconds=time.time(), renews_all=True
        )
        for node, serial in zip(nodes, before, strict=True):
            changed = await _holds(partial(_has_other_serial, cluster, node, serial))
            evidence.add(changed, f"{node.id} shows a new certificate")
        await _rotate_keys(Path(cluster.keys_file))
        for node in nodes:
            accepted = await _holds(partial(_accepts_keys, cluster, node))
            evidence.add(accepted, f"{node.id} accepts requests by the new keys")


@dataclass(frozen=True, slots=True)
class CertificateEnds:
    """The certificate of a node ends, and is renewed after a while."""

    name: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Give the node a certificate of the past, and a new one after the block."""
        cluster = drill_cluster.cluster
        node, folder = cluster.nodes[NodeId(self.name)], Path(cluster.tls.folder)
        authority, machine = load_authority(folder), MachineName(Role.NODE, self.name)
        past = time.time() - ENDED_SECONDS
        save_certificate(folder, authority, machine, now_seconds=past)
        refused = await _holds(partial(_is_refused, cluster, node))
        evidence.add(refused, f"the certificate of {self.name} is refused")
        yield
        save_certificate(folder, authority, machine, now_seconds=time.time())


async def _holds(condition: Callable[[], Awaitable[bool]]) -> bool:
    deadline = time.monotonic() + FOLLOWED_SECONDS_MAX
    while not (found := await condition()) and time.monotonic() < deadline:  # noqa: ASYNC110  # files
        await asyncio.sleep(0.1)
    return found


def _own(cluster: Cluster) -> Certificate:
    own = own_certificate(cluster, Role.MASTER, next(iter(cluster.masters)))
    assert own is not None, "a drill runs with TLS"
    return own


async def _serial(cluster: Cluster, node: Node) -> str:
    options = _own(cluster).options_for(MachineName(Role.NODE, node.id))
    _, writer = await asyncio.open_connection(node.write.host, node.write.port, **options)
    serial = str(writer.get_extra_info("peercert")["serialNumber"])
    writer.close()
    return serial


async def _has_other_serial(cluster: Cluster, node: Node, serial: str) -> bool:
    with contextlib.suppress(OSError):
        return await _serial(cluster, node) != serial
    return False


async def _is_refused(cluster: Cluster, node: Node) -> bool:
    try:
        await _serial(cluster, node)
    except ssl.SSLCertVerificationError:
        return True
    except OSError:
        pass
    return False


async def _rotate_keys(path: Path) -> None:
    """Add a key for each purpose, sign with it once all processes verify it."""
    keys = load_keys(path)
    for purpose in ROTATED:
        ring = keys.ring(purpose)
        new = generate_key(NEW_KEY, os.urandom)
        keys = keys.with_ring(purpose, ring.with_accepted_key(new))
    save_keys(path, keys)
    await asyncio.sleep(ROLLOUT_SECONDS)
    for purpose in ROTATED:
        keys = keys.with_ring(purpose, keys.ring(purpose).with_signing_key(NEW_KEY))
    save_keys(path, keys)


async def _accepts_keys(cluster: Cluster, node: Node) -> bool:
    async with aiohttp.ClientSession() as session:
        keys = load_keys(Path(cluster.keys_file))
        client = NodeClient(node.id, node.write, session, keys, _own(cluster))
        try:
            return (await client.status()).node == node.id
        except Exception:  # noqa: BLE001  # it is refused, whatever the reason
            return False
        finally:
            client.close()


async def _send_signed_for(receiver: str, node: Node, drill_cluster: DrillCluster) -> int:
    target = routes.STATUS.target()
    signature = InternalSigner(drill_cluster.local.keys).sign_request(
        receiver=receiver,
        method=target.method,
        path=target.path,
        digest=EMPTY_DIGEST,
        expiry_seconds=int(time.time()) + 60,
    )
    tls = _own(drill_cluster.cluster).options_for(MachineName(Role.NODE, node.id))
    url = f"https://{node.write}{target.path}"
    headers = {wire.SIGNATURE_HEADER: signature}
    async with (
        aiohttp.ClientSession() as session,
        session.request(target.method, url, headers=headers, **tls) as response,
    ):
        return response.status
