"""Plans of volumes in parts: what has one copy left comes first, and few shards at a time."""

from types import SimpleNamespace

import pytest

from storagemaster.mirrors.known_contents import KnownContents
from storagemaster.repair import volume_plan
from storagemaster.repair.danger import by_danger
from storagemaster.repair.steps import Copy, WriteTombstone
from storagemaster.repair.volume_comparison import VolumeComparison
from storagemaster.repair.volume_plan import SHARDS_AT_ONCE, VolumePlanner
from storagenode.protocol.files import ListedFile, VolumeSummary
from volumes.cluster import Volume
from volumes.photo_path import SHARDS

NODES = ("east", "north", "west")
DIGEST = "d" * 64


def name_in(shard, suffix):
    """Return the name of a file of the only photo in a shard."""
    return f"01jd3x8m2c9qp4{shard}{suffix}"


def listed(shard, *suffixes):
    """Return the listing of a shard."""
    return tuple(ListedFile(name_in(shard, suffix), 10, DIGEST) for suffix in suffixes)


ORIGINAL, SIZE, INFO = "_3fz8qd_o.jpg", "_3fz8qd_m.jpg", "_3fz8qd.json"


class Mirrors:
    """Three mirrors of volume 1, with the files of each shard, and what was listed of them."""

    def __init__(self, files):
        self.files = files
        self.listings = []
        mirrors = Volume(number=1, mirrors=NODES)
        self.cluster = SimpleNamespace(volumes={1: mirrors})
        self.fleet = SimpleNamespace(cold_tier_of=lambda _: None)
        self.strays = SimpleNamespace(now=dict)

    async def unequal_shards(self, volume, mirrors, cold_tier):
        """Return all shards in which mirrors differ."""
        assert (volume, tuple(mirrors), cold_tier) == (1, NODES, None)
        unequal = {shard for shard, by_node in self.files.items() if len(set(by_node.values())) > 1}
        return unequal, list(NODES)

    async def list_shards(self, volume, shards, mirrors):
        """Return the files of some shards by mirror."""
        assert volume == 1
        self.listings.append(tuple(shards))
        return {
            node: {shard: self.files[shard].get(node, ()) for shard in shards} for node in mirrors
        }

    def apply(self, steps):
        """Copy files as steps say."""
        for step in steps:
            assert isinstance(step, Copy)
            shard = step.file.photo_version.photo[-2:]
            source, found = (self.files[shard].get(n, ()) for n in (step.source, step.node))
            self.files[shard][step.node] = (*found, *(set(source) - set(found)))[: len(source)]


async def parts_of(mirrors):
    """Apply each part of a plan; return all parts."""
    parts = []
    async for part in VolumePlanner(mirrors, mirrors).parts(1):
        parts.append(part)
        mirrors.apply(part.plan.steps)
    return parts


def one_left(shard):
    """Return a shard whose photo only one mirror has."""
    return {"east": listed(shard, ORIGINAL), "north": (), "west": ()}


def two_left(shard):
    """Return a shard whose photo one mirror lacks."""
    return {"east": listed(shard, ORIGINAL), "north": listed(shard, ORIGINAL), "west": ()}


async def test_a_single_copy_in_any_shard_comes_before_all_others():
    """The last shard is in danger, and is repaired before the first one."""
    *others, last = SHARDS[: 2 * SHARDS_AT_ONCE]
    mirrors = Mirrors({**{shard: two_left(shard) for shard in others}, last: one_left(last)})
    parts = await parts_of(mirrors)
    copied = [step.file.photo_version.photo[-2:] for part in parts for step in part.plan.steps]
    assert copied[:2] == [last, last]
    assert sorted(copied[2:]) == sorted(others)


async def test_few_shards_are_listed_and_planned_at_a_time(monkeypatch):
    """A part has the shards of one request, if it has enough steps, and says how many are left."""
    monkeypatch.setattr(volume_plan, "STEPS_PER_PART_MIN", SHARDS_AT_ONCE)
    shards = SHARDS[: 3 * SHARDS_AT_ONCE - 1]
    mirrors = Mirrors({shard: one_left(shard) for shard in shards})
    parts = await parts_of(mirrors)
    assert [part.shards for part in parts] == [SHARDS_AT_ONCE, SHARDS_AT_ONCE, SHARDS_AT_ONCE - 1]
    assert [part.shards_left for part in parts] == [2 * SHARDS_AT_ONCE - 1, SHARDS_AT_ONCE - 1, 0]
    assert [len(each) for each in mirrors.listings] == [part.shards for part in parts]


