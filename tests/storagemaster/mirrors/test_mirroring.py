"""Writes to the nodes of a placement, and to handoff nodes where those fail or lag."""

import asyncio
import dataclasses

import pytest

from storagemaster.errors import IdempotencyKeyReused, PhotoGone, Unavailable
from storagemaster.mirrors.copies import Copies, copies_of, pending_mirrors
from storagemaster.mirrors.mirroring import Mirroring, pull_seconds
from storagemaster.mirrors.placement import Placement, Target
from storagemaster.wire import Copy
from storagenode.protocol.errors import Conflict, Gone, NodeError, Unreachable
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from tests.storagemaster.mirrors.storing_nodes import (
    DATA,
    EAST,
    FILE,
    PATIENCE,
    PLACED,
    SHA256,
    WEST,
    Node,
    Nodes,
    jumping,
)
from tests.storagemaster.mirrors.test_placement import TWO_COLOS, cluster_of
from volumes.map.changes import next_map
from volumes.map.volume_map import map_of, tables_of, with_map


@pytest.fixture(name="nodes")
def _nodes():
    return Nodes()


def places(nodes, call):
    """Return the nodes and places of the calls of one kind."""
    return [(name, place) for name, called, place in nodes.calls if called == call]


both_ways = pytest.mark.parametrize("is_whole", [False, True], ids=["stream", "whole"])


@both_ways
def test_a_photo_is_stored_on_all_targets_at_once(nodes, is_whole):
    """The copies have its digest, and nothing is copied between nodes."""
    copies = nodes.stream(is_whole=is_whole)
    assert copies == Copies(
        targets=(EAST, WEST), spans_colos=True, digest=SHA256, size_bytes=len(DATA)
    )
    assert (copies.durability, copies.pending_mirrors) == ("mirrored", ())
    assert places(nodes, "put") == [("e1", Place(FILE)), ("w1", Place(FILE))]
    assert nodes.pulls == []


@both_ways
@pytest.mark.parametrize("error", [Unreachable("no"), NodeError("the disk failed")])
def test_a_handoff_node_pulls_what_a_target_did_not_store(nodes, is_whole, error):
    """Of the same colo, from the node that has it. Only what does not respond is down."""
    nodes["e1"].error = error
    copies = nodes.stream(is_whole=is_whole)
    assert copies.targets == (WEST, Target("e2", hint_for="e1"))
    assert (copies.durability, copies.pending_mirrors) == ("mirrored", ("e1",))
    assert not copies.existed
    (pull,) = nodes.pulls
    assert (pull.place, pull.source_node, pull.source_place) == (
        Place(FILE, "e1"),
        "w1",
        Place(FILE),
    )
    assert pull.replaces == ""
    assert nodes.down == ({"e1"} if isinstance(error, Unreachable) else set())


def without(cluster, *nodes):
    """Return the cluster by a next map, which has some nodes no longer."""
    left = {id_: node for id_, node in cluster.nodes.items() if id_ not in nodes}
    tables = dataclasses.replace(tables_of(cluster), nodes=left)
    return with_map(cluster, next_map(map_of(cluster), tables, why=""))


class LastNode(Node):
    """A node that stores a photo when the other one has left the volume map."""

    async def _store(self, call, place):
        self.cluster.cluster = without(self.cluster.cluster, "e1")
        return await super()._store(call, place)


@both_ways
def test_a_target_that_leaves_the_map_meanwhile_has_a_copy(nodes, is_whole):
    """The photo is durable, and the receipt says where: a node never changes its colo."""
    nodes.nodes["w1"] = LastNode("w1", nodes)
    copies = nodes.stream(is_whole=is_whole)
    assert (copies.targets, copies.durability) == ((EAST, WEST), "mirrored")
    listed = copies_of(nodes.cluster, copies)
    assert [(each.node, each.colo) for each in listed] == [("e1", "east"), ("w1", "west")]


def test_a_node_that_has_left_the_map_gets_no_hint(nodes):
    """It still responds."""
    nodes.cluster = without(nodes.cluster, "e2")
    nodes["e1"].error = NodeError("the disk failed")
    assert nodes.stream().targets == (WEST, Target("w2", hint_for="e1"))


