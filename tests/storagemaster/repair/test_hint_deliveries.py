"""Deliveries of hints, with nodes and edges that only record."""

import hashlib
from collections import Counter
from types import SimpleNamespace

import pytest

from storagemaster.caches.variants import all_variants
from storagemaster.repair import hinted_handoff
from storagemaster.repair.hinted_handoff import (
    ATTEMPTS_MAX,
    REFUSED_PAUSE_SECONDS_MIN,
    HintedHandoff,
)
from storagenode.protocol.errors import (
    Conflict,
    Gone,
    NodeError,
    NotFound,
    SourceUnreachable,
    StoreNotWritable,
    UnprovenTombstone,
    Unreachable,
)
from storagenode.protocol.files import ListedFile
from storagenode.protocol.layout import HintFile, Place
from storagenode.protocol.wire import parse_bundle
from volumes.cluster import Volume
from volumes.photo_path import Info, PhotoVersion, Variant, VersionTombstone, render_path
from volumes.sizes import DEFAULT_SIZES

OF = [PhotoVersion(1, "01jd3x8m2c9qp4k7", f"{number:06d}") for number in range(9)]
ORIGINALS = [Variant(each, "o", "jpg") for each in OF]


class Node:
    """A node. Each call of it is a step of the cluster, and can fail."""

    def __init__(self, name, cluster):
        self.url, self.name, self.cluster = f"http://{name}", name, cluster
        self.status = SimpleNamespace(hints=0, boot="1", cold_tiers={}, map_version=1)
        self.hints, self.failing, self.listed, self.existed = {}, {}, (), False

    def _step(self, call, what):
        self.cluster.steps.append((self.name, call, what))
        for key in ((call, what), call):
            if key in self.failing:
                raise self.failing[key]

    async def list_hints(self, mirror):
        """Return the hints for a mirror or an edge, or all."""
        self._step("list", mirror)
        wanted = self.hints if mirror is None else [mirror]
        return [hint for each in wanted for hint in self.hints.get(each, [])]

    async def remove_hint(self, place):
        """Record a removed hint."""
        self._step("remove", place)
        hints = self.hints[place.hint_for]
        hints[:] = [each for each in hints if each.place != place]

    async def pull(self, pull, *, timeout_seconds):
        """Record a pull."""
        assert timeout_seconds > 0
        self._step("pull", pull.place.file)
        self.cluster.pulls.append(pull)
        return SimpleNamespace(existed=self.existed)

    async def stat(self, place):
        """Return the second of a hint."""
        self._step("stat", place.file)
        return SimpleNamespace(mtime_seconds=7)

    async def fetch(self, place):
        """Return the bytes of a hint."""
        self._step("fetch", place.file)
        return SimpleNamespace(data=b"x", metadata=SimpleNamespace(mtime_seconds=7))

    async def put_bundle(self, photo_version, body, *, hint_for, mtime_seconds, timeout_seconds):
        """Record a bundle."""
        assert (hint_for, mtime_seconds) == (None, 7)
        assert timeout_seconds > 0
        paths = [each.path for each in parse_bundle(body)]
        self.cluster.bundles.append((photo_version, paths))
        self._step("bundle", photo_version)

    async def list_photo(self, volume, photo):
        """Return the files of a photo."""
        self._step("list photo", (volume, photo))
        return self.listed

    async def quarantine(self, place, *, digest):
        """Record a quarantined hint."""
        self._step("quarantine", (place, digest))