async def test_parts_with_few_steps_are_joined():
    """Copies of a sparse volume run side by side, whatever shards they are in."""
    shards = SHARDS[: 3 * SHARDS_AT_ONCE - 1]
    mirrors = Mirrors({shard: one_left(shard) for shard in shards})
    (part,) = await parts_of(mirrors)
    assert (part.shards, part.shards_left) == (len(shards), 0)
    assert max(len(each) for each in mirrors.listings) == SHARDS_AT_ONCE


async def test_the_second_round_lists_again_what_it_copies():
    """Its plan is made of the mirrors' files after the first round."""
    shard, other = SHARDS[:2]
    mirrors = Mirrors({shard: two_left(shard), other: one_left(other)})
    first, second = await parts_of(mirrors)
    assert (first.shards, first.shards_left, second.shards_left) == (2, 1, 0)
    assert mirrors.listings == [(shard, other), (shard,)]
    assert [step.file.photo_version.photo[-2:] for step in second.plan.steps] == [shard]


async def test_a_version_is_in_danger_as_a_whole():
    """An info that two mirrors have comes with the size that only one has, and after it."""
    shard = SHARDS[0]
    files = {
        "east": listed(shard, ORIGINAL, SIZE, INFO),
        "north": listed(shard, ORIGINAL, INFO),
        "west": listed(shard, ORIGINAL),
    }
    (part,) = await parts_of(Mirrors({shard: files}))
    kinds = [type(step.file).__name__ for step in part.plan.steps]
    assert kinds == ["Variant", "Variant", "Info"]


async def test_tombstones_are_never_late():
    """A tombstone that two mirrors have is written with what is in danger."""
    shard = SHARDS[0]
    gone = listed(shard, ".gone")
    planner = VolumePlanner(
        *2 * (Mirrors({shard: {"east": gone, "north": gone, "west": listed(shard, ORIGINAL)}}),)
    )
    (part,) = [part async for part in planner.parts(1)]
    assert [type(step) for step in part.plan.steps] == [WriteTombstone]


async def test_equal_mirrors_are_one_empty_part():
    """The caller learns which mirrors were reached."""
    (part,) = await parts_of(Mirrors({}))
    assert (part.plan.steps, part.unreachable, part.shards) == ((), (), 0)


async def test_the_whole_plan_has_the_steps_of_all_parts():
    """An operator sees everything at once, and nothing is changed."""
    mirrors = Mirrors({shard: two_left(shard) for shard in SHARDS[: SHARDS_AT_ONCE + 1]})
    found = await VolumePlanner(mirrors, mirrors).plan(1)
    assert len(found.plan.steps) == SHARDS_AT_ONCE + 1
    assert {step.copies for step in found.plan.steps} == {2}


@pytest.mark.parametrize(
    ("photos", "copies", "missing_bytes"),
    [((9, 9, 9), 3, 0), ((9, 0, 9), 2, 90), ((9, 3, 0), 1, 150), ((), 0, 0)],
)
def test_the_danger_of_a_volume_follows_from_what_its_mirrors_report(photos, copies, missing_bytes):
    """A mirror with fewer photos than another one does not count as a copy."""
    comparison = VolumeComparison(SimpleNamespace(cluster=None, nodes=None, fleet=None))
    comparison.contents = KnownContents()
    for node, count in zip(NODES, photos, strict=False):
        comparison.contents.record(
            node, {1: VolumeSummary(digest="", photos=count, bytes=10 * count)}
        )
    assert comparison.copies_of(1) == copies
    assert comparison.missing_bytes_of(1) == missing_bytes


def test_what_has_the_fewest_copies_comes_first():
    """Items with as many copies stay in their order."""
    copies = {"a": 2, "b": 1, "c": 2, "d": 1}
    assert by_danger(copies, copies.__getitem__) == ["b", "d", "a", "c"]
