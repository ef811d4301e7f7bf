"""Placement: a table of cases, and promises for any cluster."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storagemaster.mirrors.fleet import UNKNOWN, NodeView
from storagemaster.mirrors.placement import (
    NoPlacement,
    Placement,
    Target,
    handoff_nodes,
    place_in_volume,
    place_photo,
    spans_colos,
)
from storagenode.protocol.wire import NodeStatus
from volumes.address import Address
from volumes.cluster import Cluster, Node, Volume
from volumes.volume_state import VolumeState

GB = 10**9
TWO_COLOS = {"e1": "east", "e2": "east", "w1": "west", "w2": "west"}
TWO_VOLUMES = {1: ("e1", "w1"), 2: ("e2", "w2")}


def cluster_of(colos=None, volumes=None, closed=()):
    """Return a cluster with these nodes and volumes."""
    return Cluster(
        name="",
        public_url="",
        keys_file="",
        queue_url="",
        nodes={
            id_: Node(id=id_, colo=colo, read=Address("h", 1), write=Address("h", 2), store="")
            for id_, colo in (colos or TWO_COLOS).items()
        },
        volumes={
            number: Volume(
                number=number,
                mirrors=mirrors,
                state=VolumeState.CLOSED if number in closed else VolumeState.OPEN,
            )
            for number, mirrors in (volumes or TWO_VOLUMES).items()
        },
        masters={},
        edges={},
    )


def view(*, up=True, full=False, suspect=False, free_bytes=GB):
    """Return the fleet's view of a node."""
    status = NodeStatus(
        node="",
        uuid="",
        colo="",
        boot="",
        volumes=(),
        free_bytes=free_bytes,
        total_bytes=10 * GB,
        accepts_new_photos=not (full or suspect),
        suspect_reason="EIO" if suspect else "",
        hints=0,
    )
    return NodeView(up=up, status=status)


UP, DOWN, FULL, SUSPECT = view(), view(up=False), view(full=True), view(suspect=True)


def views_of(**changed):
    """Return views of all four nodes, up except for the named ones."""
    return dict.fromkeys(TWO_COLOS, UP) | changed


def in_order(cluster):
    """Return the volumes by number."""
    return [cluster.volumes[number] for number in sorted(cluster.volumes)]


def put(views, *, strict=False, **options):
    """Return the placement of a new photo."""
    cluster = cluster_of(**options)
    return place_photo(cluster, views, in_order(cluster), strict=strict)


MIRRORS_1 = Placement(1, (Target("e1"), Target("w1")))
MIRRORS_2 = Placement(2, (Target("e2"), Target("w2")))


