"""The volume maps of a disk: each is written once, and durable before it counts."""

import sys

import pytest

from storagenode.disk.map_files import MapFiles
from storagenode.protocol.errors import BadRequest, Conflict, DiskSuspect
from storagenode.protocol.maps import MapKind, map_path, parse_kind
from tests.storagenode.disk.crash_exploration import explore
from tests.storagenode.disk.crash_scenarios import Scenario

VOTE, IN_FORCE = MapKind.VOTE, MapKind.IN_FORCE


@pytest.fixture
def files(store):
    """Return the maps of a store."""
    return MapFiles(store)


def test_a_new_disk_keeps_no_map(files):
    """Its node starts with `cluster.toml`."""
    assert files.newest(IN_FORCE) is None
    assert files.read(VOTE, 2) is None


def test_a_map_is_kept_once(files):
    """The same map again is accepted, and another of the version is a conflict."""
    files.keep(VOTE, 2, b"two")
    files.keep(VOTE, 2, b"two")
    with pytest.raises(Conflict, match="another map of version 2"):
        files.keep(VOTE, 2, b"other")
    assert files.read(VOTE, 2) == b"two"


def test_the_newest_of_each_kind_is_found(files):
    """By its number, not by its text; a vote is not in force."""
    for version in (2, 10, 9):
        files.keep(VOTE, version, b"%d" % version)
    files.keep(IN_FORCE, 9, b"in force")
    assert files.newest(VOTE) == b"10"
    assert files.newest(IN_FORCE) == b"in force"


def test_a_suspect_disk_keeps_no_map(files, store):
    """A power failure could take the vote back."""
    store.health.suspect_reason = "an fsync failed"
    with pytest.raises(DiskSuspect):
        files.keep(VOTE, 2, b"two")
    assert files.read(VOTE, 2) is None


def test_an_unknown_kind_is_refused():
    """With the known ones."""
    assert parse_kind("in-force") is IN_FORCE
    with pytest.raises(BadRequest, match="known kinds: vote, in-force"):
        parse_kind("../x")


def keeping(store, disk):
    """Vote for two versions, and acknowledge each."""
    files = MapFiles(store)
    for version in (2, 3):
        files.keep(VOTE, version, b"map %d" % version)
        disk.acknowledge(f"map {version}")


def has_map(version):
    """Check that a vote survived whole."""

    def check(survivor):
        kept = survivor.contents.get(map_path(VOTE, version))
        if kept is None or kept.data != b"map %d" % version:
            yield f"map {version} was acknowledged, and the disk has {kept}"

    return check


def test_an_acknowledged_map_survives_a_power_failure():
    """On every disk that a power failure can leave."""
    exploration = explore(
        Scenario(
            name="vote for maps",
            operate=keeping,
            files=[],
            promises={f"map {version}": has_map(version) for version in (2, 3)},
        )
    )
    sys.stdout.write(f"{exploration.states} states, {exploration.checks} checks\n")
    assert exploration.violations == []
    assert exploration.states >= 8