class Cluster:
    """Four nodes, of them east and west are the mirrors, and two edges."""

    def __init__(self):
        self.steps, self.pulls, self.bundles, self.down = [], [], [], set()
        self.nodes = {name: Node(name, self) for name in ("east", "west", "north", "south")}
        self.edges, self.sizes = {"e1": None, "e2": None}, DEFAULT_SIZES
        self.map_version = 1
        self.volumes = {1: Volume(number=1, mirrors=("east", "west"))}
        self.unpurged, self.cold_tier, self.seconds = set(), None, 0.0
        mirrors = SimpleNamespace(cluster=self, nodes=self.nodes, fleet=self)
        self.handoff = HintedHandoff(mirrors, self, self, clock=lambda: self.seconds)

    def view(self):
        """Return the views of all nodes."""
        return {
            name: SimpleNamespace(up=name not in self.down, status=node.status)
            for name, node in self.nodes.items()
        }

    def is_up(self, name):
        """Return True if a node is up."""
        return name not in self.down

    def mark_down(self, name, reason):
        """Record that a node is down."""
        assert reason
        self.down.add(name)

    def cold_tier_of(self, volume):
        """Return the cold tier."""
        assert volume == 1
        return self.cold_tier

    async def write_tombstone(self, name, tombstone, *, mtime_seconds):
        """Record a delivered tombstone."""
        assert mtime_seconds == 7
        self.nodes[name]._step("tombstone", tombstone)

    async def purge_late(self, edge, paths):
        """Record a purge; return True if the edge responds."""
        self.steps.append((edge, "purge", frozenset(paths)))
        return edge not in self.unpurged

    def hold(self, holder, mirror, *files):
        """Put hints on a node."""
        node = self.nodes[holder]
        node.status.hints = 1
        hints = [
            HintFile(Place(file, mirror), 1, hashlib.sha256(b"x").hexdigest()) for file in files
        ]
        node.hints.setdefault(mirror, []).extend(hints)

    async def deliver(self, *calls):
        """Run a pass; return the steps of these calls."""
        self.steps.clear()
        await self.handoff.deliver_all()
        return [step for step in self.steps if step[1] in calls]


@pytest.fixture(name="cluster")
def _cluster(monkeypatch):
    monkeypatch.setattr(hinted_handoff, "PULLS_AT_ONCE", 1)
    return Cluster()


async def test_nodes_without_hints_are_not_asked(cluster):
    """Nor a node that is down, nor for hints for itself or for a mirror that is down."""
    assert await cluster.deliver("list") == []
    cluster.hold("north", "west", ORIGINALS[0])
    cluster.hold("south", "west", ORIGINALS[0])
    cluster.nodes["east"].status = None
    cluster.down = {"south", "west"}
    assert await cluster.deliver("list") == [
        ("north", "list", name) for name in (None, "east", "e1", "e2")
    ]


async def test_tombstones_of_all_holders_are_delivered_first(cluster):
    """A copy must not arrive before its tombstone."""
    cluster.hold("north", "west", ORIGINALS[0])
    cluster.hold("south", "west", VersionTombstone(OF[0]))
    assert await cluster.deliver("tombstone", "pull", "remove") == [
        ("west", "tombstone", VersionTombstone(OF[0])),
        ("south", "remove", Place(VersionTombstone(OF[0]), "west")),
        ("west", "pull", ORIGINALS[0]),
        ("north", "remove", Place(ORIGINALS[0], "west")),
    ]


async def test_a_holder_that_cannot_list_delays_no_other(cluster):
    """Neither its hints nor its purges."""
    for holder in ("north", "south"):
        cluster.hold(holder, "west", ORIGINALS[0])
    cluster.nodes["north"].failing = {"list": NodeError("no")}
    assert [step[0] for step in await cluster.deliver("remove")] == ["south"]
    assert ("south", "list", "e2") in cluster.steps


async def test_a_mirror_that_goes_down_gets_nothing_more_in_the_pass(cluster):
    """Each attempt would cost a time-out. It is not a fault of the hints."""
    cluster.hold("north", "west", *ORIGINALS[:3])
    cluster.nodes["west"].failing = {"pull": Unreachable("no")}
    assert len(await cluster.deliver("pull")) == 1
    assert cluster.down == {"west"}
    cluster.down, cluster.nodes["west"].failing = set(), {}
    assert len(await cluster.deliver("pull")) == 3


async def test_a_full_mirror_gets_no_more_files_in_the_pass(cluster):
    """Other mirrors do, and the next pass tries it again, without an end."""
    cluster.hold("north", "west", *ORIGINALS[:2])
    cluster.hold("north", "east", *ORIGINALS[:2])
    cluster.nodes["west"].failing = {"pull": StoreNotWritable("full")}
    for expected in ({"west": 1, "east": 2}, *[{"west": 1}] * ATTEMPTS_MAX):
        found = Counter(step[0] for step in await cluster.deliver("pull"))
        assert found == expected