@both_ways
def test_a_target_that_lags_longer_than_the_patience_is_replaced(nodes, is_whole):
    """One that lags less is waited for."""
    nodes["e1"].delay = PATIENCE - 0.1
    assert nodes.stream(is_whole=is_whole).targets == (EAST, WEST)
    nodes["e1"].delay = PATIENCE + 0.1
    assert nodes.stream(is_whole=is_whole).targets == (WEST, Target("e2", hint_for="e1"))
    assert nodes.down == {"e1"}


def test_a_handoff_node_that_lags_gives_way_to_the_next_one(nodes):
    """The last one has no limit but that of its own request."""
    nodes["e1"].error = Unreachable("no")
    nodes["e2"].delay = PATIENCE + 1
    assert nodes.stream().targets == (WEST, Target("w2", hint_for="e1"))
    assert nodes.down == {"e1", "e2"}
    nodes.down = {"e2"}
    nodes["w2"].delay = PATIENCE + 1
    copies = nodes.stream()
    assert copies.targets == (WEST, Target("w2", hint_for="e1"))
    assert copies.durability == "degraded"


def test_a_handoff_node_has_more_time_for_more_bytes(nodes):
    """A second for each ten megabytes."""
    for node in nodes.nodes.values():
        node.reported_bytes = 20_000_000
    nodes["e1"].error = Unreachable("no")
    nodes["e2"].delay = PATIENCE + 1.9
    assert nodes.stream().targets == (WEST, Target("e2", hint_for="e1"))


def test_a_handoff_node_that_fails_gives_way_to_the_next_one(nodes):
    """A failed target is none, and neither is one that has a copy."""
    nodes["e1"].error = nodes["e2"].error = NodeError("no")
    copies = nodes.stream()
    assert copies.targets == (WEST, Target("w2", hint_for="e1"))
    with pytest.raises(Unavailable, match="strict requires two"):
        nodes.stream(strict=True)
    nodes["w2"].error = NodeError("no")
    with pytest.raises(Unavailable, match="only one node stored the file"):
        nodes.stream()


def test_a_handoff_node_that_fails_is_replaced_for_the_same_mirror(nodes):
    """The hint is for the mirror that is down, which gets no request."""
    placed = Placement(1, (EAST, Target("w2", hint_for="w1")))
    nodes["w2"].error = NodeError("no")
    assert nodes.stream(placed=placed).targets == (EAST, Target("e2", hint_for="w1"))


def test_each_target_that_fails_is_replaced(nodes):
    """As far as there are nodes."""
    nodes.cluster = cluster_of(TWO_COLOS | {"w3": "west", "w4": "west"})
    nodes.nodes |= {name: Node(name, nodes) for name in ("w3", "w4")}
    nodes.mirroring = Mirroring(nodes)
    nodes["w1"].error = nodes["w2"].error = NodeError("no")
    copies = nodes.stream(placed=Placement(1, (EAST, WEST, Target("w2"))))
    assert copies.targets == (EAST, Target("w3", hint_for="w1"), Target("w4", hint_for="w2"))


def test_nothing_is_acknowledged_without_a_mirror(nodes):
    """Edges find no hint."""
    placed = Placement(1, (Target("e2", hint_for="e1"), WEST))
    nodes["w1"].error = NodeError("no")
    with pytest.raises(Unavailable, match="no mirror of the volume"):
        nodes.stream(placed=placed)
    nodes["e2"].error = NodeError("no")
    with pytest.raises(Unavailable, match="no node stored the photo"):
        nodes.stream(placed=placed)
    assert nodes.pulls == []


@both_ways
@pytest.mark.parametrize(
    ("error", "expected"), [(Conflict("other"), IdempotencyKeyReused), (Gone("gone"), PhotoGone)]
)
def test_a_refusal_of_one_mirror_holds_for_all(nodes, is_whole, error, expected):
    """Also if it comes from a handoff node."""
    nodes["w1"].error = error
    with pytest.raises(expected):
        nodes.stream(is_whole=is_whole)
    nodes["w1"].error, nodes["e2"].error = NodeError("no"), error
    nodes["w2"].error = error
    with pytest.raises(expected):
        nodes.stream(is_whole=is_whole)


