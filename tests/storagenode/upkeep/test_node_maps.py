"""A node votes once for each version, and follows a map in force."""

import dataclasses
import random

import pytest

from permission_urls import generate_keys, sign_map
from storagenode.protocol.errors import BadRequest, Conflict, NotFound, OldMap
from storagenode.protocol.maps import MapKind
from storagenode.upkeep.fence import Fence
from storagenode.upkeep.node_maps import NodeMaps, follow_map
from tests.proxy_config.golden_configs import golden_cluster
from tests.storagenode.fake_clock import FakeClock
from volumes.map.changes import next_map
from volumes.map.map_text import render_map
from volumes.map.volume_map import map_of, tables_of
from volumes.volume_state import VolumeState

KEYS = generate_keys(random.Random(1).randbytes)
OTHER_KEYS = generate_keys(random.Random(2).randbytes)
CLUSTER = golden_cluster()
NODE = "east-1"
VOTE, IN_FORCE = MapKind.VOTE, MapKind.IN_FORCE
GIVEN = min(n for n, v in CLUSTER.volumes.items() if NODE not in v.mirrors)
TAKEN = min(n for n, v in CLUSTER.volumes.items() if NODE in v.mirrors)


class Disk:
    """The kept maps, and the volumes of a store."""

    def __init__(self):
        self.maps = {}
        self.volumes = set()
        self.fails = False

    def keep(self, kind, version, text):
        """Store a map once."""
        if self.maps.setdefault((kind, version), text) != text:
            raise Conflict("another map")
        if self.fails:
            raise OSError("the fsync failed")

    def read(self, kind, version):
        """Return a map, or None."""
        return self.maps.get((kind, version))

    def newest(self, kind):
        """Return the newest map of a kind, or None."""
        versions = [version for k, version in self.maps if k is kind]
        return self.maps[kind, max(versions)] if versions else None

    def create_volumes(self, volumes):
        """Hold volumes from now on."""
        self.volumes.update(volumes)

    def take_only(self, volumes):
        """Take new files of these volumes only."""
        self.taking = set(volumes)


@pytest.fixture(name="disk")
def _disk():
    return Disk()


def started(disk):
    """Return the maps of a node that starts with this disk."""
    return NodeMaps(CLUSTER, NODE, disk, KEYS)


def changed(old, **mirrors):
    """Return the next map, with other mirrors for volumes such as `v1`."""
    volumes = dict(old.tables.volumes)
    for name, nodes in mirrors.items():
        number = int(name[1:])
        volumes[number] = dataclasses.replace(volumes[number], mirrors=nodes)
    return next_map(old, dataclasses.replace(old.tables, volumes=volumes), why="")


FIRST = map_of(CLUSTER)
OTHERS = tuple(node for node in CLUSTER.nodes if node != NODE)
SECOND = changed(
    FIRST, **{f"v{GIVEN}": (NODE, CLUSTER.volumes[GIVEN].mirrors[0]), f"v{TAKEN}": OTHERS}
)
RIVAL = next_map(
    FIRST,
    dataclasses.replace(
        tables_of(CLUSTER),
        volumes={
            n: dataclasses.replace(v, state=VolumeState.CLOSED) for n, v in CLUSTER.volumes.items()
        },
    ),
    why="",
)
THIRD = changed(SECOND)


def signed(volume_map, keys=KEYS):
    """Return the text of a map as it is sent."""
    return sign_map(keys, render_map(volume_map)).encode()


def test_a_node_votes_once_for_a_version(disk):
    """Also after a restart; the same map again is accepted."""
    maps = started(disk)
    assert (maps.in_force, maps.vote) == (FIRST.id, None)
    for _ in range(2):
        maps.keep(VOTE, 2, signed(SECOND))
    for later in (maps, started(disk)):
        assert later.vote == SECOND.id
        with pytest.raises(Conflict):
            later.keep(VOTE, 2, signed(RIVAL))
        assert later.in_force == FIRST.id


def test_a_vote_whose_write_failed_is_reported_once_it_is_found(disk):
    """The name can be on the disk although its fsync failed. Then no other map gets this vote."""
    maps = started(disk)
    disk.fails = True
    with pytest.raises(OSError, match="fsync"):
        maps.keep(VOTE, 2, signed(SECOND))
    disk.fails = False
    with pytest.raises(Conflict):
        maps.keep(VOTE, 2, signed(RIVAL))
    assert maps.vote == SECOND.id


def test_a_vote_is_for_the_version_after_the_one_in_force(disk):
    """A map that does not name it as its predecessor is refused."""
    maps = started(disk)
    with pytest.raises(Conflict, match=r"this node has map 1 \("):
        maps.keep(VOTE, 3, signed(THIRD))
    maps.keep(IN_FORCE, 2, signed(RIVAL))
    with pytest.raises(Conflict):
        maps.keep(VOTE, 3, signed(THIRD))
    with pytest.raises(Conflict):
        maps.keep(VOTE, 2, signed(SECOND))


