"""Lifting of fences, with nodes that only record."""

import pytest

from storagemaster.repair.fence_lifting import LEFT_SECONDS_MAX, PROGRESS_SECONDS, missed_tombstones
from storagenode.protocol.errors import NodeError, Unreachable
from storagenode.protocol.layout import HintFile, Place
from storagenode.protocol.wire import HINTS_PER_LIST_MAX
from tests.storagemaster.repair.fenced_nodes import Cluster
from volumes.photo_path import Info, PhotoTombstone, PhotoVersion, VersionTombstone

ONE = PhotoTombstone(1, "01jd3x8m2c9qp4k7")
TWO = VersionTombstone(PhotoVersion(1, "01jd3x8m2c9qp4m8", "3fz8qd"))
NAMES = {"k7": {"01jd3x8m2c9qp4k7.gone"}, "m8": {"01jd3x8m2c9qp4m8_3fz8qd.gone"}}


@pytest.fixture(name="cluster")
def _cluster():
    return Cluster()


def hint_in(volume):
    """Return a hint of a volume."""
    return HintFile(Place(Info(PhotoVersion(volume, "01jd3x8m2c9qp4k7", "3fz8qd")), "east"), 1, "")


async def test_a_fence_is_lifted_after_the_missed_tombstones(cluster):
    """With the seconds of the other mirror. Only shards that differ are listed."""
    cluster.fence(1)
    both = {"aa": {"01jd3x8m2c9qp4aa.gone"}}
    cluster.nodes["west"].tombstones_by_shard = NAMES | both
    cluster.east.tombstones_by_shard = {"k7": {"01jd3x8m2d0000k7.gone"}} | both
    assert await cluster.lifter.lift_fences() == 1
    assert cluster.east.received == [(ONE, 4), (TWO, 4)]
    assert cluster.east.listed == cluster.nodes["west"].listed == [{1: ["k7", "m8"]}]
    assert cluster.east.lifted == [(1, "1")]
    assert cluster.east.progress == ["1"]
    assert cluster.nodes["west"].received == []


async def test_progress_is_noted_once_a_second(cluster):
    """However many tombstones are delivered meanwhile. Without it, the fence would fall."""
    cluster.fence(1)
    cluster.nodes["west"].tombstones_by_shard = NAMES
    cluster.seconds_each = PROGRESS_SECONDS / 2
    assert await cluster.lifter.lift_fences() == 1
    assert cluster.east.progress == ["1"] * 2


async def test_a_fence_is_lifted_by_the_owner_of_its_volume(cluster):
    """The others lift it only if the owner does not, for example because it reaches no node."""
    cluster.owned = {2}
    cluster.fence(1, 2)
    assert await cluster.lifter.lift_fences() == 1
    assert cluster.east.lifted == [(2, "1")]
    cluster.now_seconds += LEFT_SECONDS_MAX - 0.1
    assert await cluster.lifter.lift_fences() == 0
    cluster.now_seconds += 0.2
    assert await cluster.lifter.lift_fences() == 1
    assert cluster.east.lifted == [(2, "1"), (1, "1")]


async def test_a_fence_of_a_dead_owner_is_lifted_at_once(cluster):
    """Its next owner takes it over."""
    cluster.owned = set()
    cluster.fence(1)
    assert await cluster.lifter.lift_fences() == 0
    cluster.owned = {1}
    assert await cluster.lifter.lift_fences() == 1


async def test_a_fence_that_is_raised_again_is_left_to_its_owner_again(cluster):
    """Its time begins again."""
    cluster.owned = set()
    cluster.fence(1)
    assert await cluster.lifter.lift_fences() == 0
    cluster.now_seconds += LEFT_SECONDS_MAX + 1
    cluster.fence(1, serial="2")
    assert await cluster.lifter.lift_fences() == 0


async def test_without_a_fence_no_node_is_asked(cluster):
    """A volume that the config does not have counts for none, and so does a node that is down."""
    for node in cluster.nodes.values():
        node.failing = dict.fromkeys(("digests", "hints", "lift"), AssertionError)
        node.status.hints = 1
    assert await cluster.lifter.lift_fences() == 0
    cluster.fence(7)
    assert await cluster.lifter.lift_fences() == 0
    cluster.fence(1)
    cluster.down = {"east"}
    assert await cluster.lifter.lift_fences() == 0
    cluster.down = set()
    cluster.nodes["north"].status = None
    cluster.east.status = None
    assert await cluster.lifter.lift_fences() == 0


async def test_equal_tombstones_are_not_listed(cluster):
    """Every volume of the node is lifted."""
    cluster.fence(1, 2)
    for node in cluster.nodes.values():
        node.tombstones_by_shard = NAMES
    assert await cluster.lifter.lift_fences() == 2
    assert cluster.east.lifted == [(1, "1"), (2, "1")]
    assert cluster.east.listed == []
    assert cluster.east.lift_requests == 1


