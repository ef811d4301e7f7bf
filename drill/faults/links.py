"""Faults of the network: sites cut off, one way or both, and links that are slow, lossy, lying."""

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
    """How a link fails."""

    REFUSED = "refused"
    """Connections are reset, and new ones are as well."""
    HANGING = "hanging"
    """Connections stay open, and nothing passes either way: nobody is told."""


@dataclass(frozen=True, slots=True)
class ColosCut:
    """Two colos do not reach each other; clients and what is shared reach both."""

    ways: FailureMode = FailureMode.REFUSED

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Cut all links between them."""
        there = drill_cluster.links.between("east", "west") + drill_cluster.links.between(
            "west", "east"
        )
        async with _failing(there, self.ways, evidence, "between the colos"):
            yield


@dataclass(frozen=True, slots=True)
class ColoOneWayLoss:
    """What one colo sends to the other is lost, and what it is sent arrives."""

    site: str
    other: str

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Hold back the requests of its own links, and the answers of the other's."""
        asks = drill_cluster.links.between(self.site, self.other)
        answers = drill_cluster.links.between(self.other, self.site)
        before = _counted(asks + answers)
        for link in asks:
            link.proxy.freeze(Direction.TARGET)
        for link in answers:
            link.proxy.freeze(Direction.CLIENT)
        yield
        for link in asks + answers:
            link.proxy.reset_all()
            link.proxy.unfreeze()
        held = _counted(asks + answers)["held"] - before["held"]
        evidence.add(held, f"{held} pieces from {self.site} to {self.other} were held back")


@dataclass(frozen=True, slots=True)
class Failing:
    """Links from some sites to some servers fail."""

    sites: str
    servers: str
    ways: FailureMode = FailureMode.REFUSED

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Have them fail until the end."""
        links = drill_cluster.links.chosen(self.sites, self.servers)
        async with _failing(links, self.ways, evidence, f"{self.sites} to {self.servers}"):
            yield


@dataclass(frozen=True, slots=True)
class Flapping:
    """Links are cut and mended, again and again."""

    sites: str
    servers: str
    times: int = 6
    every_seconds: float = 1.0

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Cut for half of the time."""
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
        evidence.add(cut, f"{cut} connections were cut in {self.times} turns")
        yield


@dataclass(frozen=True, slots=True)
class DegradedLinks:
    """Links treat what passes badly."""

    sites: str
    servers: str
    conditions: LinkConditions
    shows_as: str
    """What the proxies must have counted: `delayed`, `stalled`, `reset` or `flipped`."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Until the end."""
        links = drill_cluster.links.chosen(self.sites, self.servers)
        before = _counted(links)
        for link in links:
            link.proxy.conditions = self.conditions
        yield
        for link in links:
            link.proxy.conditions = UNIMPAIRED
        did = _counted(links)[self.shows_as] - before[self.shows_as]
        evidence.add(did, f"{did} pieces {self.shows_as} from {self.sites} to {self.servers}")


@contextlib.asynccontextmanager
async def _failing(
    links: list[Link], ways: FailureMode, evidence: Evidence, which: str, *, is_short: bool = False
) -> AsyncIterator[None]:
    before = _counted(links)
    for link in links:
        if ways is FailureMode.REFUSED:
            link.proxy.cut()
        else:
            link.proxy.freeze()
    yield
    for link in links:
        link.proxy.reconnect()
        if ways is FailureMode.HANGING:
            # What was in a network that is gone does not come out of it later.
            link.proxy.reset_all()
            link.proxy.unfreeze()
    if not is_short:
        word = "cut" if ways is FailureMode.REFUSED else "held"
        did = _counted(links)[word] - before[word]
        evidence.add(did, f"{did} times {word} on {len(links)} links, {which}")


def _counted(links: list[Link]) -> Counter[str]:
    return sum((link.proxy.did for link in links), Counter())
