"""Reads at nginx edges, from the counters at their purge ports: rate and share of hits."""

import asyncio
import re
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import aiohttp

from runtime.histogram import quantile_seconds
from volumes.address import Address
from volumes.cluster import Edge

PAUSE_SECONDS = 10.0
WINDOW_SECONDS = 300.0
RESPONSE_SECONDS = 1.0
_HITS = {"hit", "stale", "updating", "revalidated"}
_DURATIONS = re.compile(
    r'^glassplate_edge_request_duration_seconds_bucket{cache="(\w+)",le="([\d.]+|\+Inf)"} (\d+)$',
    re.MULTILINE,
)
_REQUESTS = re.compile(
    r'^glassplate_edge_requests_total{cache="(\w+)",code="\d+"} (\d+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Counts:
    """The reads of an edge since its start, at one moment."""

    at_seconds: float
    reads: int
    hits: int
    durations: Mapping[str, int] = field(default_factory=dict)
    """Number of reads that took at most the seconds that the key is."""


@dataclass(frozen=True, slots=True)
class Reads:
    """The reads of an edge in the last minutes."""

    per_second: float
    hit_rate: float | None
    """The share of reads that its cache answered, or None without reads."""
    p99_seconds: float | None = None
    """The time that 99 % of the reads took at most, or None without reads."""


def parse_counts(text: str, *, at_seconds: float) -> Counts:
    """Return the counts of an edge's metrics. Requests that need no cache are not reads.

    >>> parse_counts('glassplate_edge_requests_total{cache="hit",code="200"} 7', at_seconds=0.0)
    Counts(at_seconds=0.0, reads=7, hits=7, durations=Counter())
    """
    counted = [(cache, int(number)) for cache, number in _REQUESTS.findall(text) if cache != "none"]
    hits = sum(number for cache, number in counted if cache in _HITS)
    durations: Counter[str] = Counter()
    for cache, bound, number in _DURATIONS.findall(text):
        if cache != "none":
            durations[bound] += int(number)
    return Counts(at_seconds, sum(number for _, number in counted), hits, durations)


def reads_between(first: Counts, last: Counts) -> Reads | None:
    """Return the reads between two moments, or None if the edge restarted or no time passed."""
    reads, hits = last.reads - first.reads, last.hits - first.hits
    seconds = last.at_seconds - first.at_seconds
    if seconds <= 0 or reads < 0 or hits < 0:
        return None
    return Reads(reads / seconds, hits / reads if reads else None, _p99_seconds(first, last))


def _p99_seconds(first: Counts, last: Counts) -> float | None:
    """Return the quantile of the durations between two moments, whose counts are cumulative."""
    bounds = sorted(last.durations, key=float)
    totals = [last.durations[each] - first.durations.get(each, 0) for each in bounds]
    counts = [total - before for before, total in pairwise([0, *totals])]
    finite = [float(bound) for bound in bounds if bound != "+Inf"]
    return quantile_seconds(finite, counts, 0.99) if finite else None


class EdgeReads:
    """The reads of all nginx edges. Varnish has counters of its own, which are not read here."""

    def __init__(
        self, session: aiohttp.ClientSession, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._clock = clock
        self._ports: dict[str, Address] = {}
        self._counts: defaultdict[str, deque[Counts]] = defaultdict(deque)
        self._due_at = 0.0

    def follow(self, edges: Iterable[Edge]) -> None:
        """Read the counters of these edges from now on."""
        self._ports = {edge.id: edge.purge for edge in edges if edge.kind == "nginx"}

    def of(self, edge: str) -> Reads | None:
        """Return the reads of an edge in the last minutes, or None if they are unknown."""
        counts = self._counts.get(edge)
        return reads_between(counts[0], counts[-1]) if counts else None

    async def poll(self) -> None:
        """Read the counters of all edges, unless that was done a moment ago."""
        if self._clock() < self._due_at:
            return
        self._due_at = self._clock() + PAUSE_SECONDS
        await asyncio.gather(*(self._poll_one(*each) for each in self._ports.items()))

    async def _poll_one(self, id_: str, port: Address) -> None:
        counts = self._counts[id_]
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                async with self._session.get(f"http://{port}/metrics") as response:
                    latest = parse_counts(await response.text(), at_seconds=self._clock())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            counts.clear()
            return
        if counts and latest.reads < counts[-1].reads:
            counts.clear()
        counts.append(latest)
        while latest.at_seconds - counts[0].at_seconds > WINDOW_SECONDS:
            counts.popleft()