@pytest.mark.parametrize(
    ("name", "views", "wanted"),
    [
        ("all up", views_of(), MIRRORS_1),
        ("a mirror down", views_of(e1=DOWN), MIRRORS_2),
        ("a mirror full", views_of(w1=FULL), MIRRORS_2),
        ("a mirror suspect", views_of(e1=SUSPECT), MIRRORS_2),
        ("a mirror unknown", views_of(e1=UNKNOWN), MIRRORS_2),
        (
            "one mirror of each down",
            views_of(e1=DOWN, w2=DOWN),
            Placement(1, (Target("w1"), Target("e2", hint_for="e1"))),
        ),
        (
            "one mirror of each full",
            views_of(e1=FULL, w2=FULL),
            Placement(1, (Target("w1"), Target("e2", hint_for="e1"))),
        ),
        (
            "a colo down",
            views_of(e1=DOWN, e2=DOWN),
            Placement(1, (Target("w1"), Target("w2", hint_for="e1"))),
        ),
        (
            "a colo full",
            views_of(e1=FULL, e2=FULL),
            Placement(1, (Target("w1"), Target("w2", hint_for="e1"))),
        ),
        (
            "both mirrors of the first down",
            views_of(e1=DOWN, w1=DOWN),
            MIRRORS_2,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_new_photo_goes_to(name, views, wanted):
    """Complete volumes come first, then volumes with a handoff node."""
    assert put(views) == wanted, name


@pytest.mark.parametrize(
    "views",
    [
        dict.fromkeys(TWO_COLOS, DOWN),
        dict.fromkeys(TWO_COLOS, FULL),
        dict.fromkeys(TWO_COLOS, SUSPECT),
        dict.fromkeys(TWO_COLOS, UNKNOWN),
        dict.fromkeys(TWO_COLOS, DOWN) | {"e1": UP},
        dict.fromkeys(TWO_COLOS, FULL) | {"e1": UP},
    ],
)
def test_fewer_than_two_nodes_cannot_store_a_photo(views):
    """The reason names the nodes that cannot."""
    placed = put(views)
    assert isinstance(placed, NoPlacement)
    assert all(node in placed.reason for node, one in views.items() if one is not UP)


def test_a_placement_with_a_hint_is_not_complete():
    """One hint is enough."""
    assert MIRRORS_1.is_complete
    assert not Placement(1, (Target("w1"), Target("e2", hint_for="e1"))).is_complete


def test_a_later_volume_gets_a_hint_if_the_first_can_get_none():
    """The search does not end with the first volume."""
    colos = {"n1": "north", "n2": "north", "e1": "east", "e2": "east", "w1": "west"}
    cluster = cluster_of(colos, {1: ("n1", "n2"), 2: ("e1", "w1")})
    views = dict.fromkeys(colos, UP) | {"n1": DOWN, "n2": DOWN, "e1": DOWN}
    placed = place_photo(cluster, views, in_order(cluster), strict=False)
    assert placed == Placement(2, (Target("w1"), Target("e2", hint_for="e1")))


def test_every_mirror_that_is_down_gets_a_hint():
    """Each on a node of its own."""
    colos = {"e1": "east", "e2": "east", "w1": "west", "w2": "west", "n1": "north"}
    cluster = cluster_of(colos, {1: ("n1", "e1", "w1")})
    views = dict.fromkeys(colos, UP) | {"e1": DOWN, "w1": DOWN}
    hints = (Target("e2", hint_for="e1"), Target("w2", hint_for="w1"))
    wanted = Placement(1, (Target("n1"), *hints))
    assert place_photo(cluster, views, in_order(cluster), strict=True) == wanted


def test_the_reason_names_the_volume_if_only_one_was_possible():
    """The nodes are sorted."""
    cluster, views = cluster_of(), dict.fromkeys(("w2", "w1", "e2", "e1"), DOWN)
    nodes = "e1, e2, w1, w2 are down, full or suspect"
    one = place_photo(cluster, views, in_order(cluster)[1:], strict=False)
    both = place_photo(cluster, views, in_order(cluster), strict=False)
    assert one.reason == f"volume 2 cannot store a photo now: {nodes}"
    assert both.reason == f"no volume can store a photo now: {nodes}"


@pytest.mark.parametrize(
    ("views", "strict", "is_placed"),
    [
        (views_of(), True, True),
        (views_of(e1=DOWN), True, True),
        (views_of(e1=DOWN, e2=DOWN), False, True),
        (views_of(e1=DOWN, e2=DOWN), True, False),
        (views_of(e1=DOWN, w1=DOWN), False, False),
    ],
)
def test_strict_files_of_a_volume_span_two_colos(views, strict, is_placed):
    """Two copies in one colo are enough otherwise."""
    cluster = cluster_of()
    placed = place_in_volume(cluster, views, cluster.volumes[1], strict=strict)
    assert isinstance(placed, Placement) is is_placed


def test_closed_volume_gets_no_new_photo():
    """This holds even if every volume is closed."""
    assert put(views_of(), closed={1}) == MIRRORS_2
    assert isinstance(put(views_of(), closed={1, 2}), NoPlacement)


def test_closed_volume_gets_sizes():
    """Files of its existing photos are still placed."""
    cluster = cluster_of(closed={1})
    assert place_in_volume(cluster, views_of(), cluster.volumes[1], strict=False) == MIRRORS_1


def test_strict_placement_spans_two_colos():
    """A handoff node in the mirror's colo counts, two copies in one colo do not."""
    assert put(views_of(e1=DOWN, w2=DOWN), strict=True) == Placement(
        1, (Target("w1"), Target("e2", hint_for="e1"))
    )
    assert isinstance(put(views_of(e1=DOWN, e2=DOWN), strict=True), NoPlacement)


def test_strict_placement_skips_a_volume_that_does_not_span_colos():
    """A later volume in the order can."""
    colos = {"e1": "east", "w1": "west", "n1": "north"}
    volumes = {1: ("e1", "w1"), 2: ("e1", "n1")}
    cluster = cluster_of(colos, volumes)
    views = {"e1": DOWN, "w1": UP, "n1": UP}
    placed = place_photo(cluster, views, in_order(cluster), strict=True)
    assert isinstance(placed, Placement)
    assert spans_colos(cluster, placed.targets)


def test_full_node_gets_sizes():
    """Its reserve is for files of existing photos."""
    cluster = cluster_of()
    for views in (views_of(e1=FULL), views_of(e1=FULL, w1=FULL)):
        assert place_in_volume(cluster, views, cluster.volumes[1], strict=False) == MIRRORS_1


def test_suspect_node_gets_no_sizes():
    """It accepts no writes, so a handoff node stores its hints."""
    cluster = cluster_of()
    placed = place_in_volume(cluster, views_of(e1=SUSPECT), cluster.volumes[1], strict=False)
    assert placed == Placement(1, (Target("w1"), Target("e2", hint_for="e1")))


def test_volume_without_a_mirror_up_has_no_placement():
    """Two handoff nodes do not make a volume."""
    cluster = cluster_of()
    views = views_of(e1=DOWN, w1=DOWN)
    placed = place_in_volume(cluster, views, cluster.volumes[1], strict=False)
    assert isinstance(placed, NoPlacement)
    assert "e1, w1" in placed.reason


def test_handoff_nodes_are_ordered_by_colo_and_free_space():
    """So two colos have the photo although a mirror is down."""
    colos = TWO_COLOS | {"e3": "east", "w3": "west"}
    cluster = cluster_of(colos)
    views = dict.fromkeys(colos, UP) | {
        "e2": view(free_bytes=GB),
        "e3": view(free_bytes=3 * GB),
        "w2": view(free_bytes=9 * GB),
        "w3": DOWN,
    }
    assert handoff_nodes(cluster, views, mirror="e1", taken=["w1"]) == ["e3", "e2", "w2"]


def test_a_hint_goes_to_a_third_colo_rather_than_to_that_of_the_other_mirror():
    """Even if the other mirror's colo has more space: two colos have the photo."""
    colos = {"e1": "east", "w1": "west", "w2": "west", "n1": "north"}
    cluster = cluster_of(colos, {1: ("e1", "w1")})
    views = {"e1": DOWN, "w1": UP, "w2": view(free_bytes=9 * GB), "n1": UP}
    placed = place_photo(cluster, views, in_order(cluster), strict=True)
    assert placed == Placement(1, (Target("w1"), Target("n1", hint_for="e1")))
    assert handoff_nodes(cluster, views, mirror="e1", taken=["w1"]) == ["n1", "w2"]


def test_a_colo_in_which_a_node_failed_has_no_copy():
    """Another node of it is better than one in the colo of the other mirror."""
    colos = {"e1": "east", "w1": "west", "w2": "west", "n1": "north", "n2": "north"}
    cluster = cluster_of(colos, {1: ("e1", "w1")})
    views = dict.fromkeys(colos, UP) | {"w2": view(free_bytes=9 * GB)}
    nodes = handoff_nodes(cluster, views, mirror="e1", taken=["w1"], failed=["e1", "n1"])
    assert nodes == ["n2", "w2"]


def test_full_node_is_a_handoff_node_only_for_existing_photos():
    """It stores no hint of a new photo."""
    views = views_of(e2=FULL)
    cluster = cluster_of()
    assert handoff_nodes(cluster, views, mirror="e1", taken=["w1"], new_photo=True) == ["w2"]
    assert handoff_nodes(cluster, views, mirror="e1", taken=["w1"]) == ["e2", "w2"]


@st.composite
def clusters_with_views(draw):
    """Draw any cluster that a config allows, with nodes in any state."""
    colos = draw(st.lists(st.sampled_from("abc"), min_size=2, max_size=8))
    colos += ["a", "b"]
    nodes = {f"n{number}": colo for number, colo in enumerate(colos)}
    volumes = {}
    for number in range(1, draw(st.integers(1, 5)) + 1):
        others = draw(st.lists(st.sampled_from(sorted(nodes)), max_size=2))
        last = len(colos)
        volumes[number] = tuple(dict.fromkeys([*others, f"n{last - 1}", f"n{last - 2}"]))
    states = [UP, view(free_bytes=2 * GB), DOWN, FULL, SUSPECT, UNKNOWN]
    drawn = draw(st.lists(st.sampled_from(states), min_size=len(nodes), max_size=len(nodes)))
    views = dict(zip(nodes, drawn, strict=True))
    closed = draw(st.sets(st.sampled_from(sorted(volumes))))
    return cluster_of(nodes, volumes, closed), views


@settings(max_examples=150)
@given(clusters_with_views(), st.booleans())
def test_any_placement_of_a_new_photo_keeps_the_promises(found, strict):
    """Its nodes are distinct, able, and include a mirror; a strict one spans colos."""
    cluster, views = found
    placed = place_photo(cluster, views, in_order(cluster), strict=strict)
    whole = [
        volume
        for volume in in_order(cluster)
        if volume.state.accepts_new_photos
        and all(views[node].accepts_new_photos for node in volume.mirrors)
    ]
    if isinstance(placed, NoPlacement):
        assert not whole
        return
    assert_promises_of_all_placements(cluster, placed)
    assert cluster.volumes[placed.volume].state.accepts_new_photos
    assert all(views[target.node].accepts_new_photos for target in placed.targets)
    assert spans_colos(cluster, placed.targets) or not strict
    if whole:
        assert placed.is_complete
        assert placed.volume == whole[0].number


@settings(max_examples=150)
@given(clusters_with_views(), st.booleans())
def test_any_placement_of_more_files_keeps_the_promises(found, strict):
    """Full nodes count as able, and the volume is given."""
    cluster, views = found
    volume = cluster.volumes[1]
    placed = place_in_volume(cluster, views, volume, strict=strict)
    if isinstance(placed, NoPlacement):
        assert not all(views[node].writable for node in volume.mirrors)
        return
    assert_promises_of_all_placements(cluster, placed)
    assert placed.volume == 1
    assert all(views[target.node].writable for target in placed.targets)
    assert spans_colos(cluster, placed.targets) or not strict
    placed_mirrors = {target.node for target in placed.targets if target.hint_for is None}
    assert placed_mirrors == {node for node in volume.mirrors if views[node].writable}


def assert_promises_of_all_placements(cluster, placed):
    """Assert what holds for the placement of any file."""
    nodes = [target.node for target in placed.targets]
    assert len(nodes) == len(set(nodes)) >= 2
    mirrors = cluster.volumes[placed.volume].mirrors
    served = [target.hint_for or target.node for target in placed.targets]
    assert len(served) == len(set(served))
    assert set(served) <= set(mirrors)
    assert any(target.hint_for is None for target in placed.targets)


def with_bucket(mirrors):
    """Return a cluster whose node s3 is over a bucket, with one volume on these mirrors."""
    cluster = cluster_of({**TWO_COLOS, "s3": "cold"}, {1: mirrors})
    bucket = dataclasses.replace(cluster.nodes["s3"], store="s3://photos/s3")
    return dataclasses.replace(cluster, nodes={**cluster.nodes, "s3": bucket})


@pytest.mark.parametrize("bucket", [UP, DOWN])
def test_upload_does_not_wait_for_a_bucket_if_disks_are_in_two_colos(bucket):
    """It creates no hint for the bucket: reconcile copies the photo."""
    cluster = with_bucket(("e1", "w1", "s3"))
    views = dict.fromkeys(TWO_COLOS, UP) | {"s3": bucket}
    wanted = Placement(1, (Target("e1"), Target("w1")))
    assert place_photo(cluster, views, list(cluster.volumes.values()), strict=True) == wanted
    volume = cluster.volumes[1]
    assert place_in_volume(cluster, views, volume, strict=True, synchronous_only=True) == wanted


def test_upload_waits_for_a_bucket_that_is_the_only_mirror_of_its_colo():
    """No other copy is in a second colo."""
    cluster = with_bucket(("e1", "s3"))
    views = {**dict.fromkeys(TWO_COLOS, UP), "s3": UP}
    placed = place_photo(cluster, views, list(cluster.volumes.values()), strict=True)
    assert placed == Placement(1, (Target("e1"), Target("s3")))


def test_tombstone_goes_to_the_bucket_synchronously():
    """A delete applies to all mirrors."""
    cluster = with_bucket(("e1", "w1", "s3"))
    views = {**dict.fromkeys(TWO_COLOS, UP), "s3": UP}
    placed = place_in_volume(cluster, views, cluster.volumes[1], strict=False)
    assert [target.node for target in placed.targets] == ["e1", "w1", "s3"]
