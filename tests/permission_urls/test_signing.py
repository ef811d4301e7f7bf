"""MACs: equal to itsdangerous, one spelling, one purpose."""

import base64
import hashlib
import hmac
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from permission_urls import (
    BadMac,
    InvalidKeys,
    Purpose,
    RetiredKey,
    UnknownKey,
    derived_key,
    derived_keys,
    mac,
)
from permission_urls.signing import DerivedKey, KeyedMac, PurposeSigner, PurposeVerifier, signer

MESSAGE = b"0/42/k7/01jd3x8m2c9qp4k7_3fz8qd/web"


@settings(max_examples=100)
@given(
    message=st.binary(max_size=200),
    secret=st.binary(min_size=32, max_size=32),
    purpose=st.sampled_from(Purpose),
)
def test_the_fast_macs_equal_the_signers(message, secret, purpose):
    """`mac` and `KeyedMac` return what `signer` returns."""
    defining = signer(secret, purpose)
    signature = defining.get_signature(message).decode()
    assert mac(defining.derive_key(), message) == signature
    assert KeyedMac(defining.derive_key())(message) == signature
    assert re.fullmatch("[A-Za-z0-9_-]{24}", signature)


def test_keys_and_macs_are_plain_hmac(ring):
    """Any HMAC-SHA256 implementation can verify."""
    secret = ring.signing_key.secret
    key = hmac.new(secret, b"read", hashlib.sha256).digest()
    assert derived_key(ring, "a", Purpose.READ) == key
    digest = hmac.new(key, MESSAGE, hashlib.sha256).digest()
    assert mac(key, MESSAGE) == base64.urlsafe_b64encode(digest[:18]).decode()


def test_a_keyed_mac_can_be_used_again(ring):
    """A KeyedMac keeps no state between messages."""
    keyed = KeyedMac(derived_key(ring, "a", Purpose.READ))
    assert keyed(MESSAGE) == keyed(MESSAGE)
    assert keyed(b"") != keyed(MESSAGE)


def test_derived_keys_differ_by_key_and_by_purpose(ring):
    """A derived key reveals no other derived key."""
    keys = [derived_key(ring, i, purpose) for i in ("a", "b2") for purpose in Purpose]
    assert len(set(keys)) == 2 * len(Purpose)
    assert {len(key) for key in keys} == {32}
    assert not set(keys) & {key.secret for key in ring.keys}


def test_no_two_purposes_share_a_derivation():
    """No two pairs of salt and secret give the same key."""
    one = signer(b"key" + b"x" * 29, Purpose.READ)
    one.salt = b"salt"
    other = signer(b"tkey" + b"x" * 29, Purpose.READ)
    other.salt = b"sal"
    assert one.derive_key() != other.derive_key()


def test_only_keys_that_verify_are_derived(ring):
    """A retired key is never derived."""
    assert set(derived_keys(ring, Purpose.READ)) == {"a", "b2"}
    with pytest.raises(RetiredKey):
        derived_key(ring, "old", Purpose.READ)
    with pytest.raises(UnknownKey):
        derived_key(ring, "x", Purpose.READ)


def test_the_key_id_selects_exactly_one_key(ring):
    """A MAC under the id of another key is rejected, and the errors differ."""
    signing_id, signing_mac = PurposeSigner(ring, Purpose.JOB).current()
    verifier = PurposeVerifier.of(ring, Purpose.JOB)
    made = signing_mac(MESSAGE)
    verifier.check(MESSAGE, key_id=signing_id, mac=made)
    for key_id, error in (("b2", BadMac), ("old", RetiredKey), ("x", UnknownKey)):
        with pytest.raises(error):
            verifier.check(MESSAGE, key_id=key_id, mac=made)


def test_a_derived_key_signs_like_the_ring_that_it_comes_from(ring):
    """It does not show its secret in logs and tracebacks."""
    key_id, ring_mac = PurposeSigner(ring, Purpose.JOB).current()
    key = DerivedKey(key_id, derived_key(ring, key_id, Purpose.JOB))
    derived_id, derived_mac = PurposeSigner(key, Purpose.JOB).current()
    assert (derived_id, derived_mac(MESSAGE)) == (key_id, ring_mac(MESSAGE))
    assert repr(key) == f"DerivedKey(key_id={key_id!r})"


@pytest.mark.parametrize("length", [0, 18, 31, 33, 64])
def test_a_derived_key_of_another_length_is_refused(length):
    """A node or edge does not start with a key of another length."""
    with pytest.raises(InvalidKeys, match=f"{length} bytes"):
        PurposeVerifier({"a": bytes(length)})
