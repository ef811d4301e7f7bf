"""Applied plans: order of the steps, their failures, and what a later pass does not try again."""

from types import SimpleNamespace

import pytest

from storagemaster.repair.cycle import CYCLE_SECONDS
from storagemaster.repair.reconcile import ATTEMPTS_MAX, Reconciler
from storagemaster.repair.steps import (
    Copy,
    Plan,
    QuarantineInfo,
    Replace,
    ReplaceSizes,
    RestoreDigest,
    WriteTombstone,
)
from storagenode.protocol.errors import (
    Corrupt,
    Gone,
    NodeError,
    NotFound,
    SourceUnreachable,
    StoreNotWritable,
    UnprovenTombstone,
    Unreachable,
)
from storagenode.protocol.layout import Place
from volumes.cluster import Volume
from volumes.photo_path import Info, PhotoVersion, Variant, VersionTombstone

OF = [PhotoVersion(1, f"01jd3x8m2c9{number:03d}k7", "3fz8qd") for number in range(9)]
LARGE = 64 * 1024 * 1024
TOMBSTONE = WriteTombstone("west", VersionTombstone(OF[0]), "east")
COPIES = [Copy("west", Variant(each, "o", "jpg"), "east", f"d{each}", LARGE) for each in OF]
INFO = Copy("west", Info(OF[1]), "east", "i", 10)
REPLACED = Replace("west", Variant(OF[2], "m", "jpg"), "east", "new", 20, "old")
SIZES = ReplaceSizes("west", Info(OF[3]), "east", (REPLACED, INFO))


class Node:
    """A node. Each call of it is a step of the cluster, and can fail."""

    def __init__(self, name, cluster):
        self.url, self.name, self.cluster = f"http://{name}", name, cluster
        self.status = SimpleNamespace(hints=0, cold_tiers={}, volumes=(1, 2))
        self.failing, self.hinted = {}, {}

    def _step(self, call, what):
        self.cluster.done.append((self.name, call, what))
        for key in (what, call):
            if key in self.failing:
                raise self.failing[key]

    async def pull(self, pull, *, timeout_seconds):
        """Record a pull."""
        self.cluster.pulls.append((pull, timeout_seconds))
        self._step("pull", pull.place.file)

    async def pull_many(self, pulls, *, timeout_seconds):
        """Record several pulls; return the error of each."""
        self.cluster.pulls += [(pull, timeout_seconds) for pull in pulls]
        self._step("pull many", tuple(pull.place.file for pull in pulls))
        return [self.failing.get(pull.place.file) for pull in pulls]

    async def restore_digest(self, place, digest):
        """Record a restored digest."""
        self._step(f"restore {digest}", place.file)

    async def quarantine(self, place, *, digest):
        """Record a quarantined file."""
        self._step(f"quarantine {digest}", place.file)

    async def stat(self, place):
        """Return the digest of a hint."""
        self.cluster.queried.append((self.name, place.hint_for))
        if place.hint_for not in self.hinted:
            raise NotFound("no hint")
        return SimpleNamespace(digest=self.hinted[place.hint_for])

    async def list_photo(self, volume, photo):
        """Return no file."""
        assert (volume, photo) == (1, OF[0].photo)
        return ()

    async def list_trash(self, volume, photo):
        """Return no file."""
        assert (volume, photo) == (1, OF[0].photo)
        return ()


class Cluster:
    """Three nodes. East and west are the mirrors of volumes 1 and 2."""

    def __init__(self):
        self.done, self.pulls, self.queried, self.down, self.polls = [], [], [], set(), 0
        self.nodes = {name: Node(name, self) for name in ("east", "west", "north")}
        volume = Volume(number=1, mirrors=("east", "west"))
        self.volumes = {1: volume, 2: volume}
        self.limits = SimpleNamespace(repair_bytes_per_second=10**12)
        mirrors = SimpleNamespace(
            cluster=self, nodes=self.nodes, fleet=self, owns=lambda _volume: True
        )
        self.last_fault, self.compared = 0, []
        settling = SimpleNamespace(
            begin=lambda: 0,
            record_comparison=lambda _, **how: how,
            needs_comparison=lambda _: True,
        )
        self.reconcile = Reconciler(
            mirrors,
            self,
            self,
            settling=settling,
            now_seconds=lambda: 100.0,
            shuffle=list.reverse,
        )
        self.reconcile.comparison = self

    async def find_equal(self, volumes):
        """Note the volumes of a pass; all are equal."""
        self.compared.append(list(volumes))
        return set(volumes)

    def copies_of(self, volume):
        """Return a number of copies."""
        return len(self.volumes[volume].mirrors)

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

    async def poll(self):
        """Count the polls."""
        self.polls += 1

    async def seconds_of(self, name, tombstone):
        """Return the second of a delete."""
        self.nodes[name]._step("second", tombstone)
        return 7

    async def write_tombstone(self, name, tombstone, *, mtime_seconds):
        """Record a tombstone."""
        self.nodes[name]._step(f"tombstone {mtime_seconds}", tombstone)

    async def apply(self, *steps, **options):
        """Apply a plan; return its report."""
        self.done.clear()
        return await self.reconcile.apply(Plan(steps), **options)


