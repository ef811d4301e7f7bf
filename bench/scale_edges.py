"""Edges against the size of the map: seconds to render, check, start, and reload, and memory.

Each edge starts with one map and is reloaded with another, in which most volumes have other
mirrors. Then it gets one request for a photo of each volume. The bench fails if one of them did not
come from the volume's mirror in the edge's colo. Real servers answer for the nodes. At 1x the map
has a tenth of the nodes and of the volumes.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

from bench.servers import free_address, running
from bench.wide_cluster import COLOS, wide_cluster
from glassplate.edges.rendered_edge import (
    RenderedEdge,
    rendered_nginx,
    rendered_varnish,
    write_edge,
)
from glassplate.local.edges import nginx_settings, varnish_settings
from permission_urls import Key, KeyRing, KeyState, ReadSigner
from volumes.cluster import Cluster, Edge
from volumes.photo_path import VolumeId

TIMES = 10
CONNECTIONS = 16
ATTEMPTS_MAX = 2_000
# Until no worker with the old map accepts connections.
SETTLE_SECONDS = 1
KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(1, 33)), state=KeyState.SIGNING),))
_SIGNER = ReadSigner(KEYS)
_photo_numbers = count()


def main() -> int:
    """Measure both edges at 1x and 10x, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale_edges", description=__doc__)
    parser.add_argument("--nodes", type=int, default=100, help="nodes at 10x")
    parser.add_argument("--volumes", type=int, default=50_000, help="volumes at 10x")
    choices = parser.parse_args()
    print(f"{'':<34}{'render':>9}{'check':>9}{'start':>9}{'reload':>9}{'MiB':>7}{'misrouted':>11}")
    misrouted = 0
    for kind in ("nginx", "varnish"):
        for divisor in (TIMES, 1):
            nodes, volumes = choices.nodes // divisor, choices.volumes // divisor
            misrouted += asyncio.run(_measure(kind, nodes, volumes))
    return 1 if misrouted else 0


async def _measure(kind: str, nodes: int, volumes: int) -> int:
    """Print the figures of one edge, and return the number of misrouted requests."""
    edge = Edge(id=kind, colo=COLOS[0], kind=kind, listen=free_address(), purge=free_address())
    with tempfile.TemporaryDirectory(prefix="glassplate-scale-") as name:
        folder = Path(name)
        async with _nodes(nodes) as ports:
            before, after = (
                wide_cluster(nodes=nodes, volumes=volumes, ports=ports, edges=[edge], seed=seed)
                for seed in (1, 2)
            )
            render_seconds, rendered = _timed(lambda: _render(before, edge, folder))
            check_seconds, _ = _timed(lambda: write_edge(rendered, folder / "config", check=True))
            started = time.monotonic()
            argv = rendered.command(str(folder / "config"))
            async with running(argv, edge.listen, log=folder / "log"):
                start_seconds = time.monotonic() - started
                reload_seconds = await _reload(after, edge, folder)
                misrouted = await _request_all(after, edge)
                mebibytes = _memory_bytes(os.getpid()) / 2**20
    seconds = (render_seconds, check_seconds, start_seconds, reload_seconds)
    print(
        f"{f'{kind}, {nodes} nodes, {volumes:,} volumes':<34}"
        + "".join(f"{each:>7.2f} s" for each in seconds)
        + f"{mebibytes:>7.0f}{misrouted:>11,}"
    )
    return misrouted


def _render(cluster: Cluster, edge: Edge, folder: Path) -> RenderedEdge:
    cache, run = folder / "cache", folder / "run"
    for path in (cache, run):
        path.mkdir(exist_ok=True)
    if edge.kind == "nginx":
        return rendered_nginx(cluster, nginx_settings(edge.id, cache=cache, run=run), KEYS)
    return rendered_varnish(cluster, varnish_settings(edge.id, run=run), KEYS)


async def _reload(cluster: Cluster, edge: Edge, folder: Path) -> float:
    """Return the seconds to render and write another map, and until the edge uses it."""
    started = time.monotonic()
    rendered = _render(cluster, edge, folder)
    write_edge(rendered, folder / "config")
    await asyncio.to_thread(rendered.reload, str(folder / "config"))
    for _ in range(ATTEMPTS_MAX):
        # A worker with the old map that ends closes its idle connections.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            if not await _misrouted(cluster, edge, [VolumeId(n) for n in range(1, 11)]):
                reload_seconds = time.monotonic() - started
                await asyncio.sleep(SETTLE_SECONDS)
                return reload_seconds
        await asyncio.sleep(0.02)
    raise SystemExit(f"{edge.id} still uses the old map")


async def _request_all(cluster: Cluster, edge: Edge) -> int:
    """Return how many volumes were not requested from their mirror in the edge's colo."""
    volumes = sorted(cluster.volumes)
    parts = (_misrouted(cluster, edge, volumes[at::CONNECTIONS]) for at in range(CONNECTIONS))
    return sum(await asyncio.gather(*parts))


async def _misrouted(cluster: Cluster, edge: Edge, volumes: list[VolumeId]) -> int:
    reader, writer = await asyncio.open_connection(edge.listen.host, edge.listen.port)
    misrouted = 0
    for volume in volumes:
        digits = f"{next(_photo_numbers):08d}"
        path = f"{volume}/{digits[-2:]}/01jd3x8m{digits}_3fz8qd_m.jpg"
        url = _SIGNER.url(path, size_class="web")
        writer.write(f"GET {url} HTTP/1.1\r\nHost: photos.test\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.partition("content-length: ")[2].partition("\r\n")[0]
        body = (await reader.readexactly(int(length))).decode()
        near = next(n for n in cluster.mirrors_of(volume) if n.colo == edge.colo)
        misrouted += body.strip() != str(near.read.port)
    writer.close()
    return misrouted


class _Node(asyncio.Protocol):
    """A node that has every photo: its own port, as text."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._body = f"{transport.get_extra_info('sockname')[1]}\n".encode()

    def data_received(self, data: bytes) -> None:
        head = (
            'HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nETag: "1-6"\r\n'
            f"Content-Length: {len(self._body)}\r\n"
            "Last-Modified: Tue, 12 Mar 2024 20:57:06 GMT\r\n\r\n"
        )
        self._transport.write((head.encode() + self._body) * data.count(b"\r\n\r\n"))


@contextlib.asynccontextmanager
async def _nodes(number: int) -> AsyncIterator[list[int]]:
    """Run this number of nodes, and yield their ports."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(_Node, "127.0.0.1", 0) for _ in range(number)]
    try:
        yield [server.sockets[0].getsockname()[1] for server in servers]
    finally:
        for server in servers:
            server.close()


def _timed(step: Callable[[], Any]) -> tuple[float, Any]:
    started = time.monotonic()
    done = step()
    return time.monotonic() - started, done


def _memory_bytes(pid: int) -> int:
    """Return the memory of all descendants of a process; each shared page counts once."""
    total = 0
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            lines = Path(f"/proc/{child}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
            total += _memory_bytes(int(child))
    return total


if __name__ == "__main__":
    sys.exit(main())
