"""Fleet: a node is up if its last response was valid."""

import asyncio

import pytest
from aiohttp import web

from storagemaster.mirrors import fleet as fleet_module
from storagemaster.mirrors.fleet import Fleet
from storagenode.protocol.errors import Unreachable
from storagenode.protocol.wire import NodeStatus


class RespondingNode:
    """A node that responds with some status."""

    def __init__(self, **fields):
        self.fields = fields

    async def status(self, *, timeout_seconds):
        """Return its status."""
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


class FailingNode:
    """A node that is unreachable, or whose response is malformed."""

    def __init__(self, error):
        self.error = error

    async def status(self, *, timeout_seconds):
        """Raise the error."""
        assert timeout_seconds > 0
        raise self.error


def test_node_is_down_before_the_first_poll():
    """Nothing is placed on it."""
    view = Fleet({"a": RespondingNode()}).view()["a"]
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
async def test_node_that_responds_is_up(fields, accepts, writable):
    """Its status says which writes it accepts."""
    fleet = Fleet({"a": RespondingNode(**fields)})
    await fleet.poll()
    view = fleet.view()["a"]
    assert (view.up, view.accepts_new_photos, view.writable) == (True, accepts, writable)
    assert view.free_bytes == 7


@pytest.mark.parametrize(
    "error",
    [Unreachable("refused"), ValueError("no JSON"), TypeError("an unknown field"), KeyError("x")],
    ids=repr,
)
async def test_node_that_fails_or_responds_malformed_is_down(error):
    """Other nodes are not affected."""
    fleet = Fleet({"b": FailingNode(error), "a": RespondingNode()})
    await fleet.poll()
    assert fleet.is_up("a")
    assert not fleet.is_up("b")
    assert fleet.view()["b"].reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"node": "b"}, "node b responds at its address"),
        ({"uuid": "u2"}, "its root has the uuid u2, and cluster.toml requires u1"),
    ],
    ids=["name", "uuid"],
)
async def test_another_node_at_the_address_counts_as_down(fields, reason):
    """It gets no photo, and what it lists counts for nothing."""
    fleet = Fleet({"a": RespondingNode(**{"uuid": "u1", **fields})}, lambda _: "u1")
    await fleet.poll()
    view = fleet.view()["a"]
    assert (view.up, view.status) == (False, None)
    assert view.reason.startswith(reason)


async def test_a_node_with_the_uuid_of_the_config_is_up():
    """Without a uuid in the config, any will do."""
    for required in ("u1", ""):
        fleet = Fleet({"a": RespondingNode(uuid="u1")}, lambda _, uuid=required: uuid)
        await fleet.poll()
        assert fleet.is_up("a")


async def test_node_that_went_down_keeps_its_last_status():
    """Its free space still counts in the order of volumes."""
    nodes = {"a": RespondingNode()}
    fleet = Fleet(nodes)
    await fleet.poll()
    nodes["a"] = FailingNode(Unreachable("gone"))
    await fleet.poll()
    view = fleet.view()["a"]
    assert (view.up, view.free_bytes, view.reason) == (False, 7, "gone")
    assert (view.accepts_new_photos, view.writable) == (False, False)


async def test_failed_request_marks_a_node_down_until_the_next_poll():
    """No other request has to fail first."""
    fleet = Fleet({"a": RespondingNode()})
    await fleet.poll()
    fleet.mark_down("a", "no answer to a write")
    assert not fleet.is_up("a")
    await fleet.poll()
    assert fleet.is_up("a")


def test_view_is_a_snapshot():
    """A decision made with it does not change."""
    fleet = Fleet({"a": RespondingNode()})
    view = fleet.view()
    fleet.mark_down("a", "later")
    assert view["a"].reason != "later"


@pytest.mark.usefixtures("impatience")
async def test_poll_notices_real_nodes_that_stop_and_hang(cluster):
    """The cluster stops, starts, freezes, and unfreezes nodes."""
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


async def test_real_node_reports_a_suspect_and_a_full_disk(cluster):
    """The placement needs both."""
    cluster.mark_suspect("east-1")
    cluster.fill("west-1")
    await cluster.poll()
    views = cluster.master.fleet.view()
    assert (views["east-1"].up, views["east-1"].writable) == (True, False)
    assert views["east-1"].reason == "an fsync failed"
    assert (views["west-1"].writable, views["west-1"].accepts_new_photos) == (True, False)


async def test_swapped_nodes_are_down(cluster):
    """An address that leads to another node of the cluster is noticed, and the reason names it."""
    east, west = cluster.links["east-1"], cluster.links["west-1"]
    east._target, west._target = west._target, east._target
    master = await cluster.another_master()
    assert not master.fleet.is_up("east-1")
    assert not master.fleet.is_up("west-1")
    assert master.fleet.view()["east-1"].reason == (
        "west-1 refused the signature of GET /status: "
        "made for another receiver, or with another key"
    )


async def test_web_server_at_the_address_of_a_node_is_down(cluster):
    """It responds, but not as a node."""
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


async def test_poll_is_concurrent():
    """A slow node does not delay the status of the others."""
    all_requested = asyncio.Barrier(3)

    class Together(RespondingNode):
        async def status(self, *, timeout_seconds):
            await all_requested.wait()
            return await super().status(timeout_seconds=timeout_seconds)

    fleet = Fleet({name: Together(node=name) for name in "abc"})
    async with asyncio.timeout(5):
        await fleet.poll()
    assert all(fleet.is_up(name) for name in "abc")


async def test_a_removed_node_that_is_down_is_looked_for_seldom():
    """Most never return, and each look waits for a timeout. One that is back is found."""
    looks = []

    class GoneNode(FailingNode):
        async def status(self, *, timeout_seconds):
            looks.append(timeout_seconds)
            return await super().status(timeout_seconds=timeout_seconds)

    nodes = {"a": RespondingNode(), "gone": GoneNode(Unreachable("off"))}
    fleet = Fleet(nodes)
    fleet.follow(["a"])
    for _ in range(60):
        await fleet.poll()
    assert len(looks) == 2
    assert set(fleet.view()) == {"a"}
    nodes["gone"] = RespondingNode(node="gone")
    await fleet.poll()
    assert fleet.is_up("gone")
