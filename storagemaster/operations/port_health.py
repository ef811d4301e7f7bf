"""Health of the ports that storagemasters do not use all the time, for the status document only.

Edges read from the read port of a node, and viewers from the first port of an edge. Deletes need
the purge port of each edge. The responses also show the clocks of the machines.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

import aiohttp
from aiohttp.hdrs import DATE

from runtime.lag_free_timeout import lag_free_timeout
from storagemaster.operations.clock_difference import clock_difference_seconds
from storagemaster.operations.edge_reads import EdgeReads
from storagenode.protocol.agreement import Agreed, parse_agreed
from volumes.address import Address
from volumes.cluster import Cluster, Edge

POLL_SECONDS = 2.0
RESPONSE_SECONDS = 1.0


def checked_ports(cluster: Cluster) -> list[Address]:
    """Return the ports of storagemasters, the read ports of nodes, and both ports of edges."""
    edges = cluster.edges.values()
    return [
        *(master.address for master in cluster.masters.values()),
        *(node.read for node in cluster.nodes.values()),
        *(port for edge in edges for port in (edge.listen, edge.purge)),
    ]


class PortHealth:
    """The result of the last health check of every port."""

    def __init__(
        self,
        ports: Iterable[Address],
        session: aiohttp.ClientSession,
        *,
        edges: Iterable[Edge] = (),
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self.edge_reads = EdgeReads(session)
        self._session = session
        self._now_seconds = now_seconds
        self._up: dict[Address, bool] = {}
        self._clock_differences: dict[Address, float | None] = {}
        self._agreed: dict[Address, Agreed] = {}
        self.follow(ports, edges)

    def follow(self, ports: Iterable[Address], edges: Iterable[Edge]) -> None:
        """Check these ports from now on."""
        self._up = {port: self._up.get(port, False) for port in ports}
        self.edge_reads.follow(edges)

    def is_up(self, port: Address) -> bool:
        """Return True if the last health check of the port succeeded."""
        return self._up.get(port, False)

    def agreed(self, port: Address) -> Agreed:
        """Return the volume map and the keys that the process of the port last reported."""
        return self._agreed.get(port, Agreed())

    def clock_difference_seconds(self, *ports: Address) -> float | None:
        """Return the difference to the clock of the machine with these ports.

        It is that of the first port that responded with a date, or None if none of them did.
        """
        found = map(self._clock_differences.get, ports)
        return next((seconds for seconds in found if seconds is not None), None)

    async def poll(self) -> None:
        """Check all ports concurrently, and read the counters of edges if they are due."""
        await asyncio.gather(self.edge_reads.poll(), *map(self._poll_one, tuple(self._up)))

    async def _poll_one(self, port: Address) -> None:
        sent_seconds = self._now_seconds()
        try:
            async with (
                lag_free_timeout(RESPONSE_SECONDS),
                self._session.get(f"http://{port}/healthz") as response,
            ):
                self._up[port] = response.status == 200
                self._agreed[port] = parse_agreed(response.headers)
                self._clock_differences[port] = clock_difference_seconds(
                    response.headers.get(DATE, ""),
                    sent_seconds=sent_seconds,
                    received_seconds=self._now_seconds(),
                )
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._up[port] = False
            self._agreed.pop(port, None)
            self._clock_differences[port] = None
