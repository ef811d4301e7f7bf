"""Checks of the processes of a cluster over the network."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from glassplate.doctor.agreement import (
    check_agreed,
    check_fsyncs,
    check_limits,
    check_status,
    check_version,
    parse_samples,
)
from glassplate.doctor.finding import Finding, fail, ok, unknown, warn
from glassplate.doctor.key_rollout import RESPONSE_SECONDS, UNREACHABLE, read_agreed
from glassplate.session.new_tokens import sign_new_token
from permission_urls import KeySource
from runtime.tls.certificate import CertificateRefused
from runtime.tls.machine_name import MachineName, Role
from storagenode.client import NodeClient
from storagenode.protocol.agreement import agreed_headers, parse_agreed
from storagenode.protocol.errors import InvalidSignature, NodeError
from volumes.address import Address
from volumes.cluster import Cluster, Master, Node
from volumes.machines import MEMCACHED, PROMETHEUS, own_certificate
from volumes.map_digest import map_digest

TOKEN_LIFETIME = timedelta(minutes=10)


class ProcessChecks:
    """Checks of all processes that the config names."""

    def __init__(self, cluster: Cluster, keys: KeySource, session: aiohttp.ClientSession) -> None:
        self._cluster = cluster
        self._keys = keys
        self._session = session
        self._version = version("glassplate")
        self._agreed = parse_agreed(agreed_headers(map_digest(cluster), keys, cluster.tls))

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield the findings about storagemasters, nodes, edges, queue, caches, and ports."""
        statuses = []
        for master in self._cluster.masters.values():
            status, found = await self._master(master)
            statuses += [status] if status else []
            for finding in found:
                yield finding
        if statuses:
            for finding in check_status(statuses[0]):
                yield finding
        for found in await asyncio.gather(
            self._capabilities(),
            *(self._node(node) for node in self._cluster.nodes.values()),
            *(self._edge(id_) for id_ in self._cluster.edges),
            *(self._ingest(id_) for id_ in self._cluster.ingests),
            asyncio.to_thread(lambda: list(check_queue(self._cluster))),
            self._memcached(),
        ):
            for finding in found:
                yield finding
        for finding in check_addresses(self._cluster):
            yield finding

    async def _get(
        self, address: Address, path: str, *, token: str = "", **tls: Any
    ) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=RESPONSE_SECONDS)
        url = f"{'https' if tls else 'http'}://{address}{path}"
        async with self._session.get(
            url, headers=headers, timeout=timeout, allow_redirects=False, **tls
        ) as response:
            return response.status, await response.text()

    async def _master(self, master: Master) -> tuple[dict[str, Any] | None, list[Finding]]:
        what = f"storagemaster {master.id} responds, with these keys"
        id_ = f"master/{master.id}"
        token = sign_new_token(self._keys, ["status"], expires=TOKEN_LIFETIME)
        try:
            code, _ = await self._get(master.address, "/status", token=token)
            if code == 401:
                do = "give it the key file of this machine; see docs/keys.md"
                return None, [fail(id_, what, "it refuses a token signed with these keys", do)]
            timeout = aiohttp.ClientTimeout(total=RESPONSE_SECONDS)
            headers = {"Authorization": f"Bearer {token}"}
            url = f"http://{master.address}/status"
            async with self._session.get(url, headers=headers, timeout=timeout) as response:
                status: dict[str, Any] = await response.json()
            _, metrics = await self._get(master.address, "/metrics", token=token)
        except UNREACHABLE as error:
            do = f"start it: python -m storagemaster --master {master.id}"
            return None, [fail(id_, what, _reason(error), do)]
        samples = parse_samples(metrics)
        return status, [
            ok(id_, what),
            *check_version(master.id, samples, version=self._version),
            *await self._check_agreed(master.id, master.address),
            *check_limits(master.id, samples),
        ]

    async def _capabilities(self) -> list[Finding]:
        what, found = "all storagemasters offer the same sizes, formats, limits, and keys", {}
        for master in self._cluster.masters.values():
            try:
                found[master.id] = (await self._get(master.address, "/capabilities"))[1]
            except UNREACHABLE:
                continue  # another check reports it
        if len(set(found.values())) <= 1:
            return [ok("capabilities", what)]
        do = "give all the same cluster.toml and keys, then restart them"
        return [fail("capabilities", what, f"they differ: {', '.join(found)}", do)]

    async def _node(self, node: Node) -> list[Finding]:
        id_, what = f"protocol/{node.id}", f"node {node.id} accepts requests signed with these keys"
        try:
            certificate = own_certificate(self._cluster, Role.MONITOR, PROMETHEUS.id)
        except CertificateRefused as error:
            do = "run this on the machine of Prometheus, or copy that certificate here"
            return [unknown(id_, what, str(error), do)]
        client = NodeClient(node.id, node.write, self._session, self._keys, certificate)
        tls = certificate.options_for(MachineName(Role.NODE, node.id)) if certificate else {}
        try:
            await client.scrub()
            _, metrics = await self._get(node.write, "/metrics", **tls)
        except InvalidSignature:
            do = "give it the key file of this machine, and check that its address is right"
            return [fail(id_, what, "it refuses them", do)]
        except (NodeError, *UNREACHABLE) as error:
            do = f"start it: python -m storagenode --node {node.id}"
            return [fail(id_, what, _reason(error), do)]
        finally:
            client.close()
        samples = parse_samples(metrics)
        return [
            ok(id_, what),
            *check_version(node.id, samples, version=self._version),
            *await self._check_agreed(node.id, node.read),
            *check_limits(node.id, samples),
            *check_fsyncs(node.id, samples),
        ]

    async def _edge(self, id_: str) -> list[Finding]:
        return await self._check_agreed(id_, self._cluster.edges[id_].purge, is_edge=True)

    async def _check_agreed(
        self, process: str, port: Address, *, is_edge: bool = False
    ) -> list[Finding]:
        try:
            found = await read_agreed(self._session, port)
        except UNREACHABLE as error:
            what, do = f"port {port} of {process} responds", "start it, and allow this machine"
            return [fail(f"health/{process}", what, _reason(error), do)]
        return list(check_agreed(process, found, self._agreed, is_edge=is_edge))

    async def _ingest(self, id_: str) -> list[Finding]:
        what, found = f"ingest {id_} refuses /metrics and /internal", []
        for path in ("/metrics", "/internal/bundles"):
            try:
                code, _ = await self._get(self._cluster.ingests[id_].listen, path)
            except UNREACHABLE as error:
                return [fail(f"ingest/{id_}", f"ingest {id_} responds", _reason(error), "start it")]
            found += [path] if code != 403 else []
        if not found:
            return [ok(f"ingest/{id_}", what)]
        do = "run glassplate proxy-config ingest again"
        return [fail(f"ingest/{id_}", what, f"it answers {' and '.join(found)}", do)]

    async def _memcached(self) -> list[Finding]:
        findings = []
        for address in self._cluster.memcached:
            what = f"memcached at {address} accepts connections"
            try:
                certificate = own_certificate(self._cluster, Role.MONITOR, PROMETHEUS.id)
                tls = certificate.options_for(MEMCACHED) if certificate else {}
                opening = asyncio.open_connection(address.host, address.port, **tls)
                _, writer = await asyncio.wait_for(opening, RESPONSE_SECONDS)
                writer.close()
                findings.append(ok(f"memcached/{address}", what))
            except (OSError, TimeoutError) as error:
                do = "start it; lookups of many photos are slower without it"
                findings.append(warn(f"memcached/{address}", what, _reason(error), do))
        return findings


