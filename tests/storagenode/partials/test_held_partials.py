"""Many partials on one disk: abandoned ones, jumping clocks, and a full disk."""

import pytest

from storagenode.partials.partials import Partials
from storagenode.protocol.errors import OutOfSpace
from storagenode.protocol.layout import Place
from storagenode.protocol.partials import PARTIALS, Partial
from storagenode.store import Space
from tests.storagenode.partials.test_partials import DATA, OF, PARTIAL, append, partial_of
from tests.storagenode.photo_samples import MTIME
from tests.storagenode.tombstones import write_tombstone
from volumes.photo_id import PhotoId
from volumes.photo_path import PhotoTombstone


@pytest.fixture(name="partials")
def _partials(store, clock):
    partials = Partials(store, now_seconds=clock)
    partials.create(PARTIAL)
    return partials


@pytest.fixture(name="abandoned")
def _abandoned(partials, root):
    """Write 10,000 partials that clients have left, as an earlier process did."""
    abandoned = []
    for number in range(10_000):
        photo = PhotoId(f"{number:016d}")
        of = Partial(photo=photo, version=OF.version, bytes_total=9, expiry_seconds=MTIME + 60)
        (root / of.directory).mkdir()
        if not number % 10:
            (root / of.segment(0)).write_bytes(b"abc")
        abandoned.append(of)
    del partials
    return abandoned


def test_a_new_partial_costs_the_same_beside_ten_thousand(
    store, clock, file_system, abandoned, monkeypatch
):
    """They are counted, and not listed again."""
    partials = Partials(store, now_seconds=clock)
    listed, original = [], type(file_system).list

    def record(of, path):
        # Threads of other stores list their shards.
        listed.append(path)
        return original(of, path)

    monkeypatch.setattr(type(file_system), "list", record)
    partials.create(partial_of(number=6))
    assert PARTIALS not in listed
    assert partials.held.count == len(abandoned) + 2


def test_a_sweep_removes_ten_thousand_abandoned_partials(store, clock, root, abandoned):
    """The partials of clients that continue stay."""
    partials = Partials(store, now_seconds=clock)
    clock.seconds = MTIME + 61
    assert partials.remove_expired() == len(abandoned)
    assert [entry.name for entry in (root / PARTIALS).iterdir()] == [PARTIAL.name]
    assert (partials.held.count, partials.held.bytes_total) == (1, PARTIAL.bytes_total)


def test_a_sweep_corrects_the_count(partials, root):
    """An operator removed a partial, and copied another one."""
    (root / PARTIAL.directory).rmdir()
    copied = partial_of(number=6, bytes_total=70)
    (root / copied.directory).mkdir()
    partials.remove_expired()
    assert (partials.held.count, partials.held.bytes_total) == (1, 70)


@pytest.mark.parametrize("jump_seconds", [-(10**6), 0, 86_300])
def test_a_clock_that_jumps_back_removes_nothing(partials, clock, jump_seconds):
    """Expiry follows the system clock, also when it jumps; a day ahead is too early."""
    append(partials, DATA[:400], offset=0)
    clock.seconds = MTIME + jump_seconds
    assert partials.remove_expired() == 0
    assert partials.length(PARTIAL) == 400


def test_a_full_disk_of_partials_takes_deletes(partials, store, file_system, monkeypatch):
    """New partials and bytes of others are refused, and a tombstone is written."""
    append(partials, DATA[:400], offset=0)
    full = Space(1_000_000, 100_000_000_000, 10_000_000, 100_000_000)
    monkeypatch.setattr(type(file_system), "space", lambda _self: full)
    with pytest.raises(OutOfSpace):
        partials.create(partial_of(number=7))
    with pytest.raises(OutOfSpace):
        append(partials, DATA[400:], offset=400)
    tombstone = Place(PhotoTombstone(OF.volume, OF.photo))
    write_tombstone(store, tombstone)
    partials.remove(PARTIAL)
    assert partials.held.count == 0