def test_a_node_follows_a_map_in_force_whatever_it_voted_for(disk):
    """It may have missed the votes and versions between; an older one changes nothing."""
    maps = started(disk)
    maps.keep(VOTE, 2, signed(RIVAL))
    maps.keep(IN_FORCE, 3, signed(THIRD))
    maps.keep(IN_FORCE, 2, signed(SECOND))
    for later in (maps, started(disk)):
        assert later.in_force == THIRD.id
        assert later.cluster.map_version == 3
    with pytest.raises(Conflict, match="is in force on this node"):
        maps.keep(IN_FORCE, 3, signed(dataclasses.replace(THIRD, after=RIVAL.id.digest)))


def test_a_new_volume_is_fenced_and_a_lost_one_is_not_served(disk):
    """The fences of the others stay lifted, and the files of the lost one stay."""
    fence = Fence((), falls_after_seconds=10, clock=FakeClock(100.0))
    maps = started(disk)
    follow_map(disk, fence, maps)
    for volume in fence.fenced_volumes:
        fence.lift(volume, serial=fence.serial)
    before = fence.serial
    maps.keep(IN_FORCE, 2, signed(SECOND))
    assert fence.fenced_volumes == (GIVEN,)
    assert fence.is_fenced(GIVEN)
    assert fence.is_fenced(TAKEN)
    assert TAKEN in disk.volumes
    assert not fence.lift(GIVEN, serial=before)
    assert not fence.lift(TAKEN, serial=fence.serial)
    assert fence.lift(GIVEN, serial=fence.serial)
    kept = set(CLUSTER.volumes_on(NODE)) - {TAKEN}
    assert kept
    assert not any(fence.is_fenced(volume) for volume in (*kept, GIVEN))


def test_a_joining_node_takes_files_and_serves_none(disk):
    """It is fenced as soon as it is a mirror, because it has missed deletes until then."""
    fence = Fence((), falls_after_seconds=10, clock=FakeClock(100.0))
    maps = started(disk)
    follow_map(disk, fence, maps)
    for volume in fence.fenced_volumes:
        fence.lift(volume, serial=fence.serial)
    joined = dataclasses.replace(FIRST.tables.volumes[GIVEN], joining=(NODE,))
    volumes = {**FIRST.tables.volumes, GIVEN: joined}
    second = next_map(FIRST, dataclasses.replace(FIRST.tables, volumes=volumes), why="")
    maps.keep(IN_FORCE, 2, signed(second))
    assert GIVEN in disk.volumes & disk.taking
    assert fence.is_fenced(GIVEN)
    assert not fence.lift(GIVEN, serial=fence.serial)
    fence.fall()
    assert fence.is_fenced(GIVEN)
    mirror = dataclasses.replace(joined, mirrors=joined.homes, joining=())
    volumes = {**volumes, GIVEN: mirror}
    third = next_map(second, dataclasses.replace(second.tables, volumes=volumes), why="")
    maps.keep(IN_FORCE, 3, signed(third))
    assert GIVEN in fence.fenced_volumes


def test_a_lost_volume_takes_no_new_files(disk):
    """It keeps what it has, until that is on all mirrors."""
    maps = started(disk)
    follow_map(disk, Fence((), falls_after_seconds=10), maps)
    assert TAKEN in disk.taking
    maps.keep(IN_FORCE, 2, signed(SECOND))
    assert TAKEN in disk.volumes
    assert TAKEN not in disk.taking


def test_a_request_by_another_map_is_refused(disk):
    """A sender with an older map, or a node with one, can be wrong about what is left over."""
    maps = started(disk)
    maps.keep(IN_FORCE, 2, signed(SECOND))
    maps.refuse_other_map(2)
    for version in (None, 1, 3):
        with pytest.raises(OldMap):
            maps.refuse_other_map(version)


def test_a_restarted_node_creates_no_volume_that_it_has_lost(disk):
    """`cluster.toml` still gives it to the node."""
    maps = started(disk)
    maps.keep(IN_FORCE, 2, signed(SECOND))
    fence = Fence((), falls_after_seconds=10)
    follow_map(disk, fence, started(disk))
    assert TAKEN not in disk.volumes
    assert GIVEN in fence.fenced_volumes


@pytest.mark.parametrize(
    "text",
    [
        signed(SECOND, OTHER_KEYS),
        render_map(SECOND).encode(),
        signed(SECOND).replace(b"version = 2", b"version = 3"),
        signed(THIRD),
        b"\xff",
        b"",
    ],
)
@pytest.mark.parametrize("kind", list(MapKind))
def test_an_unsigned_or_changed_map_is_refused(disk, kind, text):
    """Nothing is kept."""
    maps = started(disk)
    with pytest.raises(BadRequest):
        maps.keep(kind, 2, text)
    assert disk.maps == {}
    assert maps.in_force == FIRST.id


def test_a_bucket_follows_and_does_not_vote():
    """After a restart it follows again as soon as a storagemaster sends the map."""
    maps = started(None)
    with pytest.raises(BadRequest, match="does not vote"):
        maps.keep(VOTE, 2, signed(SECOND))
    maps.keep(IN_FORCE, 2, signed(SECOND))
    assert maps.in_force == SECOND.id
    with pytest.raises(NotFound):
        maps.read(IN_FORCE, 2)
