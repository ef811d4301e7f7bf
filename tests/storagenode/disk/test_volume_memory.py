"""Answers about whole volumes are kept in memory, and never hide a change."""

import asyncio
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from storagenode.disk.filesystem import DiskFileSystem
from storagenode.disk.store import DiskStore
from storagenode.disk.summaries import summaries
from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.layout import Place
from storagenode.upkeep.scrub import Scrub
from tests.storagenode.photo_samples import (
    MTIME,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.store_under_test import put
from tests.storagenode.tombstones import PROOFS, write_tombstone
from volumes.photo_path import VersionTombstone
from volumes.photo_shapes import ShapeRule

OF = version_of(7)
SHARD = f"{VOLUME}/{OF.shard}"
RULE = ShapeRule(sizes="m", avif_sizes="", full_size="", has_webp=False)


class FileSystemThatCountsLooks(DiskFileSystem):
    """A real file system that counts looks at directories, and can act after one."""

    def __init__(self, root):
        super().__init__(root)
        self.looks = []
        self.after_listing = lambda: None

    def list(self, path):
        """List the directory, record it, and act."""
        self.looks.append(path)
        names = super().list(path)
        if path == SHARD:
            self.after_listing()
        return names

    def stat(self, path):
        """Record the path."""
        self.looks.append(path)
        return super().stat(path)


@pytest.fixture(name="file_system")
def _file_system(root):
    file_system = FileSystemThatCountsLooks(root)
    yield file_system
    file_system.close_root()


@pytest.fixture(name="shard")
def _shard(root, store):
    put(store, variant_of(OF), bytes_of("photo"))
    return root / SHARD


def in_memory(place):
    """Return a small file of a batch."""
    data = bytes_of(place)
    return InMemoryFile(place, data, digest_of(data), MTIME)


def erase(store):
    """Delete a version and remove it from the trash."""
    tombstone = VersionTombstone(OF)
    write_tombstone(store, Place(tombstone))
    store.erase(tombstone, proof=PROOFS.sign(Place(tombstone).path))


def answers(store):
    """Return the answers of a store about a volume."""
    return store.volume_summary(VOLUME), store.unfinished(VOLUME, RULE)


def kept_answers(store):
    """Return the same when the store has them in memory."""
    answers(store)
    return answers(store)


def of_new_process(store):
    """Return the answers of a process that remembers nothing."""
    return answers(DiskStore(store.file_system, PROOFS))


@pytest.mark.usefixtures("shard")
def test_an_unchanged_volume_costs_one_look(store, file_system):
    """Idle volumes are compared all the time."""
    seen = kept_answers(store)
    file_system.looks.clear()
    assert answers(store) == seen
    assert file_system.looks == [str(VOLUME)] * 2


@pytest.mark.usefixtures("shard")
def test_a_change_costs_looks_at_its_shard(store, file_system):
    """A volume that is filled is compared all the time too."""
    for number in range(20, 25):
        put(store, variant_of(version_of(number)), bytes_of(number))
    kept_answers(store)
    put(store, variant_of(OF, "m"), bytes_of("m"))
    file_system.looks.clear()
    found = answers(store)
    assert {look for look in file_system.looks if look.count("/") == 1} == {SHARD}
    assert found == of_new_process(store)


@pytest.mark.usefixtures("shard")
def test_digests_of_shards_are_from_a_look_at_all_of_them(store, root):
    """They prove that mirrors are equal before a copy is dropped: another program is noticed."""
    other = variant_of(version_of(20))
    put(store, other, bytes_of("other"))
    kept_answers(store)
    put(store, variant_of(OF, "m"), bytes_of("m"))
    (root / other.path).unlink()
    assert store.shard_digests(VOLUME).keys() == {OF.shard}


@pytest.mark.usefixtures("shard")
@pytest.mark.parametrize(
    "change",
    [
        lambda store: put(store, variant_of(OF, "m"), bytes_of("m")),
        lambda store: put(store, variant_of(version_of(8)), bytes_of("other shard")),
        lambda store: store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME),
        lambda store: store.publish_many([in_memory(variant_of(version_of(9)))]),
        lambda store: store.quarantine(variant_of(OF)),
        lambda store: store.relink(OF, version_of(7, version=1).version),
        lambda store: write_tombstone(store, Place(VersionTombstone(OF))),
        erase,
    ],
    ids=["put", "shard", "bundle", "batch", "quarantine", "relink", "delete", "erase"],
)
def test_a_change_by_the_node_is_answered_at_once(store, change):
    """The next comparison has it."""
    before = kept_answers(store)
    change(store)
    assert answers(store) == of_new_process(store) != before


def test_a_lost_and_a_restored_digest_are_answered_at_once(store, shard):
    """No name changes with them."""
    sound = kept_answers(store)
    (path,) = shard.iterdir()
    path.chmod(0o600)
    os.removexattr(path, "user.sha256")
    store.mark_unverified(variant_of(OF))
    assert kept_answers(store) != sound
    store.restore_digest(variant_of(OF), "")
    assert answers(store) == sound


def test_a_change_during_a_look_is_not_hidden(store, file_system, shard):
    """The answer of a look that may be incomplete is not kept."""
    kept_answers(store)
    put(store, variant_of(OF, "m"), bytes_of("m"))

    def put_more():
        file_system.after_listing = lambda: None
        put(store, variant_of(OF, "s"), bytes_of("s"))

    file_system.after_listing = put_more
    store.volume_summary(VOLUME)
    assert len(list(shard.iterdir())) == 3
    assert store.volume_summary(VOLUME) == of_new_process(store)[0]


def test_a_shard_that_another_program_removes_is_answered_at_once(store, shard):
    """Its volume's folder shows it."""
    before = kept_answers(store)
    shutil.rmtree(shard)
    assert answers(store) == of_new_process(store) != before
    shard.mkdir()


def test_a_file_that_another_program_removes_is_found_by_looks_in_turns(store, shard, monkeypatch):
    """Each shard with files takes its turn, however few shards one request looks at."""
    monkeypatch.setattr(summaries, "LOOKS_AT_ONCE", 2)
    for number in range(20, 25):
        put(store, variant_of(version_of(number)), bytes_of(number))
    before = kept_answers(store)
    next(shard.iterdir()).unlink()
    seen = []
    for _ in range(5):
        store.look_again()
        seen.append(answers(store) == before)
    assert seen[-1] is False
    assert answers(store) == of_new_process(store)


def test_the_scrub_finds_files_that_another_program_adds_to_an_empty_shard(store, root, shard):
    """No turn looks at empty shards."""
    (path,) = shard.iterdir()
    before = kept_answers(store)
    shutil.copy2(path, root / variant_of(version_of(8)).path)
    with ThreadPoolExecutor(1) as threads:
        scrub = Scrub(store, threads, bytes_per_second=1 << 30, now_seconds=lambda: 0.0)
        asyncio.run(scrub.run_pass())
    assert answers(store) == of_new_process(store) != before
