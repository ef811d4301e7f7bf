"""Faults of the network: partitions in one or both directions, and degraded links."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum

from drill.cluster.drill_cluster import DrillCluster
from drill.cluster.links import Link
from drill.cluster.tcp_proxy import UNIMPAIRED, Direction, LinkConditions
from drill.faults.evidence import Evidence


class FailureMode(Enum):
    """Failure mode of a link."""

    REFUSED = "refused"
    """Open and new connections are reset."""
    HANGING = "hanging"
    """Connections stay open, and no bytes pass in either direction."""


@dataclass(frozen=True, slots=True)
class ColosCut:
    """Two colos cannot reach each other. Clients and shared services reach both."""

    mode: FailureMode = FailureMode.REFUSED

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Cut all links between the colos until the block exits."""
        there = drill_cluster.links.between("east", "west") + drill_cluster.links.between(
            "west", "east"
        )
        async with _failing(there, self.mode, evidence, "between the colos"):
            yield


@dataclass(frozen=True, slots=True)
class PacketsLost:
    """All packets between two colos are lost, in both directions. Clients reach both."""

    site: str
    other: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Lose all packets until the block exits."""
        networks = drill_cluster.networks
        assert networks is not None, "the scenario cuts networks"
        server = next(n for n in drill_cluster.cluster.nodes.values() if n.colo == self.other)
        directions = ((self.site, self.other), (self.other, self.site))

        async def connects() -> bool:
            address = server.read
            return await asyncio.to_thread(networks.connects, self.site, address.host, address.port)

        for direction in directions:
            networks.lose(*direction)
        evidence.add(not await connects(), f"{self.site} cannot connect to {server.id}")
        try:
            yield
        finally:
            for direction in directions:
                networks.deliver(*direction)
        evidence.add(await connects(), f"{self.site} connects to {server.id} again")


@dataclass(frozen=True, slots=True)
class ColoOneWayLoss:
    """Bytes from one colo to the other are lost; bytes in the other direction arrive."""

    site: str
    other: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Freeze the requests of the one and the responses of the other until the block exits."""
        requests = drill_cluster.links.between(self.site, self.other)
        responses = drill_cluster.links.between(self.other, self.site)
        before = _counted(requests + responses)
        for link in requests:
            link.proxy.freeze(Direction.TARGET)
        for link in responses:
            link.proxy.freeze(Direction.CLIENT)
        yield
        for link in requests + responses:
            link.proxy.reset_all()
            link.proxy.unfreeze()
        held = _counted(requests + responses)["held"] - before["held"]
        evidence.add(held, f"{held} chunks from {self.site} to {self.other} were held")


@dataclass(frozen=True, slots=True)
class Failing:
    """Links from some sites to some servers fail."""

    sites: str
    servers: str
    mode: FailureMode = FailureMode.REFUSED

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Fail these links until the block exits."""
        links = drill_cluster.links.chosen(self.sites, self.servers)
        async with _failing(links, self.mode, evidence, f"{self.sites} to {self.servers}"):
            yield


@dataclass(frozen=True, slots=True)
class Flapping:
    """Links are cut and reconnected repeatedly."""

    sites: str
    servers: str
    times: int = 6
    every_seconds: float = 1.0

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Cut the links for half of each period, `times` periods long."""
        links = drill_cluster.links.chosen(self.sites, self.servers)
        for _ in range(self.times):
            async with _failing(
                links,
                FailureMode.REFUSED,
                evidence,
                f"{self.sites} to {self.servers}",
                is_short=True,
            ):
                await asyncio.sleep(self.every_seconds / 2)
            await asyncio.sleep(self.every_seconds / 2)
        cut = _counted(links)["cut"]
        evidence.add(cut, f"{cut} connections were cut in {self.times} periods")
        yield


@dataclass(frozen=True, slots=True)
class DegradedLinks:
    """Links have bad conditions."""

    sites: str
    servers: str
    conditions: LinkConditions
    counted_as: str
    """The counter that proves the fault: `delayed`, `stalled`, `reset` or `flipped`."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Apply the conditions until the block exits."""
        links = drill_cluster.links.chosen(self.sites, self.servers)
        before = _counted(links)
        for link in links:
            link.proxy.conditions = self.conditions
        yield
        for link in links:
            link.proxy.conditions = UNIMPAIRED
        did = _counted(links)[self.counted_as] - before[self.counted_as]
        evidence.add(did, f"{did} chunks {self.counted_as} from {self.sites} to {self.servers}")


@contextlib.asynccontextmanager
async def _failing(
    links: list[Link], mode: FailureMode, evidence: Evidence, which: str, *, is_short: bool = False
) -> AsyncIterator[None]:
    before = _counted(links)
    for link in links:
        if mode is FailureMode.REFUSED:
            link.proxy.cut()
        else:
            link.proxy.freeze()
    yield
    for link in links:
        link.proxy.reconnect()
        if mode is FailureMode.HANGING:
            # A partition loses its packets: they must not arrive after it.
            link.proxy.reset_all()
            link.proxy.unfreeze()
    if not is_short:
        word = "cut" if mode is FailureMode.REFUSED else "held"
        did = _counted(links)[word] - before[word]
        evidence.add(did, f"{did} times {word} on {len(links)} links, {which}")


def _counted(links: list[Link]) -> Counter[str]:
    return sum((link.proxy.did for link in links), Counter())