async def test_a_broken_link_is_not_tried_twice_in_a_pass(cluster):
    """The mirror gets what other nodes hold."""
    cluster.hold("north", "west", *ORIGINALS[:2])
    cluster.hold("south", "west", *ORIGINALS[2:4])
    broken = {("pull", each): SourceUnreachable("cut") for each in ORIGINALS[:2]}
    cluster.nodes["west"].failing = broken
    for expected in ([0, 2, 3], *[[0]] * ATTEMPTS_MAX):
        assert [step[2] for step in await cluster.deliver("pull")] == [
            ORIGINALS[number] for number in expected
        ]


async def test_a_hint_that_cannot_be_stored_is_given_up(cluster):
    """Others are not. After a pass in which it was not listed it is tried again."""
    cluster.hold("north", "west", *ORIGINALS[:2])
    cluster.nodes["west"].failing = {("pull", ORIGINALS[0]): NodeError("damaged")}
    counts = [len(await cluster.deliver("pull")) for _ in range(ATTEMPTS_MAX + 2)]
    assert counts == [2, *[1] * (ATTEMPTS_MAX - 1), 0, 0]
    cluster.nodes["north"].status.hints = 0
    assert await cluster.deliver("pull") == []
    cluster.nodes["north"].status.hints = 1
    assert len(await cluster.deliver("pull")) == 1


@pytest.mark.parametrize("error", [Unreachable("no"), UnprovenTombstone("no"), NotFound("no")])
async def test_other_failures_are_tried_without_an_end(cluster, error):
    """Another storagemaster may also have been faster."""
    cluster.hold("north", "west", VersionTombstone(OF[0]))
    cluster.nodes["west"].failing = {"tombstone": error}
    for _ in range(ATTEMPTS_MAX + 2):
        cluster.down = set()
        assert len(await cluster.deliver("tombstone")) == 1
    assert not [step for step in cluster.steps if step[1] == "remove"]


async def test_a_refused_tombstone_blocks_no_other_hint(cluster):
    """The mirror keeps it in memory. A new process of it, or a new hint, does not wait."""
    cluster.hold("north", "west", VersionTombstone(OF[0]), VersionTombstone(OF[1]), ORIGINALS[2])
    west = cluster.nodes["west"]
    west.failing = {("tombstone", VersionTombstone(OF[0])): StoreNotWritable("full")}
    assert len(await cluster.deliver("tombstone", "pull")) == 3
    assert await cluster.deliver("tombstone", "pull") == []
    west.status = SimpleNamespace(hints=0, boot="2", cold_tiers={})
    assert len(await cluster.deliver("tombstone")) == 1
    assert len(await cluster.deliver("tombstone")) == 0
    for pause in (REFUSED_PAUSE_SECONDS_MIN, 2 * REFUSED_PAUSE_SECONDS_MIN, 10_000):
        cluster.seconds += pause - 0.1
        assert len(await cluster.deliver("tombstone")) == (pause == 10_000)
        cluster.seconds += 0.1
        assert len(await cluster.deliver("tombstone")) == (pause != 10_000)
    for hints, count in ((0, 0), (1, 1)):
        cluster.nodes["north"].status.hints = hints
        assert len(await cluster.deliver("tombstone")) == count


@pytest.mark.parametrize(
    ("name", "call", "down"),
    [
        ("north", "stat", {"north"}),
        ("west", "tombstone", {"west"}),
        ("north", "remove", {"north"}),
    ],
)
async def test_the_node_that_does_not_respond_is_down(cluster, name, call, down):
    """The holder of a tombstone, or its mirror."""
    cluster.hold("north", "west", VersionTombstone(OF[0]))
    cluster.nodes[name].failing = {call: Unreachable("no")}
    await cluster.deliver()
    assert cluster.down == down


SIZES = [Variant(OF[0], "m", "jpg"), Variant(OF[0], "t", "jpg"), Info(OF[0])]


async def test_sizes_are_delivered_in_one_request_with_their_info_last(cluster):
    """All hints are removed then."""
    cluster.hold("north", "west", *SIZES)
    removed = await cluster.deliver("remove")
    assert [step[2] for step in removed] == [Place(each, "west") for each in SIZES]
    assert cluster.bundles == [(OF[0], [render_path(each) for each in SIZES])]


@pytest.mark.parametrize("error", [Gone("deleted"), Conflict("other sizes")])
async def test_sizes_that_the_mirror_does_not_need_count_as_delivered(cluster, error):
    """So does a single size."""
    cluster.hold("north", "west", *SIZES, Variant(OF[1], "m", "jpg"))
    cluster.nodes["west"].failing = {"bundle": error, "pull": error}
    assert len(await cluster.deliver("remove")) == 4