def test_all_copies_have_the_earliest_second(nodes):
    """An earlier attempt stored one of them. The other takes its second, by replacing itself."""
    nodes["w1"].seconds, nodes["w1"].existed = 3, True
    copies = nodes.stream()
    assert copies.targets == (EAST, WEST)
    assert not copies.existed
    (pull,) = nodes.pulls
    assert (pull.source_node, pull.place, pull.replaces) == ("w1", Place(FILE), SHA256)


def test_each_of_several_copies_takes_the_earliest_second(nodes):
    """Not only the first."""
    placed = Placement(1, (EAST, WEST, Target("w2", hint_for="w1")))
    nodes["w1"].seconds = 3
    nodes.stream(placed=placed)
    assert [pull.place for pull in nodes.pulls] == [Place(FILE), Place(FILE, "w1")]


def test_a_copy_that_keeps_another_second_counts_as_failed(nodes):
    """A handoff node stores one with the right second."""
    nodes["w1"].seconds = 3
    pull = Node.pull

    async def refuse(pulled, *, timeout_seconds):
        await pull(nodes["e1"], pulled, timeout_seconds=timeout_seconds)
        raise NodeError("no")

    nodes["e1"].pull = refuse
    assert nodes.stream().targets == (WEST, Target("e2", hint_for="e1"))