@pytest.fixture(name="cluster")
def _cluster():
    return Cluster()


async def test_tombstones_come_first_and_infos_last(cluster):
    """Whatever the order of the plan. Small copies on a link share a request."""
    small = [Copy("west", Variant(each, "t", "jpg"), "east", "s", 5) for each in OF[:2]]
    quarantined = QuarantineInfo("east", Info(OF[4]), "q")
    restored = RestoreDigest("east", Variant(OF[5], "o", "jpg"), "r")
    report = await cluster.apply(INFO, quarantined, *small, COPIES[0], restored, TOMBSTONE)
    files = [step[2] for step in cluster.done]
    assert cluster.done[:2] == [
        ("east", "second", TOMBSTONE.file),
        ("west", "tombstone 7", TOMBSTONE.file),
    ]
    assert set(files[2:-2]) == {tuple(each.file for each in small), COPIES[0].file, restored.file}
    assert ("east", "restore r", restored.file) in cluster.done
    assert set(cluster.done[-2:]) == {
        ("west", "pull", INFO.file),
        ("east", "quarantine q", quarantined.file),
    }
    assert (report.done, report.copied_bytes, report.failed) == (7, LARGE + 20, {})


async def test_a_pull_names_what_it_copies_and_what_it_replaces(cluster):
    """A copy replaces nothing. Large files have more time."""
    await cluster.apply(COPIES[0])
    await cluster.apply(REPLACED)
    (copied, long), (replaced, short) = cluster.pulls
    assert (copied.source_node, copied.source) == ("east", "http://east")
    assert copied.place == copied.source_place == Place(COPIES[0].file)
    assert (copied.digest, copied.replaces) == (COPIES[0].digest, "")
    assert (replaced.digest, replaced.replaces) == ("new", "old")
    assert long > short > 0


async def test_sizes_are_replaced_after_all_of_them_are_verified(cluster):
    """Sizes of two workers never mix."""
    report = await cluster.apply(SIZES)
    files = [REPLACED.file, INFO.file]
    assert cluster.done == [
        ("east", "restore new", REPLACED.file),
        ("east", "restore i", INFO.file),
        *(("west", "pull", file) for file in files),
    ]
    assert (report.done, report.copied_bytes) == (1, 30)
    cluster.nodes["east"].failing = {INFO.file: Corrupt("flipped")}
    report = await cluster.apply(SIZES)
    assert not [step for step in cluster.done if step[1] == "pull"]
    assert report.failed == {SIZES: "flipped"}


async def test_a_step_that_fails_too_often_is_given_up(cluster):
    """The report has the reason. Other steps are done."""
    cluster.nodes["west"].failing = {COPIES[0].file: NodeError("damaged")}
    for attempt in range(ATTEMPTS_MAX):
        assert cluster.reconcile.given_up == {}, attempt
        report = await cluster.apply(COPIES[0], COPIES[1])
        assert report.failed == {COPIES[0]: "damaged"}
        assert report.done == 1
    assert cluster.reconcile.given_up == {COPIES[0]: "damaged"}
    report = await cluster.apply(COPIES[0], COPIES[1])
    assert report.failed == {
        COPIES[0]: f"not retried after {ATTEMPTS_MAX} failed attempts: damaged"
    }
    assert [step[2] for step in cluster.done] == [COPIES[1].file]


async def test_a_success_and_a_forgotten_failure_begin_to_count_anew(cluster):
    """Failures of other volumes, and those to keep, stay."""
    west = cluster.nodes["west"]
    west.failing = {"pull": NodeError("damaged")}
    for _ in range(ATTEMPTS_MAX - 1):
        await cluster.apply(COPIES[0], COPIES[1])
    west.failing = {}
    await cluster.apply(COPIES[0])
    west.failing = {"pull": NodeError("damaged")}
    await cluster.apply(COPIES[0], COPIES[1])
    assert cluster.reconcile.given_up == {COPIES[1]: "damaged"}
    cluster.reconcile.forget_failures(2)
    cluster.reconcile.forget_failures(1, keep=[COPIES[1]])
    assert cluster.reconcile.given_up == {COPIES[1]: "damaged"}
    cluster.reconcile.forget_failures(1)
    assert cluster.reconcile.given_up == {}


@pytest.mark.parametrize(
    "error",
    [
        StoreNotWritable("full"),
        SourceUnreachable("cut"),
        Unreachable("down"),
        UnprovenTombstone("no proof"),
    ],
)
async def test_what_is_not_the_fault_of_a_file_is_retried_without_limit(cluster, error):
    """A full disk, a node that is down, a tombstone without a proof."""
    cluster.nodes["west"].failing = {"tombstone 7": error, "pull": error}
    for step in [TOMBSTONE, COPIES[0]] * ATTEMPTS_MAX:
        report = await cluster.apply(step)
        assert report.failed == {step: str(error)}
    assert cluster.reconcile.given_up == {}
    assert cluster.down == ({"west"} if isinstance(error, Unreachable) else set())


