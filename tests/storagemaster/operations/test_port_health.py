"""Status checks both ports of nodes and edges."""

import asyncio
import contextlib
import dataclasses
import time

import aiohttp
import pytest
from aiohttp import web

from storagemaster.operations.port_health import PortHealth
from storagenode.protocol.agreement import KEYS_HEADER, MAP_HEADER, TLS_HEADER, Agreed
from tests.free_ports import free_port
from tests.storagemaster.small_cluster import HOST
from volumes.address import Address
from volumes.cluster import Colo, Edge


@contextlib.asynccontextmanager
async def port_that(handler):
    """Serve a port with one handler until the block exits, and yield its address."""
    application = web.Application()
    application.router.add_get("/healthz", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    address = Address(HOST, free_port())
    await web.TCPSite(runner, address.host, address.port).start()
    try:
        yield address
    finally:
        await runner.cleanup()


async def responds(_):
    """Respond as a healthy server."""
    return web.Response(text="ok\n")


async def refuses(_):
    """Refuse this client, as the purge port of an edge does."""
    return web.Response(status=403)


async def hangs(request):
    """Never respond, until the connection is closed."""
    while request.transport is not None:  # noqa: ASYNC110 - aiohttp has no event for it
        await asyncio.sleep(0.01)
    return web.Response()


@pytest.mark.parametrize(("handler", "is_up"), [(responds, True), (refuses, False), (hangs, False)])
async def test_a_port_is_up_if_it_responds_200(handler, is_up):
    """A port that refuses the storagemaster is as bad as one that hangs."""
    async with port_that(handler) as port, aiohttp.ClientSession() as session:
        health = PortHealth([port], session)
        assert not health.is_up(port)
        await health.poll()
        assert health.is_up(port) == is_up


async def says_what_it_has(_):
    """Respond as a process with a volume map and keys."""
    headers = {MAP_HEADER: "a1", KEYS_HEADER: "b2", TLS_HEADER: "on"}
    return web.Response(text="ok\n", headers=headers)


async def test_the_map_and_the_keys_of_a_port_are_those_of_its_last_response():
    """A process that is down has none, so nothing differs."""
    async with aiohttp.ClientSession() as session:
        async with port_that(says_what_it_has) as port:
            health = PortHealth([port], session)
            assert health.agreed(port) == Agreed()
            await health.poll()
            assert health.agreed(port) == Agreed(map="a1", keys="b2", tls="on")
        await health.poll()
        assert health.agreed(port) == Agreed()


async def test_a_port_that_stops_is_down_at_the_next_poll():
    """Another port stays up."""
    async with port_that(responds) as other, aiohttp.ClientSession() as session:
        async with port_that(responds) as port:
            health = PortHealth([port, other], session)
            await health.poll()
            assert health.is_up(port)
        await health.poll()
        assert [health.is_up(port), health.is_up(other)] == [False, True]


@pytest.mark.parametrize("ahead_seconds", [-30, 0, 30])
async def test_the_date_of_a_response_shows_the_clock_of_its_machine(ahead_seconds):
    """A port that refuses the storagemaster also shows it, and one that stopped shows none."""
    async with aiohttp.ClientSession() as session:
        async with port_that(refuses) as port:
            health = PortHealth([port], session, now_seconds=lambda: time.time() - ahead_seconds)
            assert health.clock_difference_seconds(port) is None
            await health.poll()
            assert health.clock_difference_seconds(port) == pytest.approx(ahead_seconds, abs=3)
        await health.poll()
        assert health.clock_difference_seconds(port) is None


async def test_the_first_port_with_a_date_decides():
    """The other port of an edge is used while the first does not respond."""
    nowhere = Address(HOST, free_port())
    async with port_that(responds) as port, aiohttp.ClientSession() as session:
        health = PortHealth([nowhere, port], session)
        await health.poll()
        assert health.clock_difference_seconds(nowhere, port) is not None
        assert health.clock_difference_seconds(nowhere) is None


async def test_status_has_both_ports_of_nodes_and_edges(cluster):
    """The read port of one node and the purge port of one edge do not respond."""
    nowhere = Address(HOST, free_port())
    nodes = cluster.nodes_config.nodes
    west_1 = dataclasses.replace(nodes["west-1"], read=nowhere)
    async with port_that(responds) as port:
        edge = Edge(id="edge-1", colo=Colo("east"), kind="nginx", listen=port, purge=nowhere)
        cluster.nodes_config = dataclasses.replace(
            cluster.nodes_config, nodes={**nodes, "west-1": west_1}, edges={"edge-1": edge}
        )
        master = await cluster.another_master()
        document = (await master.request("GET", "/status")).document
    assert [(edge["up"], edge["purge_up"]) for edge in document["edges"]] == [(True, False)]
    clocks = {
        each["id"]: each["clock_difference_seconds"]
        for each in [*document["nodes"], *document["edges"]]
    }
    assert clocks == {**dict.fromkeys(nodes, 0.0), "west-1": None, "edge-1": 0.0}
    found = {node["id"]: (node["up"], node["read_up"]) for node in document["nodes"]}
    assert found == {**dict.fromkeys(nodes, (True, True)), "west-1": (True, False)}
    assert document["volumes"][0]["mirrors_up"] == ["east-1", "west-1"]
    assert document["volumes"][0]["mirrors_readable"] == ["east-1"]