def check_queue(cluster: Cluster) -> Iterator[Finding]:
    """Yield whether the queue server is reachable, keeps all jobs, and needs a password."""
    from redis import RedisError

    from storagemaster.queue_client import queue_client, queue_server

    what = "the queue server keeps every job (noeviction)"
    try:
        timeouts = {"socket_timeout": RESPONSE_SECONDS, "socket_connect_timeout": RESPONSE_SECONDS}
        server = queue_server(cluster, PROMETHEUS.role, PROMETHEUS.id)
        with queue_client(server, **timeouts) as connection:
            connection.ping()
            policy = connection.config_get("maxmemory-policy").get("maxmemory-policy", "unknown")
    except RedisError as error:
        do = "start Valkey, and check queue_url, its password, and the certificates"
        yield fail("queue", what, str(error), do)
        return
    if policy == "noeviction":
        yield ok("queue", what)
    else:
        do = "set maxmemory-policy noeviction in its config"
        yield fail("queue", what, f"its policy is {policy}", do)
    host, what = urlsplit(cluster.queue_url).hostname or "", "the queue server needs a password"
    has_password = urlsplit(cluster.queue_url).password or cluster.queue_password_file
    if has_password or _is_loopback(host):
        yield ok("queue-password", what, "it is on this machine" if _is_loopback(host) else "")
    else:
        do = "set requirepass, and put the password into queue_password_file"
        yield fail("queue-password", what, f"the config has none for {host}", do)


def check_addresses(cluster: Cluster) -> Iterator[Finding]:
    """Yield the internal ports whose addresses are public."""
    internal = {
        **{f"write port of {n.id}": n.write.host for n in cluster.nodes.values()},
        **{f"purge port of {e.id}": e.purge.host for e in cluster.edges.values()},
        **{f"port of {m.id}": m.address.host for m in cluster.masters.values()},
        "port of the queue server": urlsplit(cluster.queue_url).hostname or "",
    }
    what = "no internal port has a public address"
    public = [name for name, host in internal.items() if _is_public(host)]
    if public:
        do = "use private addresses, and let a firewall refuse these ports from outside"
        yield fail("public-ports", what, ", ".join(public), do)
    else:
        yield ok("public-ports", what)


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
