"""Proof that a mirror has all files of another node: names, and the bytes of originals."""

import pytest

from storagemaster.moves.copies_proof import lacking_names
from storagenode.protocol.files import ListedFile

PHOTO = "01jd3x8m2c9qp4k7_3fz8qd"
ORIGINAL = ListedFile(f"{PHOTO}_o.jpg", 10, "a" * 64)
SIZE = ListedFile(f"{PHOTO}_m.jpg", 3, "b" * 64)
INFO = ListedFile(f"{PHOTO}.json", 2, "c" * 64)
GONE = ListedFile(f"{PHOTO}.gone", 0, "a.proof")


def with_digest(listed, digest):
    """Return a file with another digest."""
    return ListedFile(listed.name, listed.bytes, digest)


@pytest.mark.parametrize(
    ("files", "lacking"),
    [
        ((ORIGINAL, SIZE, INFO, GONE), []),
        ((ORIGINAL, SIZE, INFO), [GONE]),
        ((ORIGINAL, INFO, GONE), [SIZE]),
        ((SIZE, INFO, GONE), [ORIGINAL]),
        ((with_digest(ORIGINAL, "d" * 64), SIZE, INFO, GONE), [ORIGINAL]),
        ((with_digest(ORIGINAL, ""), SIZE, INFO, GONE), [ORIGINAL]),
        ((ORIGINAL, with_digest(SIZE, "d" * 64), with_digest(INFO, "d" * 64), GONE), []),
        ((), [ORIGINAL, SIZE, INFO, GONE]),
    ],
)
def test_every_file_must_be_there_and_every_original_with_the_same_bytes(files, lacking):
    """Workers can make the same sizes with different bytes, and either are good."""
    found = lacking_names(42, wanted=(ORIGINAL, SIZE, INFO, GONE), files=files)
    assert list(found) == [each.name for each in lacking]


def test_an_original_without_a_digest_proves_nothing():
    """Not even beside another one: its bytes were never read."""
    unverified = with_digest(ORIGINAL, "")
    found = lacking_names(42, wanted=(unverified,), files=(unverified,))
    assert list(found) == [unverified.name]


def test_more_files_are_no_obstacle():
    """A mirror takes uploads meanwhile."""
    assert list(lacking_names(42, wanted=(ORIGINAL,), files=(ORIGINAL, SIZE, INFO))) == []
    assert list(lacking_names(42, wanted=(), files=())) == []
