"""Mirrors: queries to several nodes, and the placement of more files of a volume."""

import asyncio
import dataclasses

import pytest

from storagemaster.errors import Unavailable, UnknownVolume
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.mirrors import OPERATOR_PATIENCE_SECONDS, Mirrors
from storagenode.protocol.errors import NotFound, Unreachable
from tests.storagemaster.manual_clock import JumpingClockLoop
from tests.storagemaster.mirrors.test_fleet import RespondingNode
from tests.storagemaster.mirrors.test_placement import TWO_COLOS, cluster_of

NODES = {name: RespondingNode(node=name) for name in TWO_COLOS}


@pytest.fixture(name="mirrors")
def _mirrors(runner):
    """All four nodes, up, seen from colo west."""
    mirrors = Mirrors(cluster_of(), NODES, Fleet(NODES), "west")
    runner.run(mirrors.fleet.poll())
    return mirrors


async def test_query_returns_each_result_and_each_reason_in_order(mirrors):
    """A node that is down gets no request, and only an unreachable node is marked down."""
    mirrors.fleet.mark_down("e2", "it is off")
    outcomes = {"w2": "result", "w1": NotFound("no such file"), "e1": Unreachable("refused")}

    async def request(name, node):
        assert node is NODES[name]
        if isinstance(outcomes[name], Exception):
            raise outcomes[name]
        return outcomes[name]

    found = await mirrors.query(["w2", "e2", "w1", "e1"], request)
    assert found.results == {"w2": "result"}
    reasons = [("e2", "it is off"), ("w1", "no such file"), ("e1", "refused")]
    assert [*found.unreachable.items()] == reasons
    assert [name for name in TWO_COLOS if mirrors.fleet.is_up(name)] == ["w1", "w2"]


@pytest.mark.parametrize(
    ("store", "given_seconds", "patience_seconds"),
    [
        ("/srv/photos", None, 0.7),
        ("s3://bucket", None, 5.0),
        ("/srv/photos", OPERATOR_PATIENCE_SECONDS, 30.0),
    ],
)
def test_query_waits_for_a_node_that_hangs_as_long_as_is_promised(
    store, given_seconds, patience_seconds
):
    """It is marked down; a bucket gets more time than a disk, and operators wait longest."""
    cluster = cluster_of()
    nodes = {**cluster.nodes, "w1": dataclasses.replace(cluster.nodes["w1"], store=store)}
    mirrors = Mirrors(dataclasses.replace(cluster, nodes=nodes), NODES, Fleet(NODES), "west")

    async def request(name, _):
        await asyncio.sleep(1000 if name == "w1" else 1)
        return name

    async def query():
        await mirrors.fleet.poll()
        found = await mirrors.query(TWO_COLOS, request, patience_seconds=given_seconds)
        return found, asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=JumpingClockLoop) as runner:
        found, seconds = runner.run(query())
    assert [*found.results] == ["e1", "e2", "w2"]
    assert found.unreachable == {"w1": "it did not respond in time"}
    assert not mirrors.fleet.is_up("w1")
    assert seconds == pytest.approx(1 + patience_seconds)


def test_own_colo_is_first(mirrors):
    """Nodes of one colo keep their order."""
    assert mirrors.local_first(["e2", "w2", "e1", "w1"]) == ["w2", "w1", "e2", "e1"]


def test_error_of_a_placement_states_the_outcome_of_the_request(mirrors):
    """It has the reason, what did not happen, and what to do."""
    assert mirrors.place(1, outcome="nothing happened").is_complete
    for name in TWO_COLOS:
        mirrors.fleet.mark_down(name, "it is off")
    with pytest.raises(Unavailable, match="e1, w1 down; nothing happened, try again"):
        mirrors.place(1, outcome="nothing happened")
    with pytest.raises(UnknownVolume, match="volume 3 is not in the cluster's config"):
        mirrors.place(3, outcome="nothing happened")
