"""One cluster for all tests of the console, and an address that leads to a living storagemaster."""

import asyncio
import contextlib
import itertools
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from glassplate.local.control import send_control_request
from glassplate.session.new_tokens import new_token
from permission_urls import Scope, SessionSigner, load_keys
from storagemaster.console.session import COOKIE
from tests.console.visits import Visitor
from tests.free_ports import free_port
from tests.journey.running_cluster import RunningCluster, start_cluster, stop_cluster


@dataclass
class ConsoleCluster(RunningCluster):
    """A running cluster with the samples, and sessions of its console."""

    def cookie(self, scopes, address, *, began_seconds=None):
        """Return the cookie of a session that began at a second, as Playwright takes it."""
        token = new_token([str(each) for each in (scopes or Scope)])
        keys = load_keys(self.data / "keys.toml")
        signer = SessionSigner(keys, now_seconds=lambda: began_seconds or time.time())
        value = signer.sign_session(token, "secret of the page")
        host = urlsplit(address).hostname
        return {"name": COOKIE, "value": value, "domain": host, "path": "/", "expires": -1,
                "httpOnly": True, "secure": False, "sameSite": "Strict"}  # fmt: skip

    @contextlib.contextmanager
    def stopped(self, *names):
        """Stop processes, as `glassplate node` does, and start them at the end."""
        for name in names:
            self._control("stop", name)
        try:
            yield
        finally:
            for name in names:
                self._control("start", name)

    def _control(self, do, name):
        answer = send_control_request(self.data / "run", {"do": do, "process": name})
        assert "error" not in answer, answer

    def make_photo(self, data):
        """Store a photo, and wait for its sizes; return its reference."""
        with self.client() as client:
            receipt = client.put(data)
            client.wait_until_ready(receipt.reference, timeout_seconds=60)
            return receipt.reference


@pytest.fixture(name="cluster", scope="session")
def _cluster(tmp_path_factory):
    running = start_cluster(tmp_path_factory.mktemp("console") / "data", samples=True)
    yield ConsoleCluster(running.data, running.process)
    stop_cluster(running)


@pytest.fixture(name="address", scope="session")
def _address(cluster):
    """Return an address that forwards to the first storagemaster that accepts a connection."""
    masters = list(cluster.config.masters.values())
    port = free_port()
    with forwarding(port, [(m.address.host, m.address.port) for m in masters]):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(name="console", scope="session")
def _console(chromium, cluster, address):
    return Visitor(chromium, cluster, address)


@pytest.fixture(name="seeds", scope="session")
def _seeds():
    return itertools.count(1)


@contextlib.contextmanager
def forwarding(port, targets):
    """Forward connections to the first of several servers that accepts one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def copy(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader, writer):
        for host, target in targets:
            with contextlib.suppress(OSError):
                other_reader, other_writer = await asyncio.open_connection(host, target)
                await asyncio.gather(copy(reader, other_writer), copy(other_reader, writer))
                return
        writer.close()

    listening = asyncio.start_server(serve, "127.0.0.1", port)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result(10)
    yield
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
