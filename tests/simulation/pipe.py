"""The body of a request on its way to a simulated node."""

import asyncio
from collections.abc import AsyncIterator

from storagenode.protocol.errors import Unreachable
from tests.simulation.network import Network
from tests.simulation.simulated_node import SimulatedNode

# Capacity of a socket whose receiver does not read.
CHUNKS_IN_FLIGHT_MAX = 4


class Pipe:
    """A body between its sender and a node."""

    def __init__(self, network: Network, source: str, node: SimulatedNode) -> None:
        self._network = network
        self._node = node
        self._link = (source, node.name)
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS_IN_FLIGHT_MAX)
        self._is_broken = False
        self._has_ended = False

    def offer(self, chunk: bytes | None) -> bool:
        """Send a chunk if there is free space and the link is up; return True if it was sent."""
        network = self._network
        if network.occurs(network.conditions.reset, self._link):
            raise Unreachable(f"{self._node.name}: connection reset in the middle")
        if chunk and network.occurs(network.conditions.garbled, self._link):
            chunk = bytes([chunk[0] ^ 1]) + chunk[1:]
        if network.is_cut(*self._link) or self._chunks.full():
            return False
        self._put(chunk)
        return True

    async def send(self, chunk: bytes | None) -> None:
        """Wait for free space. A cut link has none until the sender gives up."""
        while self._network.is_cut(*self._link):  # noqa: ASYNC110 - links have no event
            await asyncio.sleep(0.2)
        await self._chunks.put(chunk)
        self._has_ended = self._has_ended or chunk is None

    def _put(self, chunk: bytes | None) -> None:
        self._chunks.put_nowait(chunk)
        self._has_ended = self._has_ended or chunk is None

    def break_off(self) -> None:
        """Close the connection. A complete body arrives nevertheless."""
        if not self._has_ended:
            self._is_broken = True
            while not self._chunks.empty():
                self._chunks.get_nowait()
            self._chunks.put_nowait(None)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the chunks that the node receives."""
        while True:
            chunk = await self._chunks.get()
            await self._node.wait_until_running()
            if self._is_broken:
                raise ConnectionResetError("the sender disconnected")
            if chunk is None:
                return
            yield chunk