async def test_many_volumes_with_the_same_mirrors_share_requests(cluster):
    """One request compares them, and one lifts the fences of all that are equal."""
    volumes = range(1, 101)
    cluster.volumes = dict.fromkeys(volumes, cluster.volumes[1])
    cluster.owned = set(volumes)
    cluster.nodes["west"].tombstones_by_shard = NAMES
    cluster.fence(*volumes)
    assert await cluster.lifter.lift_fences() == len(volumes)
    for name in ("east", "west"):
        assert cluster.nodes[name].compared == [list(volumes)]
    assert cluster.east.lift_requests == 2
    assert cluster.east.lifted[-2:] == [(1, "1"), (2, "1")]
    assert len(cluster.east.listed) == 1


async def test_a_tombstone_that_the_node_cannot_write_keeps_the_fence_of_its_volume(cluster):
    """The other tombstones of the volume are delivered, and other volumes are lifted."""
    cluster.fence(1, 2)
    cluster.nodes["west"].tombstones_by_shard = NAMES
    cluster.unwritable = {ONE}
    assert await cluster.lifter.lift_fences() == 1
    assert cluster.east.lifted == [(2, "1")]
    assert (TWO, 4) in cluster.east.received
    cluster.unwritable = set()
    assert await cluster.lifter.lift_fences() == 1


async def test_the_fence_of_a_volume_that_a_mirror_does_not_report_stays(cluster):
    """Its tombstones are not known, whatever the mirror reports of other volumes."""
    cluster.fence(1, 2)
    for name in ("west", "east"):
        silent = cluster.nodes[name]
        silent.silent = {1}
        assert await cluster.lifter.lift_fences() == (name == "west")
        silent.silent = ()
    assert cluster.east.lifted == [(2, "1")]
    assert await cluster.lifter.lift_fences() == 1


async def test_a_fence_stays_while_another_mirror_is_down(cluster):
    """It may have the only tombstone of a delete."""
    cluster.fence(1)
    cluster.down = {"west"}
    assert await cluster.lifter.lift_fences() == 0
    cluster.down = {"north"}
    assert await cluster.lifter.lift_fences() == 1


async def test_a_fence_stays_while_another_mirror_follows_an_older_map(cluster):
    """It takes deletes that the new mirror never gets."""
    cluster.fence(1)
    cluster.nodes["west"].status.map_version = 1
    assert await cluster.lifter.lift_fences() == 0
    cluster.nodes["west"].status.map_version = 2
    assert await cluster.lifter.lift_fences() == 1


@pytest.mark.parametrize("step", ["digests", "shards", "names", "lift"])
@pytest.mark.parametrize("name", ["east", "west"])
async def test_a_fence_stays_while_a_node_fails(cluster, name, step):
    """The next pass tries again."""
    cluster.fence(1)
    cluster.nodes["west"].tombstones_by_shard = NAMES
    cluster.nodes[name].failing = {step: NodeError("no")}
    is_needed = (name, step) != ("west", "lift")
    assert await cluster.lifter.lift_fences() == (not is_needed)
    cluster.nodes[name].failing = {}
    assert await cluster.lifter.lift_fences() == is_needed


async def test_a_lifted_fence_is_not_lifted_twice(cluster):
    """The status of a node can be from before. Another serial is another fence."""
    cluster.fence(1)
    assert await cluster.lifter.lift_fences() == 1
    north = cluster.nodes["north"]
    north.status.hints, north.failing = 1, {"hints": AssertionError()}
    assert await cluster.lifter.lift_fences() == 0
    north.status.hints = 0
    cluster.fence(1, 2)
    assert await cluster.lifter.lift_fences() == 1
    cluster.fence()
    assert await cluster.lifter.lift_fences() == 0
    cluster.fence(1)
    assert await cluster.lifter.lift_fences() == 1
    cluster.fence(1, serial="2")
    assert await cluster.lifter.lift_fences() == 1
    assert cluster.east.lifted == [(1, "1"), (2, "1"), (1, "1"), (1, "2")]


@pytest.mark.parametrize("holder", ["west", "north"])
async def test_a_fence_stays_while_a_node_has_hints_of_the_volume(cluster, holder):
    """The node would not find a file that another holds for it. Its tombstones arrive already."""
    cluster.fence(1, 2)
    cluster.nodes["west"].tombstones_by_shard = NAMES
    cluster.nodes[holder].status.hints = 1
    cluster.nodes[holder].hints = {"east": [hint_in(1)], "west": [hint_in(2)]}
    assert await cluster.lifter.lift_fences() == 1
    assert cluster.east.lifted == [(2, "1")]
    assert (ONE, 4) in cluster.east.received


