"""Bytes that were read before are verified without their SHA-256, and damage is still found."""

import hashlib

import pytest

from storagenode import known_checksums
from storagenode.known_checksums import KnownChecksums

PHOTO, DAMAGED = b"a photo", b"a phot0"


@pytest.fixture(name="hashed")
def _hashed(monkeypatch):
    """Return the bytes whose SHA-256 is computed, in order."""
    hashed = []

    class Recording:
        @staticmethod
        def sha256(data):
            hashed.append(bytes(data))
            return hashlib.sha256(data)

    monkeypatch.setattr(known_checksums, "hashlib", Recording)
    return hashed


def test_bytes_that_were_verified_are_not_hashed_again(hashed):
    """As long as they are the same."""
    checksums = KnownChecksums()
    for _ in range(3):
        assert checksums.sha256(PHOTO, digest_of(PHOTO)) == digest_of(PHOTO)
    assert hashed == [PHOTO]


def test_damage_is_found_before_and_after_sound_reads(hashed):
    """It is hashed at each read, and remembering it harms nothing."""
    checksums = KnownChecksums()
    read = [DAMAGED, PHOTO, DAMAGED, PHOTO, DAMAGED]
    found = [checksums.sha256(data, digest_of(PHOTO)) for data in read]
    assert found == [digest_of(data) for data in read]
    assert hashed == [DAMAGED, PHOTO, DAMAGED, DAMAGED]


def test_bytes_without_a_recorded_digest_are_hashed(hashed):
    """Nothing says what they should be."""
    checksums = KnownChecksums()
    assert checksums.sha256(PHOTO, None) == checksums.sha256(PHOTO, None) == digest_of(PHOTO)
    assert hashed == [PHOTO, PHOTO]


def test_the_oldest_of_many_digests_is_forgotten(hashed):
    """Memory is bounded."""
    checksums = KnownChecksums(digests_max=2)
    photos = [b"1", b"2", b"3"]
    for photo in [*photos, *reversed(photos)]:
        assert checksums.sha256(photo, digest_of(photo)) == digest_of(photo)
    assert hashed == [*photos, b"1"]


def digest_of(data):
    """Return the SHA-256."""
    return hashlib.sha256(data).hexdigest()
