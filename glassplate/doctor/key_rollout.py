"""Processes that do not have the present keys for photo URLs yet, as their health ports report."""

import asyncio

import aiohttp

from permission_urls import KeySource
from storagenode.protocol.agreement import Agreed, agreed_headers, parse_agreed
from storagenode.protocol.routes import HEALTH_PATH
from volumes.address import Address
from volumes.cluster import Cluster

RESPONSE_SECONDS = 5.0
UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


async def read_agreed(session: aiohttp.ClientSession, port: Address) -> Agreed:
    """Return the settings that a node's read port, or an edge's purge port, reports.

    Raises:
        aiohttp.ClientError, TimeoutError, OSError, ValueError: It does not respond.
    """
    timeout = aiohttp.ClientTimeout(total=RESPONSE_SECONDS)
    async with session.get(f"http://{port}{HEALTH_PATH}", timeout=timeout) as response:
        return parse_agreed(response.headers) if response.status == 200 else Agreed()


async def processes_without(cluster: Cluster, keys: KeySource) -> list[str]:
    """Return the nodes and edges that respond, and have other keys for photo URLs than these.

    A process that does not respond is not among them: it reads the keys when it starts.
    """
    wanted = parse_agreed(agreed_headers("", keys, cluster.tls)).keys
    ports: dict[str, Address] = {
        node.id: node.read for node in cluster.nodes.values() if node.bucket is None
    }
    ports |= {edge.id: edge.purge for edge in cluster.edges.values()}
    async with aiohttp.ClientSession() as session:
        reads = (read_agreed(session, port) for port in ports.values())
        found = await asyncio.gather(*reads, return_exceptions=True)
    return [
        process
        for process, agreed in zip(ports, found, strict=True)
        if isinstance(agreed, Agreed) and agreed.keys not in ("", wanted)
    ]
