"""Faults of the network: sites cut off, one way or both, and links that are slow, lossy, lying."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum

from drill.cluster.drill_cluster import Drilled
from drill.cluster.links import Link
from drill.cluster.tcp_proxy import FAIR, Towards, Weather
from drill.faults.evidence import Evidence


class Ways(Enum):
    """How a link fails."""

    REFUSED = "refused"
    """Connections are reset, and new ones are as well."""
    SWALLOWED = "swallowed"
    """Connections stay open, and nothing passes either way: nobody is told."""


@dataclass(frozen=True, slots=True)
class ColosCut:
    """Two colos do not reach each other; clients and what is shared reach both."""

    ways: Ways = Ways.REFUSED

    @contextlib.asynccontextmanager
    async def at_work(self, drilled: Drilled, evidence: Evidence) -> AsyncIterator[None]:
        """Cut all links between them."""
        there = drilled.links.between("east", "west") + drilled.links.between("west", "east")
        async with _failing(there, self.ways, evidence, "between the colos"):
            yield


@dataclass(frozen=True, slots=True)
class ColoDeaf:
    """What one colo sends to the other is lost, and what it is sent arrives."""

    site: str
    other: str

    @contextlib.asynccontextmanager
    async def at_work(self, drilled: Drilled, evidence: Evidence) -> AsyncIterator[None]:
        """Hold back the requests of its own links, and the answers of the other's."""
        asks = drilled.links.between(self.site, self.other)
        answers = drilled.links.between(self.other, self.site)
        before = _counted(asks + answers)
        for link in asks:
            link.proxy.freeze(Towards.TARGET)
        for link in answers:
            link.proxy.freeze(Towards.CLIENT)
        yield
        for link in asks + answers:
            link.proxy.reset_all()
            link.proxy.thaw()
        held = _counted(asks + answers)["held"] - before["held"]
        evidence.add(held, f"{held} pieces from {self.site} to {self.other} were held back")


@dataclass(frozen=True, slots=True)
class Failing:
    """Links from some sites to some servers fail."""

    sites: str
    servers: str
    ways: Ways = Ways.REFUSED

    @contextlib.asynccontextmanager
    async def at_work(self, drilled: Drilled, evidence: Evidence) -> AsyncIterator[None]:
        """Have them fail until the end."""
        links = drilled.links.chosen(self.sites, self.servers)
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
    async def at_work(self, drilled: Drilled, evidence: Evidence) -> AsyncIterator[None]:
        """Cut for half of the time."""
        links = drilled.links.chosen(self.sites, self.servers)
        for _ in range(self.times):
            async with _failing(
                links, Ways.REFUSED, evidence, f"{self.sites} to {self.servers}", is_short=True
            ):
                await asyncio.sleep(self.every_seconds / 2)
            await asyncio.sleep(self.every_seconds / 2)
        cut = _counted(links)["cut"]
        evidence.add(cut, f"{cut} connections were cut in {self.times} turns")
        yield


@dataclass(frozen=True, slots=True)
class BadWeather:
    """Links treat what passes badly."""

    sites: str
    servers: str
    weather: Weather
    shows_as: str
    """What the proxies must have counted: `delayed`, `stalled`, `reset` or `flipped`."""

    @contextlib.asynccontextmanager
    async def at_work(self, drilled: Drilled, evidence: Evidence) -> AsyncIterator[None]:
        """Until the end."""
        links = drilled.links.chosen(self.sites, self.servers)
        before = _counted(links)
        for link in links:
            link.proxy.weather = self.weather
        yield
        for link in links:
            link.proxy.weather = FAIR
        did = _counted(links)[self.shows_as] - before[self.shows_as]
        evidence.add(did, f"{did} pieces {self.shows_as} from {self.sites} to {self.servers}")


@contextlib.asynccontextmanager
async def _failing(
    links: list[Link], ways: Ways, evidence: Evidence, which: str, *, is_short: bool = False
) -> AsyncIterator[None]:
    before = _counted(links)
    for link in links:
        if ways is Ways.REFUSED:
            link.proxy.cut()
        else:
            link.proxy.freeze()
    yield
    for link in links:
        link.proxy.mend()
        if ways is Ways.SWALLOWED:
            # What was in a network that is gone does not come out of it later.
            link.proxy.reset_all()
            link.proxy.thaw()
    if not is_short:
        word = "cut" if ways is Ways.REFUSED else "held"
        did = _counted(links)[word] - before[word]
        evidence.add(did, f"{did} times {word} on {len(links)} links, {which}")


def _counted(links: list[Link]) -> Counter[str]:
    return sum((link.proxy.did for link in links), Counter())
