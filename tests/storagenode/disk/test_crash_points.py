"""A real node is killed at every named point of a write; a whole photo or none remains."""

import ast
import os
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from storagenode.disk.directories import VOLUMES_WITH_ALL_SHARDS_MAX
from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.reading import opened
from storagenode.disk.store import DiskStore
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import NotFound, Unreachable
from storagenode.protocol.layout import Place
from tests.storagenode.node_process import body_of, call, node_process
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.served_site import make_site
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.photo_path import VersionTombstone

PACKAGE = Path(__file__).parents[3] / "storagenode"
PUT_POINTS = (
    "tmp_created",
    "mid_write",
    "before_digest_check",
    "before_fsync",
    "after_fsync",
    "after_mkdir",
    "before_link",
    "after_link",
    "before_dirsync",
    "after_dirsync",
)
BATCH_POINTS = tuple(point for point in PUT_POINTS if point != "after_mkdir")
TOMBSTONE_POINTS = ("tombstone_synced", "before_unlink", "after_unlink")
DROP_POINTS = ("shard_dropped", "shard_dropped:2")
# Large enough for several writes, the first before the last chunk arrives.
DATA = bytes_of("photo", size=2_500_000)
BEFORE = variant_of(version_of(900))


@pytest.fixture(name="site", scope="module")
def _site():
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder))
        with node_process(site, "east-1"):
            call(site, "east-1", partial(put_file, BEFORE))
        yield site


@pytest.fixture(name="crash_log")
def _crash_log(tmp_path):
    return tmp_path / "crash"


async def put_file(place, client):
    """Upload a file."""
    return await client.put(place, body_of(DATA), mtime_seconds=MTIME, bytes_total=len(DATA))


async def put_batch(files, client):
    """Upload small files in one request."""
    return await client._write_many(files)


async def delete(photo_version, client):
    """Delete a version."""
    await client.write_tombstone(Place(VersionTombstone(photo_version)), mtime_seconds=MTIME)


def crash(site, point, log, work):
    """Make a node die at a point of an operation, and check that it did."""
    environment = {"GLASSPLATE_CRASH_AT": point, "GLASSPLATE_CRASH_LOG": str(log)}
    with node_process(site, "east-1", environment=environment) as process:
        with pytest.raises(Unreachable):
            call(site, "east-1", work)
        assert process.wait(60) == -signal.SIGKILL
    assert log.read_text() == point.partition(":")[0]


@pytest.fixture(name="restarted")
def _restarted(site):
    """Open the node's store as its next process does."""
    file_systems = []

    def restart():
        file_systems.append(DiskFileSystem(Path(site.node("east-1").store)))
        return DiskStore(file_systems[-1], PROOFS)

    yield restart
    for file_system in file_systems:
        file_system.close_root()


def read(store, place):
    """Return the verified bytes of a file, or None."""
    try:
        with opened(store.file_system, place.path) as file:
            return file.read()
    except NotFound:
        return None


def test_every_crash_point_is_tried_here():
    """New crash points of the package are tested as well."""
    named = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "crashpoint":
                named.add(node.args[0].value)
    assert named == {*PUT_POINTS, *TOMBSTONE_POINTS, DROP_POINTS[0]}


@pytest.mark.parametrize(("number", "point"), list(enumerate((*PUT_POINTS, "mid_write:2"))))
def test_a_put_that_dies_leaves_a_whole_photo_or_none(site, crash_log, restarted, number, point):
    """No partial file and no staged file remain, and earlier files survive."""
    photo_version = version_of(number)
    place = variant_of(photo_version)
    crash(site, point, crash_log, partial(put_file, place))

    store = restarted()
    assert store.file_system.list(".staging") == []
    assert read(store, BEFORE) == DATA
    assert read(store, place) in {None, DATA}
    is_there = read(store, place) is not None
    assert is_there is (point in {"after_link", "before_dirsync", "after_dirsync"})
    listed = [file.digest for file in store.list_shard(VOLUME, photo_version.shard)]
    assert listed == ([digest_of(DATA)] if is_there else [])
    assert put(store, place, DATA).existed is is_there
    assert read(store, place) == DATA


