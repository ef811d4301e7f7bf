"""Choice of the volume of a new photo: shares by free space, and promises for any cluster."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storagemaster.mirrors.fleet import UNKNOWN
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.placement import NoPlacement, Placement, place_photo, spans_colos
from storagemaster.mirrors.weighted_volumes import WeightedVolumes
from tests.storagemaster.mirrors.test_placement import (
    DOWN,
    GB,
    TWO_COLOS,
    assert_promises_of_all_placements,
    cluster_of,
    clusters_with_views,
    in_order,
    view,
    views_of,
)
from volumes.cluster import NodeState

SEED = 20_071
"""Seed of every random choice."""
DRAWS = 8000


class KnownFleet:
    """A fleet with given views, which count how often they are read."""

    def __init__(self, views):
        self.views = CountedViews(views)
        self.polls = 0

    def view(self):
        """Return the views."""
        return self.views

    def poll(self, views):
        """Complete a poll with these views."""
        self.views = CountedViews(views)
        self.polls += 1


class CountedViews(dict):
    """Views of nodes that count the lookups of a node."""

    lookups = 0

    def __getitem__(self, node):
        """Return the view of a node."""
        self.lookups += 1
        return super().__getitem__(node)


def weighted(cluster, views):
    """Return the weighted volumes of a cluster, and the fleet with these views."""
    fleet = KnownFleet(views)
    return WeightedVolumes(Mirrors(cluster, {}, fleet, "east")), fleet


def shares(volumes, *, strict=False):
    """Return the number of placements by volume."""
    randomness = random.Random(SEED)
    return Counter(volumes.place(randomness.random, strict=strict).volume for _ in range(DRAWS))


def test_volume_is_weighted_by_the_space_of_its_fullest_mirror():
    """Three times the free space is placed about three times as often."""
    views = {"e1": view(free_bytes=3 * GB), "w1": view(free_bytes=9 * GB)}
    views |= {"e2": view(free_bytes=8 * GB), "w2": view(free_bytes=1 * GB)}
    placed = shares(weighted(cluster_of(), views)[0])
    assert 2.7 < placed[1] / placed[2] < 3.3


def test_free_space_is_shared_among_the_volumes_of_a_node():
    """A node with many volumes is not chosen once for each of them, and they are alike."""
    volumes = {1: ("e1", "w1"), 2: ("e2", "w2"), 3: ("e2", "w2"), 4: ("e2", "w2")}
    placed = shares(weighted(cluster_of(volumes=volumes), views_of())[0])
    assert 0.9 < placed[1] / (placed[2] + placed[3] + placed[4]) < 1.1
    assert 0.8 < placed[2] / placed[3] < 1.2


def test_a_weight_is_a_factor_of_the_free_space():
    """The volumes of a node with half the weight take half as many photos."""
    cluster = cluster_of()
    nodes = {**cluster.nodes, "e1": replace(cluster.nodes["e1"], weight=0.5)}
    placed = shares(weighted(replace(cluster, nodes=nodes), views_of())[0])
    assert 1.8 < placed[2] / placed[1] < 2.2


@pytest.mark.parametrize("change", ["joining", "leaving", "draining"])
def test_a_volume_that_moves_takes_photos_only_without_another(change):
    """It is copied already, and each new photo would have to be copied again."""
    cluster = cluster_of()
    nodes, volumes = dict(cluster.nodes), dict(cluster.volumes)
    if change == "draining":
        nodes["e1"] = replace(nodes["e1"], state=NodeState.DRAINING)
    else:
        moved = {"joining": ("e2",)} if change == "joining" else {"leaving": ("e1",)}
        volumes[1] = replace(volumes[1], **moved)
    cluster = replace(cluster, nodes=nodes, volumes=volumes)
    assert set(shares(weighted(cluster, views_of())[0])) == {2}
    assert set(shares(weighted(cluster, views_of(e2=DOWN))[0])) == {1}


@pytest.mark.parametrize("without", [["e3"], ["e3", "e2"]], ids=["complete", "degraded"])
def test_shares_without_a_node_are_those_among_the_volumes_that_are_left(without):
    """This is so whether the node went down before or after the last poll."""
    colos = TWO_COLOS | {"e3": "east", "w3": "west"}
    cluster = cluster_of(colos, {1: ("e1", "w1"), 2: ("e2", "w2"), 3: ("e3", "w3")})
    before = dict.fromkeys(colos, view(free_bytes=2 * GB)) | {"e1": view(free_bytes=GB)}
    if len(without) > 1:
        before |= {"e1": view(up=False, free_bytes=GB), "e3": DOWN, "w3": DOWN}
    after = before | dict.fromkeys(without, view(up=False, free_bytes=2 * GB))
    volumes, fleet = weighted(cluster, before)
    fleet.views = CountedViews(after)
    placed = shares(volumes)
    assert set(placed) == {1, 2}
    assert 1.8 < placed[2] / placed[1] < 2.2
    assert placed == shares(weighted(cluster, after)[0])


def test_poll_changes_the_shares():
    """New free space counts from the poll that reports it."""
    volumes, fleet = weighted(cluster_of(), views_of())
    fleet.poll(views_of(e1=DOWN))
    assert set(shares(volumes)) == {2}
    fleet.poll(views_of(e1=view(free_bytes=3 * GB), w1=view(free_bytes=3 * GB)))
    placed = shares(volumes)
    assert 2.7 < placed[1] / placed[2] < 3.3


@pytest.mark.parametrize("drawn", [0.0, 0.5, 0.999999, 1 - 2**-53])
def test_any_random_number_draws_a_volume(drawn):
    """This includes 0.0, and nodes without free space."""
    for views in (views_of(), views_of(e1=view(free_bytes=0), e2=view(free_bytes=0))):
        volumes, _ = weighted(cluster_of(), views)
        assert isinstance(volumes.place(lambda: drawn, strict=True), Placement)


def test_closed_volume_gets_no_new_photo():
    """It still has a part of its nodes' free space."""
    assert set(shares(weighted(cluster_of(closed={1}), views_of())[0])) == {2}
    volumes, _ = weighted(cluster_of(closed={1, 2}), views_of())
    assert isinstance(volumes.place(random.Random(SEED).random, strict=False), NoPlacement)


