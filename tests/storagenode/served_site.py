"""Two nodes of one cluster, served on free ports in a thread, and requests to them."""

import asyncio
import contextlib
import http.client
import random
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from permission_urls import InternalSigner, Keys, ReadSigner, generate_keys, save_keys
from runtime.tls.machine_name import Role
from storagenode.app import running_node
from storagenode.client import NodeClient
from storagenode.opening import mark_store
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from storagenode.store import Store
from tests.free_ports import free_ports
from tests.storagenode.photo_samples import MTIME, VOLUME
from volumes.cluster import Cluster, Node, NodeId
from volumes.config.cluster_file import load_cluster
from volumes.machines import own_certificate
from volumes.photo_path import Variant, render_path
from volumes.sizes import size_classes

T = TypeVar("T")

NODES = (("east-1", "east"), ("west-1", "west"))
ANSWER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Site:
    """The config, keys, and marked roots of a cluster that is not running."""

    config: Path
    cluster: Cluster
    keys: Keys

    def node(self, id_: str) -> Node:
        """Return one of the nodes."""
        return self.cluster.nodes[NodeId(id_)]


def make_site(folder: Path, *, west_store: str = '"west-1"', syncfs: str = "never") -> Site:
    """Write config and keys to a folder, and mark the roots there or at the given west root."""
    sync = f'\nsyncfs = "{syncfs}"'
    stores = {"east-1": f'"east-1"{sync}', "west-1": west_store}
    ports = iter(free_ports(2 * len(NODES) + 1))
    tables = [
        f'[nodes.{id_}]\ncolo = "{colo}"\nstore = {stores[id_]}\n'
        f'read = "127.0.0.1:{next(ports)}"\nwrite = "127.0.0.1:{next(ports)}"\n'
        for id_, colo in NODES
    ]
    config = folder / "cluster.toml"
    config.write_text(
        'public_url = "http://photos.example"\nkeys_file = "keys.toml"\nqueue_url = "redis://q"\n'
        + "".join(tables)
        + f'[[volumes]]\nnumbers = "{VOLUME}"\nmirrors = ["east-1", "west-1"]\n'
        + f'[masters.m1]\ncolo = "east"\naddress = "127.0.0.1:{next(ports)}"\n'
    )
    keys = generate_keys(random.Random(1).randbytes)
    save_keys(folder / "keys.toml", keys)
    cluster = load_cluster(config)
    for node in cluster.nodes.values():
        mark_store(node)
    return Site(config, cluster, keys)


class LoopThread:
    """An event loop in a thread, for tests that are not coroutines."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(ANSWER_SECONDS)

    def close(self) -> None:
        """Stop the loop and wait for the thread to end."""
        self.run(self.loop.shutdown_asyncgens())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """A response of the read port."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ServedNode:
    """One running node, with clients of both ports."""

    node: Node
    store: Store
    client: NodeClient
    site: Site
    thread: LoopThread

    @property
    def root(self) -> Path:
        """The directory of its files."""
        return Path(self.node.store)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of a client's call."""
        return self.thread.run(work)

    def put(self, place: Place, data: bytes, *, mtime_seconds: int = MTIME) -> Published:
        """Upload a file in one call."""
        return self.run(
            self.client.put(
                place, chunked(data), mtime_seconds=mtime_seconds, bytes_total=len(data)
            )
        )

    def url(self, variant: Variant, *, expiry_seconds: int = 0) -> str:
        """Return the permission URL of a variant."""
        classes = size_classes(self.site.cluster.sizes)
        return ReadSigner(self.site.keys).url(
            render_path(variant),
            size_class=classes[variant.size],
            expiry_seconds=expiry_seconds,
        )

    def read(
        self, target: str, headers: Mapping[str, str] | None = None, *, method: str = "GET"
    ) -> ReadResponse:
        """Return the response of the read port."""
        address = self.node.read
        connection = http.client.HTTPConnection(address.host, address.port, timeout=ANSWER_SECONDS)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return ReadResponse(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def send_raw(self, data: bytes, *, to_write_port: bool = True) -> bytes:
        """Send raw bytes; return everything received until the node disconnects."""
        address = self.node.write if to_write_port else self.node.read
        with socket.create_connection((address.host, address.port), timeout=ANSWER_SECONDS) as raw:
            received = b""
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                raw.sendall(data)
                while chunk := raw.recv(65536):
                    received += chunk
            return received

    def sign(self, method: str, path: str, digest: str, *, expiry_seconds: int) -> str:
        """Sign a request as another machine of the cluster does."""
        return InternalSigner(self.site.keys).sign_request(
            receiver=self.node.id,
            method=method,
            path=path,
            digest=digest,
            expiry_seconds=expiry_seconds,
        )

    def staged(self) -> list[str]:
        """Return the names in staging."""
        return [entry.name for entry in (self.root / ".staging").iterdir()]


@contextlib.contextmanager
def serving(site: Site, ids: Iterable[str]) -> Iterator[dict[str, ServedNode]]:
    """Run the nodes until the block exits, after the first scrub of each."""
    thread = LoopThread()
    stack = contextlib.AsyncExitStack()

    async def start(id_: str) -> ServedNode:
        node = site.node(id_)
        store = await stack.enter_async_context(running_node(site.cluster, node, site.keys))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        own = own_certificate(site.cluster, Role.MASTER, next(iter(site.cluster.masters), ""))
        client = NodeClient(node.id, node.write, session, site.keys, own)
        stack.callback(client.close)
        while store.is_local and not (await client.scrub())["completed_seconds"]:  # noqa: ASYNC110  # it is far away
            await asyncio.sleep(0.01)
        await lift_fences(client)
        return ServedNode(node, store, client, site, thread)

    try:
        yield {id_: thread.run(start(id_)) for id_ in ids}
    finally:
        thread.run(stack.aclose())
        thread.close()


async def lift_fences(client: NodeClient) -> None:
    """Lift all fences, as a storagemaster does for a node that missed nothing."""
    status = await client.status()
    await client.lift_fences(status.fence_serial, status.fenced)


async def chunked(data: bytes, *, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    """Yield a body in chunks."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
