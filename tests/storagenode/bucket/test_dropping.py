"""A drop of a volume in a bucket takes long, and other requests arrive meanwhile."""

import contextlib

import pytest

from storagenode.protocol.errors import BucketUnavailable, Conflict, NotAMirror
from storagenode.protocol.layout import Place
from tests.storagenode.bucket.bucket_under_test import BucketStoreUnderTest
from tests.storagenode.photo_samples import OTHER_VOLUME, VOLUME, bytes_of, variant_of, version_of
from tests.storagenode.store_dropping_contract import digest, hold
from tests.storagenode.store_under_test import OF, names_of, put
from tests.storagenode.tombstones import write_tombstone
from volumes.photo_path import PhotoTombstone

DATA = bytes_of("photo")
LATER = version_of(900)


@pytest.fixture(name="trial")
def _trial(moto, clock):
    trial = BucketStoreUnderTest(moto, clock)
    yield trial
    trial.close()


@pytest.fixture(name="held")
def _held(trial):
    return hold(trial)


@contextlib.contextmanager
def during(patched, bucket, call, work):
    """Do some work before the first call of a method of the bucket."""
    method = getattr(bucket, call)
    left = [work]

    def called(*arguments, **options):
        while left:
            left.pop()()
        return method(*arguments, **options)

    with patched.context() as patch:
        patch.setattr(bucket, call, called)
        yield
    assert left == []


def paths(store):
    """Return the paths of the volume's objects."""
    return [each.path for each in store.bucket.objects(f"{VOLUME}/")]


def test_an_interrupted_drop_continues_with_the_files_that_are_left(held, monkeypatch):
    """The volume is held until its last file has moved. What is not held would miss deletes."""
    put_in_volume(held, LATER)

    def fail():
        raise BucketUnavailable("down")

    with during(monkeypatch, held.bucket, "delete", fail), pytest.raises(BucketUnavailable):
        held.drop_volume(VOLUME, digest(held))
    assert VOLUME in held.volumes
    held.drop_volume(VOLUME, digest(held))
    assert held.volumes == (OTHER_VOLUME,)
    assert paths(held) == []
    for photo_version in (OF, LATER):
        assert len(held.list_trash(VOLUME, photo_version.photo)) == 1


def put_in_volume(store, photo_version):
    """Store another photo while the map gives the volume to the node."""
    store.take_only([VOLUME, OTHER_VOLUME])
    put(store, variant_of(photo_version), DATA)
    store.take_only([OTHER_VOLUME])


def test_a_photo_deleted_during_the_drop_is_not_left_in_the_bucket(held, monkeypatch):
    """The tombstone is stored, and the volume is held until it has moved."""
    tombstone = Place(PhotoTombstone(VOLUME, OF.photo))
    found = digest(held)
    with during(monkeypatch, held.bucket, "copy", lambda: write_tombstone(held, tombstone)):
        held.drop_volume(VOLUME, found)
    assert (held.volumes, paths(held)) == ((OTHER_VOLUME,), [])


def test_a_put_that_ends_after_the_drop_of_its_volume_counts_as_refused(held, monkeypatch):
    """Its bytes do not stay where no delete and no other drop would find them."""
    held.take_only([VOLUME, OTHER_VOLUME])

    def drop():
        held.take_only([OTHER_VOLUME])
        held.drop_volume(VOLUME, digest(held))

    with during(monkeypatch, held.bucket, "put", drop), pytest.raises(NotAMirror):
        put(held, variant_of(LATER), DATA)
    assert paths(held) == []


def test_a_put_that_ends_before_the_drop_of_its_volume_stays_to_be_merged(held, monkeypatch):
    """A concurrent write of the same file can have been acknowledged."""
    held.take_only([VOLUME, OTHER_VOLUME])
    leave = during(monkeypatch, held.bucket, "put", lambda: held.take_only([OTHER_VOLUME]))
    with leave, pytest.raises(NotAMirror):
        put(held, variant_of(LATER), DATA)
    assert variant_of(LATER).path in paths(held)


def test_a_volume_that_comes_back_during_its_drop_keeps_all_later_files(held, monkeypatch):
    """The map gives it to the node again, and an upload follows at once."""

    def come_back():
        held.create_volumes([VOLUME, OTHER_VOLUME])
        held.take_only([VOLUME, OTHER_VOLUME])
        put(held, variant_of(LATER), DATA)

    found = digest(held)
    come = during(monkeypatch, held.bucket, "copy", come_back)
    with come, pytest.raises(Conflict, match="it stays"):
        held.drop_volume(VOLUME, found)
    assert VOLUME in held.volumes
    assert len(names_of(held, LATER)) == 1
    put(held, variant_of(OF), DATA)


def test_a_volume_is_not_dropped_twice_at_once(held, monkeypatch):
    """A storagemaster whose request has timed out repeats it, and no thread waits for it."""
    found = digest(held)

    def drop_again():
        with pytest.raises(Conflict, match="are moving"):
            held.drop_volume(VOLUME, found)

    with during(monkeypatch, held.bucket, "copy", drop_again):
        held.drop_volume(VOLUME, found)


def test_an_object_that_another_program_adds_stops_a_drop(held, trial):
    """The listing that the digest is from can be an hour old."""
    found = digest(held)
    name = variant_of(LATER).path
    held.bucket.copy(variant_of(OF).path, name)
    with pytest.raises(Conflict, match="it stays"):
        held.drop_volume(VOLUME, found)
    assert trial.read(name) == DATA