@pytest.mark.parametrize(("name", "call"), [("north", "fetch"), ("west", "bundle")])
async def test_sizes_stay_while_a_node_does_not_respond(cluster, name, call):
    """It is down."""
    cluster.hold("north", "west", *SIZES)
    cluster.nodes[name].failing = {call: Unreachable("no")}
    assert await cluster.deliver("remove") == []
    assert cluster.down == {name}


@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize("file", [ORIGINALS[0], SIZES[0]])
async def test_an_original_that_the_mirror_had_gives_its_second_to_the_others(
    cluster, file, existed
):
    """Another attempt of the upload stored it there, and a later second elsewhere."""
    cluster.volumes = {1: Volume(number=1, mirrors=("west", "east", "south"))}
    cluster.hold("north", "west", file)
    cluster.nodes["west"].existed = existed
    pulled = await cluster.deliver("pull")
    first, *others = cluster.pulls
    digest = hashlib.sha256(b"x").hexdigest()
    assert (first.place, first.source_place) == (Place(file), Place(file, "west"))
    assert (first.source_node, first.source) == ("north", "http://north")
    assert (first.digest, first.replaces) == (digest, digest)
    if existed and file == ORIGINALS[0]:
        back, _ = others
        assert [step[0] for step in pulled] == ["west", "east", "south"]
        assert (back.place, back.source_place) == (Place(file), Place(file))
        assert (back.source_node, back.source) == ("west", "http://west")
    else:
        assert others == []


def listed(ext="png", digest="other"):
    """Return the listing of a photo with an original."""
    return (ListedFile(f"{OF[0].photo}_{OF[0].version}_o.{ext}", 1, digest),)


@pytest.mark.parametrize(
    ("east", "west", "is_settled"),
    [
        (listed(), listed(), True),
        (listed(), listed("heic"), False),
        (listed(), listed(digest="another"), False),
        (listed(), (), False),
        ((), (), False),
        (listed(digest=""), listed(digest=""), False),
    ],
)
async def test_a_hint_gives_way_once_all_mirrors_have_the_same_other_original(
    cluster, east, west, is_settled
):
    """Until then it counts as a copy."""
    cluster.hold("north", "west", ORIGINALS[0])
    cluster.nodes["west"].failing = {"pull": Conflict("another original")}
    cluster.nodes["east"].listed, cluster.nodes["west"].listed = east, west
    found = await cluster.deliver("quarantine", "remove")
    hint = (Place(ORIGINALS[0], "west"), hashlib.sha256(b"x").hexdigest())
    assert found == [("north", "quarantine", hint)] * is_settled


async def test_of_an_offloaded_volume_only_the_cold_nodes_have_originals(cluster):
    """They decide. A node that fails decides nothing, and delays nothing."""
    cluster.hold("north", "west", *ORIGINALS[:2])
    cluster.nodes["west"].failing = {("pull", ORIGINALS[0]): Conflict("another original")}
    cluster.nodes["west"].listed = listed()
    cluster.cold_tier = SimpleNamespace(cold_nodes=("west",))
    cluster.nodes["east"].failing = {"list photo": AssertionError()}
    assert len(await cluster.deliver("quarantine", "remove")) == 2
    cluster.cold_tier = None
    cluster.nodes["east"].failing = {"list photo": NodeError("no")}
    assert await cluster.deliver("quarantine", "remove") == []


async def test_purges_are_sent_in_order_until_an_edge_misses_one(cluster):
    """Each is removed from its holder once the edge has it. Other edges do not wait."""
    for edge in ("e1", "e2"):
        cluster.hold("north", edge, VersionTombstone(OF[0]), VersionTombstone(OF[1]))
    cluster.unpurged = {"e1"}
    purges = [frozenset(all_variants(each, DEFAULT_SIZES)) for each in OF[:2]]
    assert await cluster.deliver("purge", "remove") == [
        ("e1", "purge", purges[0]),
        ("e2", "purge", purges[0]),
        ("north", "remove", Place(VersionTombstone(OF[0]), "e2")),
        ("e2", "purge", purges[1]),
        ("north", "remove", Place(VersionTombstone(OF[1]), "e2")),
    ]