@pytest.mark.parametrize(
    ("east", "west", "existed"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_a_photo_existed_if_every_copy_did(nodes, east, west, existed):
    """Otherwise the receipt is that of a new photo."""
    nodes["e1"].existed, nodes["w1"].existed = east, west
    assert nodes.stream().existed is existed
    nodes["e1"].error = NodeError("no")
    assert not nodes.stream().existed


def write_all(nodes, *, placed=PLACED, errors=(), delays=(), **options):
    """Run a short write on all targets; return the copies."""

    async def write(target):
        nodes.calls.append((target.node, "write", target.hint_for))
        await asyncio.sleep(dict(delays).get(target.node, 0))
        if target.node in dict(errors):
            raise dict(errors)[target.node]

    nodes.calls.clear()
    return jumping(nodes.mirroring.write_all(placed, write, **options))


def test_a_short_write_runs_on_all_targets_and_on_handoff_nodes(nodes):
    """Until two nodes have it, one of them a mirror."""
    assert write_all(nodes, strict=True) == Copies(targets=(EAST, WEST), spans_colos=True)
    copies = write_all(nodes, errors={"w1": NodeError("no")})
    assert copies.targets == (EAST, Target("w2", hint_for="w1"))
    assert [call[0] for call in nodes.calls] == ["e1", "w1", "w2"]
    with pytest.raises(Unavailable, match="no mirror"):
        write_all(nodes, errors={"e1": NodeError("no"), "w1": NodeError("no")})
    with pytest.raises(PhotoGone):
        write_all(nodes, errors={"e1": Gone("gone")})
    west_fails = {"w1": NodeError("no"), "w2": NodeError("no")}
    assert write_all(nodes, errors=west_fails).durability == "degraded"


def test_a_short_write_has_the_patience_of_uploads_or_its_own(nodes):
    """A relink on a bucket takes longer."""
    delays = {"w1": 2.0, "w2": 2.0, "e2": 2.0}
    assert write_all(nodes, delays={"w1": 2.0}).targets == (EAST, Target("w2", hint_for="w1"))
    assert write_all(nodes, delays=delays, patience_seconds=3.0).targets == (EAST, WEST)
    nodes.down = set()
    with pytest.raises(Unavailable, match="strict"):
        write_all(nodes, delays=delays, strict=True)


def publish_and_copy(nodes, holders, *, errors=(), existed=(), placed=PLACED, strict=False):
    """Store a file whose bytes are on the holders; return the copies."""

    async def publish(target):
        nodes.calls.append((target.node, "publish", Place(FILE, target.hint_for)))
        if target.node in dict(errors):
            raise dict(errors)[target.node]
        return Published("", SHA256, len(DATA), 7, existed=target.node in existed)

    nodes.calls.clear()
    nodes.pulls.clear()
    return jumping(
        nodes.mirroring.publish_and_copy(
            FILE, placed, holders, publish, size_bytes=len(DATA), strict=strict
        )
    )


def test_holders_publish_and_other_targets_pull(nodes):
    """With both as holders nothing is copied."""
    copies = publish_and_copy(nodes, ["e1", "w1"])
    assert copies == Copies(
        targets=(EAST, WEST), spans_colos=True, digest=SHA256, size_bytes=len(DATA)
    )
    assert nodes.pulls == []
    assert publish_and_copy(nodes, ["w1"]).targets == (EAST, WEST)
    assert nodes.calls == [("w1", "publish", Place(FILE)), ("e1", "pull", Place(FILE))]
    assert nodes.pulls[0].source_place == Place(FILE)


@pytest.mark.parametrize(
    ("first", "mirror"), [(EAST, "e1"), (Target("e2", hint_for="e1"), "e1")], ids=["mirror", "hint"]
)
def test_a_holder_that_is_no_target_stores_a_hint_as_the_source(nodes, first, mirror):
    """For the mirror of the first target."""
    copies = publish_and_copy(nodes, ["w2"], placed=Placement(1, (first, WEST)))
    assert copies.targets == (first, WEST)
    assert nodes.calls[0] == ("w2", "publish", Place(FILE, mirror))
    assert {pull.source_place for pull in nodes.pulls} == {Place(FILE, mirror)}


def test_a_holder_that_fails_is_replaced_by_a_copy_elsewhere(nodes):
    """If none publishes, nothing is stored."""
    copies = publish_and_copy(nodes, ["e1", "w1"], errors={"w1": NodeError("no")})
    assert copies.targets == (EAST, Target("w2", hint_for="w1"))
    failed = {"e1": NodeError("no"), "w1": Unreachable("no")}
    with pytest.raises(Unavailable, match="no node stored the photo"):
        publish_and_copy(nodes, ["e1", "w1"], errors=failed)
    assert nodes.down == {"w1"}
    with pytest.raises(IdempotencyKeyReused):
        publish_and_copy(nodes, ["e1", "w1"], errors=failed | {"w1": Conflict("other")})


@pytest.mark.parametrize(
    ("holders", "existed", "expected"),
    [
        (["e1", "w1"], ["e1", "w1"], True),
        (["e1", "w1"], ["e1"], False),
        (["e1"], ["e1"], False),
    ],
)
def test_a_published_photo_existed_if_every_copy_did(nodes, holders, existed, expected):
    """A copy that was pulled is new."""
    assert publish_and_copy(nodes, holders, existed=existed).existed is expected


def test_strict_holds_for_published_photos(nodes):
    """Both colos must have a copy."""
    nodes["w1"].error = nodes["w2"].error = NodeError("no")
    assert publish_and_copy(nodes, ["e1"]).durability == "degraded"
    with pytest.raises(Unavailable, match="strict"):
        publish_and_copy(nodes, ["e1"], strict=True)


def test_the_time_for_a_copy_grows_with_its_bytes():
    """A failing disk still gets it done."""
    assert pull_seconds(0) == 2.0
    assert pull_seconds(10_000_000) == 3.0


@pytest.mark.parametrize(
    ("stored", "pending"),
    [
        ((EAST, WEST, Target("w2")), ()),
        ((EAST, WEST), ("w2",)),
        ((WEST, Target("w2")), ("e1",)),
        ((EAST, Target("e2", hint_for="w2")), ("w2", "w1")),
        ((EAST, WEST, Target("w2"), Target("e2", hint_for="s3")), ("s3",)),
    ],
)
def test_each_mirror_without_a_copy_of_its_own_is_pending(stored, pending):
    """With a hint on a handoff node or, where no node could store it, without one."""
    volume = dataclasses.replace(cluster_of().volumes[1], mirrors=("e1", "w1", "w2"))
    assert pending_mirrors(cluster_of(), volume, stored) == pending


def test_a_receipt_names_node_colo_and_mirror_of_each_copy():
    """The mirror only for a hint."""
    copies = Copies(targets=(EAST, Target("e2", hint_for="w1")), spans_colos=False)
    assert copies_of(cluster_of(), copies) == (
        Copy(node="e1", colo="east", hint_for=""),
        Copy(node="e2", colo="east", hint_for="w1"),
    )