async def test_hints_for_other_nodes_and_on_nodes_that_are_down_are_not_waited_for(cluster):
    """The node's own hints are for others."""
    cluster.fence(1)
    cluster.east.status.hints = cluster.nodes["north"].status.hints = 1
    cluster.east.hints = cluster.nodes["north"].hints = {"east": [hint_in(1)]}
    cluster.nodes["north"].failing = {"hints": AssertionError()}
    cluster.down = {"north"}
    assert await cluster.lifter.lift_fences() == 1


async def test_a_full_list_of_hints_may_lack_some_of_any_volume(cluster):
    """No volume is lifted before it is shorter."""
    cluster.fence(1, 2)
    cluster.nodes["north"].status.hints = 1
    cluster.nodes["north"].hints = {"east": [hint_in(1)] * HINTS_PER_LIST_MAX}
    assert await cluster.lifter.lift_fences() == 0
    cluster.nodes["north"].hints = {"east": [hint_in(1)] * (HINTS_PER_LIST_MAX - 1)}
    assert await cluster.lifter.lift_fences() == 1


@pytest.mark.parametrize(
    ("error", "down"), [(NodeError("no"), set()), (Unreachable("no"), {"north"})]
)
async def test_a_holder_that_cannot_list_its_hints_delays_no_fence(cluster, error, down):
    """One that does not respond is down. The hints of others still count."""
    cluster.fence(1, 2)
    north, west = cluster.nodes["north"], cluster.nodes["west"]
    north.status.hints, north.failing = 1, {"hints": error}
    assert await cluster.lifter.lift_fences() == 2
    assert cluster.down == down
    cluster.down = set()
    cluster.fence(1, 2, serial="2")
    west.status.hints, west.hints = 1, {"east": [hint_in(1)]}
    assert await cluster.lifter.lift_fences() == 1
    assert cluster.east.lifted[2:] == [(2, "2")]


async def test_an_unproven_tombstone_delays_no_other(cluster):
    """No machine obeys it."""
    cluster.fence(1)
    cluster.nodes["west"].tombstones_by_shard = NAMES
    cluster.unproven = {ONE}
    assert await cluster.lifter.lift_fences() == 1
    assert cluster.east.received == [(TWO, 4)]


@pytest.mark.parametrize("files", [(), ("k7",)], ids=["empty", "filled"])
async def test_a_stray_has_tombstones_and_the_photos_of_an_empty_mirror(cluster, files):
    """An empty mirror waits until it is filled."""
    cluster.fence(1)
    stray = cluster.nodes["north"]
    stray.status.volumes, stray.tombstones_by_shard = (1,), NAMES
    cluster.east.files = files
    assert await cluster.lifter.lift_fences() == len(files)
    assert cluster.east.received == [(ONE, 5), (TWO, 5)]
    cluster.down = {"north"}
    cluster.fence(1, serial="2")
    assert await cluster.lifter.lift_fences() == 0


async def test_a_volume_that_is_empty_on_strays_too_is_lifted(cluster):
    """Nothing is elsewhere, and a stray is dropped only when no mirror has a fence."""
    cluster.fence(1)
    stray = cluster.nodes["north"]
    stray.status.volumes, stray.files, cluster.east.files = (1,), (), ()
    assert await cluster.lifter.lift_fences() == 1


async def test_a_stray_that_fails_keeps_the_fence(cluster):
    """It may have the only tombstone of a delete. So may a mirror."""
    cluster.fence(1)
    cluster.nodes["north"].status.volumes = (1,)
    cluster.nodes["north"].failing = {"digests": NodeError("no")}
    assert await cluster.lifter.lift_fences() == 0


async def test_a_node_without_a_status_or_hints_gets_no_request_for_them(cluster):
    """It has none for the node."""
    cluster.fence(1)
    cluster.nodes["north"].status = None
    cluster.nodes["west"].failing = {"hints": AssertionError()}
    assert await cluster.lifter.lift_fences() == 1


async def test_an_empty_mirror_without_strays_is_lifted(cluster):
    """A volume without photos has none elsewhere."""
    cluster.fence(1)
    cluster.east.files = ()
    assert await cluster.lifter.lift_fences() == 1


def test_missed_tombstones_are_those_that_only_the_other_has():
    """Sorted by name, and nothing else that a list may have."""
    theirs = {name for names in NAMES.values() for name in names}
    assert missed_tombstones(1, set(), theirs) == [ONE, TWO]
    assert missed_tombstones(1, NAMES["k7"], theirs) == [TWO]
    assert missed_tombstones(1, theirs, NAMES["k7"]) == []
    others = {"nonsense", "01jd3x8m2c9qp4k7_3fz8qd_o.jpg", "01jd3x8m2c9qp4k7_3fz8qd.json"}
    assert missed_tombstones(1, set(), others) == []
