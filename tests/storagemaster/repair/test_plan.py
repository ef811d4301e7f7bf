"""The repair plan: union, tombstones first, and no conclusion from an unreachable mirror."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from storagemaster.repair.plan import plan_shard
from storagemaster.repair.repairs import ACTIONS
from storagemaster.repair.steps import (
    Conflict,
    Copy,
    HeldOriginal,
    Plan,
    QuarantineInfo,
    Replace,
    ReplaceSizes,
    RestoreDigest,
    Step,
    WriteTombstone,
)
from storagenode.protocol.files import ListedFile
from volumes.cold_tier import ColdTier
from volumes.photo_path import (
    Info,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    parse_name,
)

OF = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
STEM = f"{OF.photo}_{OF.version}"
ORIGINAL, SMALL, INFO = f"{STEM}_o.jpg", f"{STEM}_m.jpg", f"{STEM}.json"
VERSION_GONE, PHOTO_GONE = f"{STEM}.gone", f"{OF.photo}.gone"
NAMES = (ORIGINAL, SMALL, INFO, VERSION_GONE, PHOTO_GONE)


def listing(**digests):
    """Return the listing of a mirror from digests by short name."""
    names = {"o": ORIGINAL, "m": SMALL, "info": INFO, "version": VERSION_GONE, "photo": PHOTO_GONE}
    return [ListedFile(names[short], 10, digest) for short, digest in digests.items()]


def plan(*, complete=True, **listings):
    """Return the plan for mirrors by name."""
    return plan_shard(1, listings, complete=complete)


def test_equal_mirrors_need_nothing():
    """The plan has neither steps nor conflicts."""
    assert plan(east=listing(o="a", info="b"), west=listing(o="a", info="b")) == Plan()


def test_missing_files_are_copied_with_the_info_last():
    """The presence of an info means that its sizes are there."""
    steps = plan(east=listing(info="i", o="a", m="b"), west=[]).steps
    assert [(step.node, step.file) for step in steps] == [
        ("west", Variant(OF, "o", "jpg")),
        ("west", Variant(OF, "m", "jpg")),
        ("west", Info(OF)),
    ]
    assert all(isinstance(step, Copy) and step.source == "east" for step in steps)


def test_a_tombstone_wins_over_every_copy():
    """The mirror without the tombstone gets it, and no covered file is copied."""
    for short, tombstone in (
        ("photo", PhotoTombstone(OF.volume, OF.photo)),
        ("version", VersionTombstone(OF)),
    ):
        found = plan(east=listing(**{short: "t"}), west=listing(o="a", m="b", info="i"))
        assert found == Plan((WriteTombstone("west", tombstone, "east"),))


def test_a_tombstone_leaves_other_photos_of_its_shard_alone():
    """A finished delete needs no step, whatever else the mirrors have."""
    other = f"{OF.photo}_aaaaaa_o.jpg"
    mirror = [*listing(version="t"), ListedFile(other, 10, "a")]
    assert plan(east=mirror, west=mirror) == Plan()


def test_tombstones_are_written_in_the_order_of_the_nodes():
    """Two storagemasters plan the same steps."""
    nodes = ["a", "b", "c", "d", "e"]
    steps = plan(z=listing(photo="t"), **dict.fromkeys(reversed(nodes), ())).steps
    assert [step.node for step in steps] == nodes


def test_an_unfinished_delete_is_finished():
    """A mirror with a tombstone and a file that it covers gets the tombstone again."""
    found = plan(east=listing(photo="t", o="a"), west=listing(photo="t"))
    assert found == Plan((WriteTombstone("east", PhotoTombstone(OF.volume, OF.photo), "east"),))


def test_an_unreachable_mirror_is_not_empty():
    """The plan has no step for it, and its absence deletes nothing."""
    assert plan(complete=False, east=listing(o="a", m="b")) == Plan()


def test_a_lost_digest_is_restored_from_the_other_mirror():
    """The bytes are verified against the digest of the other mirror, and not overwritten."""
    found = plan(east=listing(o="a"), west=listing(o=""))
    assert found.steps == (RestoreDigest("west", Variant(OF, "o", "jpg"), "a"),)


def test_digests_lost_on_all_mirrors_are_restored_only_with_all_reachable():
    """An unreachable mirror may have the right bytes."""
    both = plan(east=listing(o=""), west=listing(o=""))
    assert both.steps == tuple(
        RestoreDigest(node, Variant(OF, "o", "jpg"), "") for node in ("east", "west")
    )
    assert plan(complete=False, east=listing(o="")).steps == ()


def test_a_lost_digest_of_a_sole_copy_is_marked_as_such():
    """No other mirror can contradict the bytes."""
    found = plan(east=listing(o=""), west=[])
    assert found.steps == (RestoreDigest("east", Variant(OF, "o", "jpg"), "", is_sole_copy=True),)


def test_originals_that_differ_are_a_conflict_without_steps():
    """Sizes of either must not spread before the version is settled."""
    found = plan(east=listing(o="a", m="1"), west=listing(o="b"))
    assert found.steps == ()
    original = Variant(OF, "o", "jpg")
    copies = (HeldOriginal("east", original, "a", 10), HeldOriginal("west", original, "b", 10))
    assert found.conflicts == (Conflict(OF, copies),)


def test_originals_of_two_formats_are_a_conflict():
    """A version has one original. Copying both would give each mirror two."""
    png = [ListedFile(f"{STEM}_o.png", 10, "a")]
    found = plan(east=listing(o="a"), west=png)
    assert found.steps == ()
    assert [each.file.ext for each in found.conflicts[0].originals] == ["jpg", "png"]


def test_sizes_that_differ_are_all_taken_from_one_mirror():
    """They are replaced in one step with the info last, so that the info matches the sizes."""
    found = plan(east=listing(info="2", m="a"), west=listing(info="1", m="b"))
    size, info = Variant(OF, "m", "jpg"), Info(OF)
    pulls = (
        Replace("east", size, "west", "b", 10, old_digest="a"),
        Replace("east", info, "west", "1", 10, old_digest="2"),
    )
    assert found.steps == (ReplaceSizes("east", info, "west", pulls),)
    assert found.copy_bytes == 20


def test_differing_sizes_are_taken_from_a_mirror_that_lacks_none():
    """A quarantined size would be replaced by a size of another worker."""
    found = plan(east=listing(m="a", info="2"), west=listing(o="o", info="1"))
    assert Copy("west", Variant(OF, "m", "jpg"), "east", "a", 10) not in found.steps
    (replaced,) = [step for step in found.steps if isinstance(step, ReplaceSizes)]
    assert (replaced.node, replaced.source) == ("west", "east")
    assert [step.file for step in replaced.steps] == [Variant(OF, "m", "jpg"), Info(OF)]


def test_differing_sizes_are_taken_from_a_mirror_with_all_digests():
    """Bytes without a digest are verified against the digest of the other mirror."""
    found = plan(east=listing(m="a", info="2"), west=listing(m="", info="1"))
    assert RestoreDigest("west", Variant(OF, "m", "jpg"), "a") in found.steps
    (replaced,) = [step for step in found.steps if isinstance(step, ReplaceSizes)]
    assert (replaced.node, replaced.source) == ("west", "east")


def test_differing_failures_are_replaced_on_their_own():
    """They do not describe sizes."""
    failure = f"{STEM}.fail"
    found = plan(east=[ListedFile(failure, 10, "a")], west=[ListedFile(failure, 10, "b")])
    (step,) = found.steps
    assert isinstance(step, Replace)


def test_every_version_of_a_shard_is_planned():
    """Steps for one do not end the plan."""
    other = PhotoVersion(1, "01jd3x8m2c9qp4k8", "3fz8qd")
    files = [*listing(o="a"), ListedFile(f"{other.photo}_{other.version}_o.jpg", 10, "b")]
    steps = plan(east=files, west=[]).steps
    assert {step.file.photo_version for step in steps} == {OF, other}


def test_every_mirror_with_other_sizes_gets_those_of_one():
    """Each in a step of its own."""
    steps = plan(
        east=listing(info="1", m="a"), north=listing(info="2", m="b"), west=listing(info="3", m="c")
    ).steps
    assert [(step.node, step.source) for step in steps] == [("north", "east"), ("west", "east")]
    assert all(isinstance(step, ReplaceSizes) for step in steps)


NODES = ("z", "e", "a", "d", "b", "c")


def test_steps_are_in_the_order_of_the_nodes():
    """So two storagemasters plan the same, in whatever order the mirrors responded."""
    copies = plan(**dict.fromkeys(NODES, ()), source=listing(o="a")).steps
    restored = plan(**dict.fromkeys(NODES, listing(o=""))).steps
    other_size = [ListedFile(f"{STEM}_s.jpg", 10, "s")]
    undescribed = plan(**dict.fromkeys(NODES, listing(info="i", m="a")), source=other_size).steps
    for steps in (copies, restored, undescribed):
        assert [step.node for step in steps] == sorted(NODES)


def test_a_size_beside_an_info_without_a_digest_is_not_undescribed():
    """The info may be the one that describes it: its digest is restored first."""
    east = listing(info="1", m="a")
    west = [*listing(info=""), ListedFile(f"{STEM}_s.jpg", 10, "s")]
    steps = plan(east=east, west=west).steps
    assert RestoreDigest("west", Info(OF), "1") in steps
    assert not [step for step in steps if isinstance(step, QuarantineInfo)]


COLD = ColdTier(sizes="o", cold_nodes=("cold",))


def test_a_mirror_of_an_offloaded_volume_gets_the_sizes_that_stay():
    """Only a cold node gets the files that belong there."""
    listings = {"cold": listing(o="o", m="m", info="i"), "east": [], "west": listing(info="i")}
    plan_ = plan_shard(1, listings, complete=True, cold_tier=COLD)
    assert {(step.node, step.file) for step in plan_.steps} == {
        (node, file)
        for node, file in [
            ("east", Variant(OF, "m", "jpg")),
            ("east", Info(OF)),
            ("west", Variant(OF, "m", "jpg")),
        ]
    }
    back = plan_shard(1, {"cold": [], "east": listing(o="o")}, complete=True, cold_tier=COLD)
    assert [step.node for step in back.steps] == ["cold"]


def test_an_info_of_an_offloaded_volume_is_never_quarantined():
    """The sizes that it describes can be on the cold node only."""
    listings = {"cold": listing(m="a"), "west": listing(info="1")}
    steps = plan_shard(1, listings, complete=True, cold_tier=COLD).steps
    assert not [step for step in steps if isinstance(step, QuarantineInfo)]
    without = plan_shard(1, listings, complete=True).steps
    assert [type(step) for step in without] == [QuarantineInfo]


def test_the_json_name_of_every_step_is_fixed():
    """Renaming a class must not change the API."""
    names = ["write-tombstone", "copy", "restore-digest", "replace", "replace-sizes"]
    names += ["quarantine-info"]
    assert [ACTIONS[kind] for kind in get_args(Step)] == names


MIRROR = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["", "a", "b"])).map(
    lambda found: [ListedFile(name, 10, digest) for name, digest in found.items()]
)


@given(east=MIRROR, west=MIRROR)
def test_no_plan_copies_deleted_files_or_from_a_mirror_without_the_file(east, west):
    """This holds for any listings."""
    mirrors = {"east": east, "west": west}
    found = plan_shard(1, mirrors, complete=True)
    gone = any(file.name in {VERSION_GONE, PHOTO_GONE} for file in (*east, *west))
    for step in found.steps:
        if isinstance(step, WriteTombstone):
            continue
        assert not gone
        for pull in _pulls(step):
            held = {parse_name(1, f.name): f.digest for f in mirrors[pull.source]}
            assert held[pull.file] == pull.digest
            assert pull.digest


@given(east=MIRROR, west=MIRROR)
def test_applied_plans_converge(east, west):
    """The mirrors are equal after at most four passes, except for conflicts."""
    mirrors = {
        "east": {f.name: f.digest for f in east},
        "west": {f.name: f.digest for f in west},
    }
    for _ in range(4):
        found = plan_shard(1, _listings(mirrors), complete=True)
        for step in found.steps:
            _apply(step, mirrors)
    assert plan_shard(1, _listings(mirrors), complete=True).steps == ()


def _pulls(step):
    """Return the pulls of a step."""
    if isinstance(step, ReplaceSizes):
        return step.steps
    return (step,) if isinstance(step, Copy | Replace) else ()


def _listings(mirrors):
    return {
        node: [ListedFile(name, 10, digest) for name, digest in files.items()]
        for node, files in mirrors.items()
    }


def _apply(step, mirrors):
    """Apply a step to a model of the nodes as dictionaries."""
    files = mirrors[step.node]
    if isinstance(step, WriteTombstone):
        name = PHOTO_GONE if isinstance(step.file, PhotoTombstone) else VERSION_GONE
        files[name] = files.get(name) or "t"
        for covered in (ORIGINAL, SMALL, INFO):
            files.pop(covered, None)
        return
    if isinstance(step, QuarantineInfo):
        assert files.pop(INFO) == step.digest
        return
    for each in _pulls(step) or (step,):
        (name,) = [name for name in NAMES if parse_name(1, name) == each.file]
        files[name] = each.digest or "restored"
