"""Partial uploads on a disk: appends in order, one writer an offset, and the photo at the end."""

import errno
import shutil

import pytest

from storagenode.disk.reading import opened
from storagenode.partials import partials as module
from storagenode.partials.partials import Partials
from storagenode.protocol.errors import (
    BadRequest,
    Conflict,
    Corrupt,
    DigestMismatch,
    DiskSuspect,
    Gone,
    NotAMirror,
    NotFound,
    OutOfSpace,
)
from storagenode.protocol.layout import Place
from storagenode.protocol.partials import PARTIALS, Partial, parse_partial
from storagenode.store import Space
from tests.storagenode.photo_samples import (
    MTIME,
    OTHER_VOLUME,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.tombstones import write_tombstone
from volumes.photo_path import PhotoTombstone, Variant

OF = version_of(5)
ORIGINAL = variant_of(OF)
DATA = bytes_of("photo", size=1000)


def partial_of(*, bytes_total=1000, expiry_seconds=MTIME + 86_400, number=5):
    """Return a partial of a photo."""
    of = version_of(number)
    return Partial(
        photo=of.photo,
        version=of.version,
        bytes_total=bytes_total,
        expiry_seconds=expiry_seconds,
    )


PARTIAL = partial_of()


def append(partials, data, *, offset, partial=PARTIAL, digest=None):
    """Append bytes at an offset; return the new length."""
    with partials.staging(partial, offset=offset, bytes_expected=len(data)) as file:
        file.write(data)
        return partials.append(
            file,
            partial,
            offset=offset,
            mtime_seconds=MTIME,
            digest=digest or digest_of(data),
        )


def publish(partials, *, data=DATA, place=ORIGINAL, partial=PARTIAL):
    """Publish a partial as the original."""
    return partials.publish(partial, place, mtime_seconds=MTIME, digest=digest_of(data))


def read(store):
    """Return the verified bytes of the original."""
    with opened(store.file_system, ORIGINAL.path) as file:
        return file.read()


@pytest.fixture(name="partials")
def _partials(store, clock):
    partials = Partials(store, now_seconds=clock)
    partials.create(PARTIAL)
    return partials


def test_a_partial_grows_by_appends_at_its_end(partials):
    """It has the bytes of all appends, in order."""
    assert partials.length(PARTIAL) == 0
    assert append(partials, DATA[:400], offset=0) == 400
    assert append(partials, DATA[400:], offset=400) == 1000
    assert partials.length(PARTIAL) == 1000
    assert partials.read(PARTIAL, offset=0, bytes_max=400) == DATA[:400]
    assert partials.read(PARTIAL, offset=300, bytes_max=1000) == DATA[300:400]
    assert partials.read(PARTIAL, offset=700, bytes_max=1000) == DATA[700:]
    assert partials.read(PARTIAL, offset=1000, bytes_max=1000) == b""
    assert partials.digest(PARTIAL) == digest_of(DATA)


def test_an_append_elsewhere_than_at_the_end_is_refused(partials):
    """A node that missed an append takes no later one, and a repeated one changes nothing."""
    append(partials, DATA[:400], offset=0)
    for offset in (0, 100, 500):
        with pytest.raises(Conflict, match="ends at byte 400"):
            append(partials, DATA[offset : offset + 10], offset=offset)
    assert partials.length(PARTIAL) == 400


def test_one_of_two_writers_of_an_offset_wins(partials):
    """The second sees a conflict, unless it has the same bytes."""
    with (
        partials.staging(PARTIAL, offset=0, bytes_expected=400) as first,
        partials.staging(PARTIAL, offset=0, bytes_expected=400) as same,
        partials.staging(PARTIAL, offset=0, bytes_expected=400) as other,
    ):
        for file, data in ((first, DATA[:400]), (same, DATA[:400]), (other, DATA[400:800])):
            file.write(data)
        assert partials.append(
            first, PARTIAL, offset=0, mtime_seconds=MTIME, digest=digest_of(DATA[:400])
        )
        for file in (same, other):
            with pytest.raises(Conflict, match="ends at byte 400"):
                partials.append(file, PARTIAL, offset=0, mtime_seconds=MTIME, digest=file.digest)
    assert partials.read(PARTIAL, offset=0, bytes_max=1000) == DATA[:400]


def test_no_partial_becomes_longer_than_announced(partials):
    """Its length decided about the room that it got."""
    append(partials, DATA[:600], offset=0)
    with pytest.raises(BadRequest, match="announced with 1000 bytes, not with 1200"):
        append(partials, DATA[:600], offset=600)
    assert partials.length(PARTIAL) == 600


def test_bytes_with_another_digest_are_discarded(partials):
    """Bytes that the sender did not sign are not kept."""
    with pytest.raises(DigestMismatch):
        append(partials, DATA[:400], offset=0, digest=digest_of(b"other"))
    assert partials.length(PARTIAL) == 0


def test_an_unknown_partial_is_not_found(partials):
    """An upload that was ended takes no more bytes."""
    other = partial_of(number=6)
    for call in (
        lambda: append(partials, DATA, offset=0, partial=other),
        lambda: partials.length(other),
        lambda: partials.digest(other),
        lambda: publish(partials, partial=other),
    ):
        with pytest.raises(NotFound, match="does not exist"):
            call()


def test_a_photo_in_one_piece_is_published_without_writing_it_again(partials, store, root):
    """The segment becomes the original, with its digest, time, and mode."""
    append(partials, DATA, offset=0)
    published = publish(partials)
    assert (published.digest, published.bytes, published.existed) == (digest_of(DATA), 1000, False)
    photo = root / ORIGINAL.path
    assert photo.stat().st_ino == (root / PARTIAL.segment(0)).stat().st_ino
    assert (photo.stat().st_mode & 0o777, photo.stat().st_mtime) == (0o440, MTIME)
    partials.remove(PARTIAL)
    assert not (root / PARTIAL.directory).exists()
    assert read(store) == DATA


def test_a_photo_in_several_pieces_is_published_whole(partials, store):
    """The pieces are verified, and written as one file."""
    for start in range(0, 1000, 300):
        append(partials, DATA[start : start + 300], offset=start)
    assert publish(partials).digest == digest_of(DATA)
    partials.remove(PARTIAL)
    assert read(store) == DATA


def test_publishing_twice_publishes_once(partials):
    """A storagemaster repeats a request whose response is lost."""
    append(partials, DATA, offset=0)
    assert [publish(partials).existed for _ in range(2)] == [False, True]


def test_an_incomplete_partial_is_not_published(partials, root):
    """A photo has all of its bytes or is not there."""
    append(partials, DATA[:999], offset=0)
    with pytest.raises(NotFound, match="has 999 of its 1000 bytes"):
        publish(partials)
    assert not (root / ORIGINAL.path).exists()


@pytest.mark.parametrize("pieces", [1, 2])
def test_other_bytes_than_expected_are_not_published(partials, root, pieces):
    """The client announced a digest, or another node has other bytes."""
    for start in range(0, 1000, 1000 // pieces):
        append(partials, DATA[start : start + 1000 // pieces], offset=start)
    with pytest.raises(DigestMismatch):
        publish(partials, data=b"other")
    assert not (root / ORIGINAL.path).exists()


def test_a_deleted_photo_is_not_published(partials, store):
    """A tombstone wins over an upload that ends later."""
    append(partials, DATA, offset=0)
    tombstone = Place(PhotoTombstone(OF.volume, OF.photo))
    write_tombstone(store, tombstone)
    with pytest.raises(Gone):
        publish(partials)


def test_a_photo_is_published_only_on_mirrors_or_as_a_hint(partials):
    """Other nodes refuse."""
    append(partials, DATA, offset=0)
    with pytest.raises(NotAMirror):
        publish(partials, place=variant_of(version_of(5, volume=OTHER_VOLUME)))
    hint = variant_of(version_of(5, volume=OTHER_VOLUME), hint_for="west-1")
    assert publish(partials, place=hint).path == hint.path


def test_a_damaged_segment_is_found_before_it_is_published(partials, root):
    """The storagemaster takes the other node's copy instead."""
    append(partials, DATA[:500], offset=0)
    append(partials, DATA[500:], offset=500)
    segment = root / PARTIAL.segment(500)
    segment.chmod(0o600)
    segment.write_bytes(DATA[:500])
    for call in (lambda: partials.digest(PARTIAL), lambda: publish(partials)):
        with pytest.raises(Corrupt):
            call()


def test_expired_partials_are_removed(partials, clock, root):
    """Other files below the directory are left alone."""
    append(partials, DATA, offset=0)
    partials.create(partial_of(number=6, expiry_seconds=int(clock()) - 1))
    (root / PARTIALS / "notes").mkdir()
    assert partials.remove_expired() == 1
    assert partials.length(PARTIAL) == 1000
    clock.seconds = PARTIAL.expiry_seconds + 1
    assert partials.remove_expired() == 1
    assert [entry.name for entry in (root / PARTIALS).iterdir()] == ["notes"]


def test_a_partial_never_loses_its_beginning_only(partials, root, file_system, monkeypatch):
    """A reader during the removal finds all of it or nothing, also after a crash of the node."""
    append(partials, DATA[:400], offset=0)
    append(partials, DATA[400:], offset=400)
    lengths = []

    def unlink(_self, path):
        with pytest.raises(NotFound):
            lengths.append(partials.length(PARTIAL))
        raise ZeroDivisionError(path)

    with monkeypatch.context() as patch:
        patch.setattr(type(file_system), "unlink", unlink)
        with pytest.raises(ZeroDivisionError):
            partials.remove(PARTIAL)
    assert lengths == []
    assert partials.remove_expired() == 0
    assert list((root / PARTIALS).iterdir()) == []


def test_a_removal_between_the_looks_at_segments_leaves_no_length(
    partials, file_system, monkeypatch
):
    """A shorter length would make the client send bytes of a photo that is stored."""
    append(partials, DATA[:400], offset=0)
    append(partials, DATA[400:], offset=400)
    real = type(file_system).stat

    def stat(self, path):
        found = real(self, path)
        if path == PARTIAL.segment(0):
            partials.remove(PARTIAL)
        return found

    monkeypatch.setattr(type(file_system), "stat", stat)
    with pytest.raises(NotFound):
        partials.length(PARTIAL)


def test_the_number_of_partials_is_limited(partials, monkeypatch):
    """Abandoned uploads cannot fill the disk's inodes. Repeating a request takes no more."""
    monkeypatch.setattr(module, "PARTIALS_MAX", 2)
    partials.create(partial_of(number=6))
    partials.create(PARTIAL)
    with pytest.raises(OutOfSpace, match="2 partial uploads are under way"):
        partials.create(partial_of(number=7))


def test_the_announced_bytes_of_partials_are_limited(partials, monkeypatch):
    """They may take a twentieth of the disk, whether they have come or not."""
    space = Space(20_000_000_000, 40_000_000_000, 10_000_000, 100_000_000)
    monkeypatch.setattr(type(partials._file_system), "space", lambda _self: space)
    partials.create(partial_of(number=6, bytes_total=1_999_999_000))
    with pytest.raises(OutOfSpace, match="at most 2000000000 are allowed"):
        partials.create(partial_of(number=7, bytes_total=1))


def test_partials_leave_the_reserve_for_deletes(partials, monkeypatch):
    """A disk with partials that are still to come has no room for more."""
    space = Space(700_000_000, 100_000_000_000, 10_000_000, 100_000_000)
    monkeypatch.setattr(type(partials._file_system), "space", lambda _self: space)
    with pytest.raises(OutOfSpace, match="reserved for deletes"):
        partials.create(partial_of(number=7))


def test_the_folder_can_be_removed_at_any_moment(partials, root):
    """Its uploads are lost, and new ones create it again."""
    append(partials, DATA[:400], offset=0)
    with partials.staging(PARTIAL, offset=400, bytes_expected=600) as file:
        file.write(DATA[400:])
        shutil.rmtree(root / PARTIALS)
        with pytest.raises(NotFound):
            partials.append(file, PARTIAL, offset=400, mtime_seconds=MTIME, digest=file.digest)
    partials.create(PARTIAL)
    assert append(partials, DATA, offset=0) == 1000
    assert publish(partials).digest == digest_of(DATA)


def test_a_failed_fsync_of_an_append_makes_the_disk_suspect(partials, store, monkeypatch):
    """Nothing is acknowledged after it."""

    def fail(_self, _handle):
        raise OSError(errno.EIO, "bad sector")

    monkeypatch.setattr(type(partials._file_system), "fsync", fail)
    with pytest.raises(DiskSuspect):
        append(partials, DATA, offset=0)
    with pytest.raises(DiskSuspect):
        partials.create(partial_of(number=6))
    assert store.condition().suspect_reason


@pytest.mark.parametrize(
    "name", ["", "x", "../x", f"{PARTIAL.name}_1", PARTIAL.name.replace("_1000_", "_01000_")]
)
def test_other_names_are_refused(name):
    """A name is a path on the disk."""
    with pytest.raises(BadRequest, match="invalid partial"):
        parse_partial(name)


def test_a_name_says_all_of_a_partial():
    """The node needs no table."""
    assert parse_partial(PARTIAL.name) == PARTIAL
    assert isinstance(ORIGINAL.file, Variant)


def test_a_photo_has_few_partials(partials):
    """A ticket that is begun again and again takes no room of others; the oldest ends."""
    of_photo = [partial_of(bytes_total=100 + n) for n in range(module.PARTIALS_OF_PHOTO_MAX + 2)]
    other = partial_of(number=6)
    partials.create(other)
    for each in of_photo:
        partials.create(each)
    assert partials.held.count == module.PARTIALS_OF_PHOTO_MAX + 1
    assert partials.length(other) == 0
    assert partials.length(of_photo[-1]) == 0
    with pytest.raises(NotFound):
        partials.length(of_photo[0])
