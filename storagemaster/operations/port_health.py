"""Health of the ports that storagemasters do not use all the time, for the status document only.

Edges read from the read port of a node, and viewers from the first port of an edge. Deletes need
the purge port of each edge.
"""

import asyncio
from collections.abc import Iterable

import aiohttp

from volumes.address import Address
from volumes.cluster import Cluster

POLL_SECONDS = 1.0
RESPONSE_SECONDS = 1.0


def checked_ports(cluster: Cluster) -> list[Address]:
    """Return the read ports of nodes, and both ports of edges."""
    edges = cluster.edges.values()
    return [
        *(node.read for node in cluster.nodes.values()),
        *(port for edge in edges for port in (edge.listen, edge.purge)),
    ]


class PortHealth:
    """The result of the last health check of every port."""

    def __init__(self, ports: Iterable[Address], session: aiohttp.ClientSession) -> None:
        self._session = session
        self._up = dict.fromkeys(ports, False)

    def is_up(self, port: Address) -> bool:
        """Return True if the last health check of the port succeeded."""
        return self._up[port]

    async def poll(self) -> None:
        """Check all ports concurrently."""
        await asyncio.gather(*map(self._poll_one, self._up))

    async def _poll_one(self, port: Address) -> None:
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                async with self._session.get(f"http://{port}/healthz") as response:
                    self._up[port] = response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._up[port] = False
