"""The proof of a tombstone is valid for one photo or version, for as long as its key is kept."""

import random

import pytest

from permission_urls import KeyRing, Purpose, TombstoneProofs, generate_key, generate_keys, mac
from permission_urls.signing import derived_keys

PATH = "42/k7/01jd3x8m2c9qp4k7.gone"
VERSION_PATH = "42/k7/01jd3x8m2c9qp4k7_3fz8qd.gone"


def ring_of(*ids):
    """Return a ring whose last key signs."""
    first, *others = (generate_key(id_, lambda n, i=i: bytes(range(i, i + n))) for i, id_ in
                      enumerate(ids))  # fmt: skip
    ring = KeyRing(keys=(first,))
    for key in others:
        ring = ring.with_new_signing_key(key)
    return ring


def test_a_proof_is_valid_for_its_tombstone_only():
    """Not for another volume, photo, or version, nor for the photo instead of the version."""
    proofs = TombstoneProofs(ring_of("a"))
    proof = proofs.sign(PATH)
    assert proofs.is_genuine(PATH, proof)
    for other in (VERSION_PATH, "43" + PATH[2:], PATH.replace("01jd", "02jd"), "", PATH + "\n"):
        assert not proofs.is_genuine(other, proof)


@pytest.mark.parametrize(
    "proof",
    ["", "a", "a.", "a." + "A" * 24, "b." + "A" * 24, "a." + "é" * 24, "a.\n", "e3b0c442" * 8],
)
def test_other_texts_prove_nothing(proof):
    """Neither a missing proof nor the digest of an empty file is one."""
    assert not TombstoneProofs(ring_of("a")).is_genuine(PATH, proof)


def test_a_key_of_another_purpose_proves_nothing():
    """An internal key signs requests, and cannot delete."""
    keys = generate_keys(random.Random(1).randbytes)
    internal = derived_keys(keys.ring(Purpose.INTERNAL), Purpose.INTERNAL)["a"]
    assert not TombstoneProofs(keys).is_genuine(PATH, f"a.{mac(internal, PATH.encode())}")


def test_a_tombstone_stays_proven_after_its_key_is_retired():
    """Deletes outlive every key. New tombstones have the new key."""
    old = ring_of("a")
    proof = TombstoneProofs(old).sign(PATH)
    new = generate_key("b", lambda n: bytes(range(100, 100 + n)))
    rotated = TombstoneProofs(old.with_new_signing_key(new).with_retired("a"))
    assert rotated.is_genuine(PATH, proof)
    assert rotated.sign(PATH).startswith("b.")