def test_nodes_that_never_responded_have_no_placement():
    """The reason names them."""
    volumes, _ = weighted(cluster_of(), dict.fromkeys(TWO_COLOS, UNKNOWN))
    placed = volumes.place(random.Random(SEED).random, strict=False)
    assert "e1, e2, w1, w2" in placed.reason


@pytest.mark.parametrize("count", [8, 4000])
def test_placement_looks_up_only_the_nodes_of_one_volume(count):
    """The number of volumes does not count, whether they are complete or not."""
    nodes = {f"{colo}{n}": colo for colo in ("east", "west") for n in range(count // 4)}
    pairs = [(f"east{n % (count // 4)}", f"west{n * 7 % (count // 4)}") for n in range(count)]
    cluster = cluster_of(nodes, dict(enumerate(pairs, 1)))
    up = dict.fromkeys(nodes, view())
    for views in (up, up | {node: DOWN for node, colo in nodes.items() if colo == "east"}):
        volumes, fleet = weighted(cluster, views)
        fleet.views.lookups = 0
        assert isinstance(volumes.place(random.Random(SEED).random, strict=False), Placement)
        handoff_lookups = 0 if views is up else len(nodes) // 2
        assert fleet.views.lookups <= 6 + handoff_lookups


@settings(max_examples=200)
@given(clusters_with_views(), st.data(), st.booleans(), st.integers(0, 2**32))
def test_any_placement_keeps_the_promises(found, data, strict, seed):
    """A photo has a placement if any volume has one, also if nodes went down after the poll."""
    cluster, polled = found
    volumes, fleet = weighted(cluster, polled)
    down = data.draw(st.sets(st.sampled_from(sorted(polled)), max_size=2))
    views = polled | dict.fromkeys(down, DOWN)
    fleet.views = CountedViews(views)
    placed = volumes.place(random.Random(seed).random, strict=strict)
    wanted = place_photo(cluster, views, in_order(cluster), strict=strict)
    assert type(placed) is type(wanted)
    if isinstance(placed, Placement):
        assert_promises_of_all_placements(cluster, placed)
        assert cluster.volumes[placed.volume].state.accepts_new_photos
        assert all(views[target.node].accepts_new_photos for target in placed.targets)
        assert spans_colos(cluster, placed.targets) or not strict
        complete = {
            number
            for number, volume in cluster.volumes.items()
            if volume.state.accepts_new_photos
            and all(views[node].accepts_new_photos for node in volume.mirrors)
        }
        assert placed.volume in complete or not complete
