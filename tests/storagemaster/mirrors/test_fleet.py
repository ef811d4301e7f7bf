"""The fleet: who is up is what was last seen, and a node is only what it says it is."""

import asyncio

import pytest
from aiohttp import web

from storagemaster.mirrors import fleet as fleet_module
from storagemaster.mirrors.fleet import Fleet
from storagenode.protocol.errors import Unreachable
from storagenode.protocol.wire import NodeStatus


class Answering:
    """A node that answers with some status."""

    def __init__(self, **fields):
        self.fields = fields

    async def status(self, *, timeout_seconds):
        """What it says of itself."""
        assert timeout_seconds == fleet_module.RESPONSE_SECONDS
        return NodeStatus(
            **{
                "node": "a",
                "uuid": "",
                "colo": "",
                "boot": "",
                "volumes": (),
                "free_bytes": 7,
                "total_bytes": 9,
                "accepts_new_photos": True,
                "suspect_reason": "",
                "hints": 0,
                **self.fields,
            }
        )


class Raising:
    """A node that cannot be asked, or answers nonsense."""

    def __init__(self, error):
        self.error = error

    async def status(self, *, timeout_seconds):
        """No status."""
        assert timeout_seconds > 0
        raise self.error


def test_before_it_was_asked_a_node_is_down():
    """Nothing is placed on a node that nobody has seen."""
    view = Fleet({"a": Answering()}).view()["a"]
    assert (view.up, view.accepts_new_photos, view.writable) == (False, False, False)
    assert view.free_bytes == 0


@pytest.mark.parametrize(
    ("fields", "accepts", "writable"),
    [
        ({}, True, True),
        ({"accepts_new_photos": False}, False, True),
        ({"suspect_reason": "EIO", "accepts_new_photos": False}, False, False),
    ],
    ids=["up", "full", "suspect"],
)
async def test_a_node_that_answers_is_up(fields, accepts, writable):
    """And takes what it says that it takes."""
    fleet = Fleet({"a": Answering(**fields)})
    await fleet.poll()
    view = fleet.view()["a"]
    assert (view.up, view.accepts_new_photos, view.writable) == (True, accepts, writable)
    assert view.free_bytes == 7


@pytest.mark.parametrize(
    "error",
    [Unreachable("refused"), ValueError("no JSON"), TypeError("an unknown field"), KeyError("x")],
    ids=repr,
)
async def test_a_node_that_does_not_answer_as_one_is_down(error):
    """Whatever is wrong with it; the others are seen all the same."""
    fleet = Fleet({"b": Raising(error), "a": Answering()})
    await fleet.poll()
    assert fleet.is_up("a")
    assert not fleet.is_up("b")
    assert fleet.view()["b"].reason


async def test_another_node_at_the_address_is_not_this_one():
    """Its bytes would not be where they are looked for."""
    fleet = Fleet({"b": Answering(node="a")})
    await fleet.poll()
    assert not fleet.is_up("b")
    assert fleet.view()["b"].reason == "it responds as node a"


async def test_a_node_that_went_down_keeps_its_last_status():
    """Its room still counts when volumes are weighed."""
    nodes = {"a": Answering()}
    fleet = Fleet(nodes)
    await fleet.poll()
    nodes["a"] = Raising(Unreachable("gone"))
    await fleet.poll()
    view = fleet.view()["a"]
    assert (view.up, view.free_bytes, view.reason) == (False, 7, "gone")
    assert (view.accepts_new_photos, view.writable) == (False, False)


async def test_a_failed_request_makes_a_node_down_until_it_answers_again():
    """Nobody waits for the next poll to know."""
    fleet = Fleet({"a": Answering()})
    await fleet.poll()
    fleet.mark_down("a", "no answer to a write")
    assert not fleet.is_up("a")
    await fleet.poll()
    assert fleet.is_up("a")


def test_a_view_is_of_one_moment():
    """What is decided by it does not change under the decision."""
    fleet = Fleet({"a": Answering()})
    view = fleet.view()
    fleet.mark_down("a", "later")
    assert view["a"].reason != "later"


@pytest.mark.usefixtures("impatience")
async def test_real_nodes_are_seen_going_and_coming(cluster):
    """Stopped, started, frozen and thawed."""
    fleet = cluster.master.fleet
    await cluster.stop_and_notice("east-2")
    assert [node for node in cluster.stores if not fleet.is_up(node)] == ["east-2"]
    await cluster.start_and_notice("east-2")
    cluster.links["west-1"].freeze()
    await cluster.poll()
    assert [node for node in cluster.stores if not fleet.is_up(node)] == ["west-1"]
    cluster.links["west-1"].unfreeze()
    await cluster.poll()
    assert all(fleet.is_up(node) for node in cluster.stores)


async def test_a_real_node_says_when_its_disk_is_suspect_or_full(cluster):
    """As the placement needs to know it."""
    cluster.mark_unverified("east-1")
    cluster.fill("west-1")
    await cluster.poll()
    views = cluster.master.fleet.view()
    assert (views["east-1"].up, views["east-1"].writable) == (True, False)
    assert views["east-1"].reason == "an fsync failed"
    assert (views["west-1"].writable, views["west-1"].accepts_new_photos) == (True, False)


async def test_swapped_nodes_are_down(cluster):
    """An address that leads to another node of the same cluster is noticed."""
    east, west = cluster.links["east-1"], cluster.links["west-1"]
    east._target, west._target = west._target, east._target
    master = await cluster.another_master()
    assert not master.fleet.is_up("east-1")
    assert not master.fleet.is_up("west-1")
    assert master.fleet.view()["east-1"].reason == "it responds as node west-1"


async def test_a_web_server_at_a_node_s_address_is_down(cluster):
    """It answers, and not as a node does."""
    await cluster.stop("east-1")

    async def page(_):
        return web.Response(text="<html>It works!</html>", content_type="text/html")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    address = cluster.nodes_config.nodes["east-1"].write
    await web.TCPSite(runner, address.host, address.port).start()
    await cluster.poll()
    assert not cluster.master.fleet.is_up("east-1")
    answer = await cluster.master.request("GET", "/status")
    assert answer.document["nodes"][0]["up"] is False
    await runner.cleanup()


async def test_all_nodes_are_asked_at_once():
    """One that is slow to answer does not hold up the news of the others."""
    everyone_asked = asyncio.Barrier(3)

    class Together(Answering):
        async def status(self, *, timeout_seconds):
            await everyone_asked.wait()
            return await super().status(timeout_seconds=timeout_seconds)

    fleet = Fleet({name: Together(node=name) for name in "abc"})
    async with asyncio.timeout(5):
        await fleet.poll()
    assert all(fleet.is_up(name) for name in "abc")
