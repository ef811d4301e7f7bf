"""The offload plan: no copy is dropped that the cold nodes have not read back."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storagemaster.tiering.plan import plan_offload, refusal_reason
from storagenode.protocol.files import ListedFile
from volumes.address import Address
from volumes.cluster import Cluster, Node, Volume
from volumes.cold_tier import ColdTier, cold_sizes, parse_cold_tier, render_cold_tier
from volumes.photo_path import PhotoVersion, parse_name
from volumes.sizes import DEFAULT_SIZES

OF = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
STEM = f"{OF.photo}_{OF.version}"
NAMES = {
    "o": f"{STEM}_o.jpg",
    "k": f"{STEM}_k.jpg",
    "m": f"{STEM}_m.jpg",
    "info": f"{STEM}.json",
    "fail": f"{STEM}.fail",
    "gone": f"{STEM}.gone",
    "photo_gone": f"{OF.photo}.gone",
}
COLD_TIER = ColdTier(sizes="hko", cold_nodes=("cold",))
WHOLE = {"o": "1", "k": "2", "m": "3", "info": "4"}


def listing(files):
    """Return the listing of a mirror from digests by short name."""
    return [ListedFile(NAMES[short], 10, digest) for short, digest in files.items()]


def plan(cold_tier=COLD_TIER, **mirrors):
    """Return the plan for mirrors by name."""
    return plan_offload(1, cold_tier, {node: listing(files) for node, files in mirrors.items()})


def test_large_sizes_are_copied_and_read_back_before_others_are_dropped():
    """Small sizes and infos stay."""
    found = plan(east=WHOLE, west=WHOLE, cold={})
    assert [move.file.size for move in found.moves] == ["o", "k"]
    for move in found.moves:
        assert (move.copy_to, move.verify_on, move.drop_from) == (
            ("cold",),
            ("cold",),
            ("east", "west"),
        )
    assert found.skipped == ()


def test_an_existing_cold_copy_is_read_back_as_well():
    """It may be old and damaged."""
    (original, _) = plan(east=WHOLE, west={}, cold=WHOLE).moves
    assert (original.copy_to, original.verify_on) == ((), ("cold",))
    assert original.drop_from == ("east",)


def test_with_two_cold_nodes_both_are_read_back_first():
    """A fault of one cold node must not lose the file."""
    cold_tier = dataclasses.replace(COLD_TIER, cold_nodes=("cold", "ice"))
    (original, _) = plan(cold_tier, east=WHOLE, cold=WHOLE, ice={}).moves
    assert (original.copy_to, original.verify_on) == (("ice",), ("cold", "ice"))


def test_an_offloaded_shard_needs_no_move():
    """A repeated offload does nothing."""
    small = {"m": "3", "info": "4"}
    found = plan(east=small, west=small, cold=WHOLE)
    assert (found.moves, found.skipped) == ((), ())


@pytest.mark.parametrize(
    ("east", "cold", "reason"),
    [
        ({"o": "1", "m": "3"}, {}, "sizes are not made"),
        (WHOLE | {"k": ""}, {}, "copies differ"),
        (WHOLE, {"k": "9"}, "copies differ"),
    ],
)
def test_pending_and_differing_photos_are_skipped(east, cold, reason):
    """Each skipped file has a reason."""
    found = plan(east=east, west=east, cold=cold)
    assert found.skipped[-1].reason.find(reason) >= 0
    assert found.skipped[-1].file.size in {"o", "k"}


def test_a_failed_photo_is_moved():
    """No worker needs its original soon."""
    assert len(plan(east={"o": "1", "fail": "2"}, cold={}).moves) == 1


@pytest.mark.parametrize("tombstone", ["gone", "photo_gone"])
def test_a_deleted_photo_is_neither_moved_nor_reported(tombstone):
    """The tombstone may be on any mirror."""
    found = plan(east=WHOLE, west=WHOLE, cold={tombstone: "t"})
    assert (found.moves, found.skipped) == ((), ())


MIRRORS = ("east", "west", "cold", "ice")


@given(
    listings=st.dictionaries(
        st.sampled_from(MIRRORS),
        st.dictionaries(st.sampled_from(sorted(NAMES)), st.sampled_from(["a", "b", ""])),
        min_size=1,
    ),
    cold_nodes=st.sampled_from([("cold",), ("cold", "ice")]),
)
def test_no_plan_drops_a_file_that_a_cold_node_lacks(listings, cold_nodes):
    """This holds for any listings: after the copies of a move, every cold node has the file."""
    cold_tier = ColdTier(sizes="hko", cold_nodes=cold_nodes)
    found = plan_offload(1, cold_tier, {n: listing(files) for n, files in listings.items()})
    for move in found.moves:
        holders = {
            node
            for node, files in listings.items()
            for short in files
            if parse_name(1, NAMES[short]) == move.file
        }
        assert holders | set(move.copy_to) >= set(cold_nodes)
        assert move.verify_on == cold_nodes
        assert move.source in holders
        assert set(move.drop_from) == holders - set(cold_nodes)
        assert cold_tier.covers(move.file)
        assert move.digest
    assert len({move.file for move in found.moves}) == len(found.moves)


def cluster_with(**copies):
    """Return a cluster of disks and buckets with some numbers of replicas."""
    nodes = {
        name: Node(
            id=name,
            colo=name,
            read=Address("x", 1),
            write=Address("x", 2),
            store=name,
            bucket_replicas=copies.get(name, 1),
        )
        for name in MIRRORS
    }
    return Cluster(
        name="", public_url="", keys_file="", queue_url="", nodes=nodes, volumes={},
        masters={}, edges={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mirrors", "cold_nodes", "copies", "reason"),
    [
        (("east", "west"), ("cold",), {"cold": 3}, "not a mirror of volume 1: cold; add it"),
        (("east", "west", "cold"), ("cold",), {}, "2 copies would be dropped, but cold stores"),
        (("east", "west", "cold"), ("cold",), {"cold": 2}, ""),
        (("east", "west", "cold", "ice"), ("cold", "ice"), {}, ""),
        (("cold", "ice"), ("cold", "ice"), {}, "nothing to offload: every mirror"),
    ],
)
def test_a_cold_tier_needs_as_many_copies_as_are_dropped(mirrors, cold_nodes, copies, reason):
    """Each copy in a bucket counts as often as `bucket_replicas` says."""
    cold_tier = ColdTier(sizes="o", cold_nodes=cold_nodes)
    found = refusal_reason(cluster_with(**copies), Volume(number=1, mirrors=mirrors), cold_tier)
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_cold_sizes_are_the_sizes_that_are_not_for_the_web():
    """A marker can be parsed back, and an invalid marker is rejected."""
    assert cold_sizes(DEFAULT_SIZES) == "hkox"
    assert parse_cold_tier(render_cold_tier(COLD_TIER)) == COLD_TIER
    invalid = (
        dataclasses.replace(COLD_TIER, **field) for field in ({"sizes": "K"}, {"cold_nodes": ()})
    )
    for text in ("", "{}", *map(render_cold_tier, invalid)):
        with pytest.raises(ValueError, match=r"\w"):
            parse_cold_tier(text)