async def test_a_deleted_photo_needs_no_copy(cluster):
    """It counts neither as done nor as failed, and its failures are forgotten."""
    west = cluster.nodes["west"]
    for error in [*[NodeError("damaged")] * (ATTEMPTS_MAX - 1), Gone("deleted"), NodeError("no")]:
        west.failing = {"pull": error}
        report = await cluster.apply(COPIES[0])
        assert report.done == report.copied_bytes == 0
        assert report.failed == ({} if isinstance(error, Gone) else {COPIES[0]: str(error)})
    assert cluster.reconcile.given_up == {}


async def test_each_file_of_a_request_has_its_own_outcome(cluster):
    """The time for the request grows with its files."""
    small = [Copy("west", Variant(each, "t", "jpg"), "east", "s", 5) for each in OF]
    failing = small[3]
    cluster.nodes["west"].failing = {failing.file: Corrupt("flipped")}
    report = await cluster.apply(*small)
    assert report.failed == {failing: "flipped"}
    assert (report.done, report.copied_bytes) == (8, 40)
    many = cluster.pulls[-1][1]
    await cluster.apply(*small[:2])
    assert many > cluster.pulls[-1][1]


async def test_a_broken_link_costs_one_attempt_a_pass(cluster):
    """Steps over other links, and steps that copy nothing, are done."""
    cluster.nodes["west"].failing = {"pull": SourceUnreachable("cut")}
    others = [Copy("east", Variant(OF[6], "o", "jpg"), "west", "x", LARGE), TOMBSTONE]
    report = await cluster.apply(*COPIES, *others)
    assert report.done == 2
    assert report.failed == dict.fromkeys(COPIES, "cut")
    pulled = [step for step in cluster.done if step[:2] == ("west", "pull")]
    assert len(pulled) < len(COPIES)
    cluster.nodes["west"].failing = {}
    assert (await cluster.apply(*COPIES)).done == len(COPIES)


async def test_a_source_that_does_not_respond_is_not_the_fault_of_the_node(cluster):
    """Only the node of the step is marked down by it."""
    cluster.nodes["east"].failing = {"second": Unreachable("no"), "restore new": Unreachable("no")}
    report = await cluster.apply(TOMBSTONE, SIZES)
    assert report.failed == {TOMBSTONE: "no", SIZES: "no"}
    assert cluster.down == set()


SOLE = RestoreDigest("west", Variant(OF[0], "o", "jpg"), "", is_sole_copy=True)


async def test_a_sole_copy_gets_the_digest_of_a_hint_or_its_own(cluster):
    """Nodes without hints get no request. The counts of hints are refreshed first."""
    north = cluster.nodes["north"]
    assert (await cluster.apply(SOLE)).done == 1
    assert cluster.done == [("west", "restore ", SOLE.file)]
    assert cluster.queried == []
    north.status.hints, north.hinted = 1, {"west": "from a hint"}
    await cluster.apply(SOLE)
    assert cluster.done == [("west", "restore from a hint", SOLE.file)]
    assert cluster.queried == [("north", "east"), ("north", "west")]
    assert cluster.polls == 2
    await cluster.apply(RestoreDigest("west", SOLE.file, "known"))
    assert cluster.done == [("west", "restore known", SOLE.file)]
    assert cluster.polls == 2


@pytest.mark.parametrize("has_status", [False, True])
async def test_a_sole_copy_waits_while_a_node_that_may_have_another_is_down(cluster, has_status):
    """Its bytes may be damaged."""
    if has_status:
        cluster.down = {"north"}
    else:
        cluster.nodes["north"].status = None
    report = await cluster.apply(SOLE)
    assert cluster.done == []
    assert "north may have a copy and is down" in report.failed[SOLE]
    assert cluster.down <= {"north"}


@pytest.mark.parametrize(("volumes", "a_pass"), [(1, 1), (2, 1), (15, 1), (16, 2), (300, 20)])
async def test_all_volumes_take_one_cycle(cluster, volumes, a_pass):
    """Whatever their number. Each is in one pass."""
    cluster.volumes = dict.fromkeys(range(volumes), cluster.volumes[1])
    passes = -(-volumes // a_pass)
    assert cluster.reconcile.pause_seconds == pytest.approx(CYCLE_SECONDS * a_pass / volumes)
    for _ in range(passes):
        await cluster.reconcile.reconcile_next()
    assert {len(each) for each in cluster.compared[:-1]} <= {a_pass}
    assert sorted(volume for each in cluster.compared for volume in each) == [*range(volumes)]


async def test_each_storagemaster_has_its_own_order(cluster):
    """A shuffled one, in every cycle."""
    for _ in range(4):
        await cluster.reconcile.reconcile_next()
    assert cluster.compared == [[1], [2], [1], [2]]


async def test_volumes_that_a_fault_has_touched_come_first(cluster):
    """Once, and only if all their mirrors are up."""
    cluster.last_fault = 5
    for _ in range(2):
        await cluster.reconcile.reconcile_next()
    assert cluster.compared == [[2, 1], [1], [2]]
    cluster.last_fault, cluster.down, cluster.compared = 6, {"east"}, []
    await cluster.reconcile.reconcile_next()
    assert cluster.compared == [[1]]
