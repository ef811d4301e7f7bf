"""Reads at edges: the rate and the share of hits, from the counters that nginx serves."""

import aiohttp
import pytest
from aiohttp import web

from storagemaster.operations.edge_reads import (
    PAUSE_SECONDS,
    Counts,
    EdgeReads,
    Reads,
    reads_between,
)
from tests.free_ports import free_port
from volumes.address import Address
from volumes.cluster import Colo, Edge

METRICS = """\
glassplate_edge_requests_total{cache="hit",code="200"} %d
glassplate_edge_requests_total{cache="miss",code="200"} %d
glassplate_edge_requests_total{cache="none",code="403"} 1000
glassplate_edge_sent_bytes_total{cache="hit",code="200"} 999999
glassplate_edge_request_duration_seconds_bucket{cache="hit",le="0.001"} %d
glassplate_edge_request_duration_seconds_bucket{cache="hit",le="0.1"} %d
glassplate_edge_request_duration_seconds_bucket{cache="hit",le="+Inf"} %d
glassplate_edge_request_duration_seconds_bucket{cache="miss",le="0.001"} 0
glassplate_edge_request_duration_seconds_bucket{cache="miss",le="0.1"} %d
glassplate_edge_request_duration_seconds_bucket{cache="miss",le="+Inf"} %d
glassplate_edge_request_duration_seconds_bucket{cache="none",le="+Inf"} 1000
"""


class CountingEdge:
    """The purge port of an edge, and a clock."""

    def __init__(self):
        self.port = Address("127.0.0.1", free_port())
        self.hits = self.misses = 0
        self.now = 100.0

    async def start(self):
        """Serve the counters."""

        async def metrics(_):
            counts = [self.hits, self.misses, *[self.hits] * 3, *[self.misses] * 2]
            return web.Response(text=METRICS % tuple(counts))

        application = web.Application()
        application.router.add_get("/metrics", metrics)
        self.runner = web.AppRunner(application)
        await self.runner.setup()
        await web.TCPSite(self.runner, self.port.host, self.port.port).start()

    def config(self, kind="nginx"):
        """Return the edge as the config has it."""
        return Edge(id="edge", colo=Colo("east"), kind=kind, listen=self.port, purge=self.port)


async def reads_after(edge, reads, *, hits, misses):
    """Return the reads of the edge after some more, ten seconds later."""
    edge.hits += hits
    edge.misses += misses
    edge.now += PAUSE_SECONDS
    await reads.poll()
    return reads.of("edge")


def about(per_second, hit_rate, p99_seconds):
    """Return reads whose slowest are roughly as slow."""
    return Reads(per_second, hit_rate, pytest.approx(p99_seconds, abs=0.0001))


async def test_reads_of_the_last_minutes():
    """Refused requests are not reads, and a restart of the edge begins again."""
    edge = CountingEdge()
    await edge.start()
    edge.hits = 5
    async with aiohttp.ClientSession() as session:
        reads = EdgeReads(session, clock=lambda: edge.now)
        reads.follow([edge.config()])
        assert reads.of("edge") is None
        assert await reads_after(edge, reads, hits=0, misses=0) is None
        assert await reads_after(edge, reads, hits=90, misses=10) == about(10.0, 0.9, 0.0901)
        assert await reads_after(edge, reads, hits=0, misses=100) == about(10.0, 0.45, 0.0982)
        edge.hits = edge.misses = 0
        assert await reads_after(edge, reads, hits=0, misses=0) is None
        assert await reads_after(edge, reads, hits=0, misses=0) == Reads(0.0, None)
        await edge.runner.cleanup()
        assert await reads_after(edge, reads, hits=0, misses=0) is None


async def test_counters_are_read_only_now_and_then():
    """Polls in between cost the edge nothing; Varnish has no counters here."""
    edge = CountingEdge()
    await edge.start()
    async with aiohttp.ClientSession() as session:
        reads = EdgeReads(session, clock=lambda: edge.now)
        reads.follow([edge.config()])
        varnish = EdgeReads(session, clock=lambda: edge.now)
        varnish.follow([edge.config("varnish")])
        await varnish.poll()
        await reads_after(edge, reads, hits=0, misses=0)
        edge.now += PAUSE_SECONDS / 2
        edge.hits = 50
        await reads.poll()
        assert reads.of("edge") is varnish.of("edge") is None
    await edge.runner.cleanup()


def test_no_rate_without_time():
    """Two looks at the same moment tell nothing."""
    assert reads_between(Counts(1.0, 5, 5), Counts(1.0, 9, 9)) is None
