"""A map is in force when more than half of the voters keep it, and two maps never both are."""

import itertools

import pytest

from tests.proxy_config.golden_configs import golden_cluster
from volumes.map.volume_map import MapId
from volumes.map.votes import MapReport, election, lagging, newest_in_force, voters

NODES = golden_cluster().nodes
A, B, C = (MapId(version=2, digest=digest) for digest in "abc")
NEWER, OLDER = MapId(version=3, digest="c"), MapId(version=1, digest="d")


def nodes_with_disks(count):
    """Return some nodes with a disk."""
    node = next(node for node in NODES.values() if node.bucket is None)
    return {f"n{number}": node for number in range(count)}


def reports_of(*votes):
    """Return what nodes with these votes report; one with None keeps nothing."""
    return {f"n{number}": MapReport(in_force=None, vote=vote) for number, vote in enumerate(votes)}


@pytest.mark.parametrize(
    ("votes", "elected"),
    [
        ((A,), A),
        ((A, None), None),
        ((A, A), A),
        ((A, A, None), A),
        ((A, B, None), None),
        ((A, A, None, None), None),
        ((A, A, A, B), A),
        ((A, A, B, B), B),
        ((A, B, C, A, B), B),
        ((A, A, B, B, C, None), None),
        ((NEWER, NEWER, NEWER, A), None),
        ((OLDER, OLDER, OLDER, A), None),
    ],
)
def test_more_than_half_of_the_voters_elect(votes, elected):
    """Half is not enough unless all have voted, and votes for other versions do not count."""
    assert election(2, nodes_with_disks(len(votes)), reports_of(*votes)).elected == elected


def test_a_node_that_does_not_respond_still_counts_as_a_voter():
    """Otherwise two halves could elect two maps."""
    nodes = nodes_with_disks(4)
    found = election(2, nodes, reports_of(A, A))
    assert (found.elected, found.without, found.needed) == (None, ("n2", "n3"), 3)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_two_maps_of_a_version_are_never_both_elected(count):
    """For every part of all cast votes that a storagemaster can see."""
    nodes = nodes_with_disks(count)
    for votes in itertools.product((None, A, B), repeat=count):
        seen = set()
        for hidden in itertools.product((False, True), repeat=count):
            reports = reports_of(*votes)
            for number, is_hidden in enumerate(hidden):
                if is_hidden:
                    del reports[f"n{number}"]
            seen.add(election(2, nodes, reports).elected)
        assert len(seen - {None}) <= 1


def test_votes_that_no_other_vote_can_decide_are_stuck():
    """Then every voter has to vote, and the map with the most votes is elected."""
    assert election(2, nodes_with_disks(4), reports_of(A, B, C, None)).is_stuck
    assert not election(2, nodes_with_disks(4), reports_of(A, A, B, B)).is_stuck
    assert not election(2, nodes_with_disks(4), reports_of(A, B, None, None)).is_stuck
    assert not election(2, nodes_with_disks(1), reports_of(A)).is_stuck


def test_buckets_do_not_vote():
    """They keep no map."""
    assert set(voters(NODES)) == {id_ for id_, node in NODES.items() if node.bucket is None}


def test_the_newest_map_that_any_node_knows_is_in_force():
    """A storagemaster that did not see the votes needs no count."""
    reports = {
        "a": MapReport(in_force=A, vote=A),
        "b": MapReport(in_force=NEWER, vote=NEWER),
        "c": MapReport(in_force=None, vote=None),
    }
    assert newest_in_force(reports, than=OLDER) == NEWER
    assert newest_in_force(reports, than=NEWER) is None
    assert lagging(reports, in_force=NEWER) == ("a", "c")