@pytest.mark.parametrize(("number", "point"), list(enumerate((*BATCH_POINTS, "after_link:2"))))
def test_a_batch_that_dies_leaves_whole_photos_or_none(site, crash_log, restarted, number, point):
    """A name is only there with all its bytes, nothing else remains, and a retry succeeds."""
    files = [
        InMemoryFile(variant_of(version_of(200 + number), size), data, digest_of(data), MTIME)
        for size in "osm"
        for data in [bytes_of(size, size=3000)]
    ]
    crash(site, point, crash_log, partial(put_batch, files))

    store = restarted()
    assert store.file_system.list(".staging") == []
    found = [read(store, file.place) for file in files]
    assert all(data in {None, file.data} for data, file in zip(found, files, strict=True))
    # Other threads may have published their files by then.
    assert any(found) or point not in {"after_link", "after_link:2", *BATCH_POINTS[-2:]}
    outcomes = store.publish_many(files)
    assert [outcome.existed for outcome in outcomes] == [data is not None for data in found]
    assert [read(store, file.place) for file in files] == [file.data for file in files]


@pytest.mark.parametrize(("number", "point"), list(enumerate(TOMBSTONE_POINTS)))
def test_a_delete_that_dies_is_finished_by_a_retry(site, crash_log, restarted, number, point):
    """After the tombstone exists, nothing is served, and the bytes are in place or in the trash."""
    photo_version = version_of(100 + number)
    places = [variant_of(photo_version, size) for size in "osm"]
    store = restarted()
    for place in places:
        put(store, place, DATA)
    crash(site, point, crash_log, partial(delete, photo_version))

    store = restarted()
    has_tombstone = store.file_system.exists(Place(VersionTombstone(photo_version)).path)
    assert has_tombstone is (point != "tombstone_synced")
    in_place = [place for place in places if read(store, place) == DATA]
    trashed = [path for path in store.find(photo_version.photo) if path.startswith(".trash/")]
    assert len(in_place) + len(trashed) == len(places)
    assert bool(trashed) is (point == "after_unlink")

    assert write_tombstone(store, Place(VersionTombstone(photo_version))).existed is has_tombstone
    names = [file.name for file in store.list_photo(VOLUME, photo_version.photo)]
    assert names == [f"{photo_version.photo}_{photo_version.version}.gone"]
    assert sum(path.startswith(".trash/") for path in store.find(photo_version.photo)) == len(
        places
    )


DROP = """
import sys
from tests.storagenode.disk.test_crash_points import drop, store_at
drop(store_at(sys.argv[1]))
"""


def store_at(root):
    """Open the store of a root."""
    return DiskStore(DiskFileSystem(Path(root)), PROOFS)


def drop(store):
    """Drop the volume, which the map gives to other nodes."""
    store.take_only([])
    store.drop_volume(VOLUME, store.volume_summary(VOLUME).digest)


@pytest.mark.parametrize("point", DROP_POINTS)
def test_a_volume_whose_drop_dies_is_dropped_again(tmp_path, crash_log, point):
    """Each file is in place or in the trash, and the marker goes last."""
    root = Path(make_site(tmp_path).node("east-1").store)
    store = store_at(root)
    # A store of this size has only the directories of its files.
    store.create_volumes([VOLUME, *range(1000, 1000 + VOLUMES_WITH_ALL_SHARDS_MAX)])
    places = [variant_of(version_of(number)) for number in range(4)]
    for place in places:
        put(store, place, DATA)
    store.file_system.close_root()
    environment = {"GLASSPLATE_CRASH_AT": point, "GLASSPLATE_CRASH_LOG": str(crash_log)}
    dropping = subprocess.run(
        [sys.executable, "-c", DROP, root], env=os.environ | environment, check=False
    )
    assert dropping.returncode == -signal.SIGKILL

    def trashed():
        return [path for path in root.glob(".trash/*/**/*.jpg") if path.read_bytes() == DATA]

    store = store_at(root)
    in_place = [place for place in places if read(store, place) == DATA]
    assert VOLUME in store.volumes
    assert 0 < len(trashed()) == len(places) - len(in_place)
    drop(store)
    store.file_system.close_root()
    assert VOLUME not in store.volumes
    assert len(trashed()) == len(places)
