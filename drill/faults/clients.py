"""Faults of clients: floods of connections, and slow fetches that a delete overtakes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from drill.cluster.drill_cluster import DrillCluster
from drill.cluster.tcp_proxy import Direction, LinkConditions
from drill.faults.evidence import Evidence, wait_until
from drill.history import Operation, Outcome
from drill.load.recorded_requests import record_delete, record_get, record_put
from drill.load.sample_uploads import make_large, make_originals
from runtime.tasks_beside import run_beside
from volumes.address import Address

HALF_HEAD = b"POST /photos HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nX-Flood: "
LARGE_BYTES = 6 * 1024 * 1024
UNDER_WAY_BYTES = 512 * 1024
FETCH_SECONDS_MAX = 60.0
SLOW = TimeoutError.__name__


@dataclass(frozen=True, slots=True)
class HalfOpenFlood:
    """Clients open many connections to every port of storagemasters and nodes, and send no more."""

    connections: int = 150

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Hold the connections until the block exits, and replace each one that a server closes."""
        cluster = drill_cluster.cluster
        addresses = [master.address for master in cluster.masters.values()]
        addresses += [each for node in cluster.nodes.values() for each in (node.read, node.write)]
        opened = dict.fromkeys(addresses, 0)

        async def hold(address: Address) -> None:
            while True:
                with contextlib.suppress(OSError):
                    reader, writer = await asyncio.open_connection(address.host, address.port)
                    try:
                        writer.write(HALF_HEAD)
                        opened[address] += 1
                        await reader.read()
                    finally:
                        writer.close()
                await asyncio.sleep(0.1)

        async with run_beside(
            *(hold(address) for address in addresses for _ in range(self.connections))
        ):
            yield
        for address, count in opened.items():
            evidence.add(count >= self.connections, f"{count} half requests reached {address}")


@dataclass(frozen=True, slots=True)
class FetchOutlivesDelete:
    """Every edge fetches a large photo over a thin link, and the photo is deleted meanwhile."""

    bytes_per_second: int = 1024 * 1024

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Delete the photo while all fetches are under way. Each must end without the photo."""
        endpoint = next(iter(drill_cluster.clients.items()))
        data = make_large(make_originals(0)[0], "outlives a delete", size_bytes=LARGE_BYTES)
        put = await record_put(drill_cluster, endpoint, "outlives-a-delete", data)
        links = drill_cluster.links.chosen("*", "*.read")
        for link in links:
            link.proxy.conditions = LinkConditions(bytes_per_second=self.bytes_per_second)
        before = sum(link.proxy.bytes_passed[Direction.CLIENT] for link in links)
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS_MAX)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            url = drill_cluster.urls[put.path]

            async def fetch(edge: str) -> Operation:
                return await record_get(drill_cluster, session, edge, path=put.path, url=url)

            fetches = {edge: asyncio.create_task(fetch(edge)) for edge in drill_cluster.edges}
            wanted = before + UNDER_WAY_BYTES * len(fetches)
            await wait_until(
                lambda: sum(link.proxy.bytes_passed[Direction.CLIENT] for link in links) > wanted
            )
            under_way = {edge for edge, task in fetches.items() if not task.done()}
            await record_delete(drill_cluster, endpoint, put)
            yield
            for edge, task in fetches.items():
                ended = await task
                evidence.add(
                    edge in under_way and ended.outcome is Outcome.INFO and ended.error != SLOW,
                    f"the fetch of {edge} was under way at the delete, and was cut off",
                )
                await fetch(edge)
        for link in links:
            link.proxy.conditions = LinkConditions()
