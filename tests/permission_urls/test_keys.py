"""Key ring: one signing key, unique ids, and strong secrets."""

import os

import pytest

from permission_urls import InvalidKeys, Key, KeyRing, KeyState, generate_key
from permission_urls.keys import problems_of_secret


def make_key(key_id: str, first: int = 0, state: KeyState = KeyState.ACCEPTED) -> Key:
    """Return a key whose secret differs in its first byte."""
    return Key(key_id=key_id, secret=bytes(range(first, first + 32)), state=state)


def test_generated_keys_sign_and_differ():
    """A generated key has the given random bytes and signs."""
    one, other = generate_key("a", os.urandom), generate_key("b", os.urandom)
    assert one.state is KeyState.SIGNING
    assert len(one.secret) == 32
    assert one.secret != other.secret


@pytest.mark.parametrize("key_id", ["", "abcde", "A", "a-", "a_", "é", "a\n", "a.b", " "])
def test_an_id_out_of_the_grammar_is_refused(key_id):
    """An id is one to four lower-case letters and digits."""
    with pytest.raises(InvalidKeys, match="one to four"):
        make_key(key_id)


@pytest.mark.parametrize("length", [0, 1, 16, 31, 33, 64])
def test_a_secret_of_another_length_is_refused(length):
    """A secret is exactly 32 bytes."""
    with pytest.raises(InvalidKeys, match=f"has {length} bytes, not 32"):
        Key(key_id="a", secret=os.urandom(length), state=KeyState.SIGNING)


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, b"ab" * 16, b"secret! " * 4])
def test_a_secret_that_repeats_itself_is_refused(secret):
    """A secret with few distinct bytes was typed and is rejected."""
    with pytest.raises(InvalidKeys, match="weak"):
        Key(key_id="a", secret=secret, state=KeyState.SIGNING)


def test_all_problems_of_a_key_are_reported_together():
    """A bad id does not hide a bad secret."""
    with pytest.raises(InvalidKeys) as caught:
        Key(key_id="A", secret=b"", state=KeyState.SIGNING)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("states", [[], ["accepted"], ["signing", "signing"], ["retired"]])
def test_not_exactly_one_signing_key_is_refused(states):
    """A ring has exactly one signing key."""
    keys = [make_key(f"k{i}", i, KeyState(state)) for i, state in enumerate(states)]
    with pytest.raises(InvalidKeys, match="exactly one key must be signing"):
        KeyRing(keys=tuple(keys))


def test_a_duplicate_id_or_secret_is_rejected():
    """Keys differ in id and in secret."""
    signing = make_key("a", state=KeyState.SIGNING)
    with pytest.raises(InvalidKeys, match="listed twice"):
        KeyRing(keys=(signing, make_key("a", 1)))
    with pytest.raises(InvalidKeys, match="same secret"):
        KeyRing(keys=(signing, make_key("b", 0)))


def test_a_new_signing_key_leaves_the_old_one_accepted():
    """The old key stays accepted after a rotation."""
    ring = KeyRing(keys=(make_key("a", state=KeyState.SIGNING),))
    rotated = ring.with_new_signing_key(make_key("b", 1))
    assert [(key.key_id, key.state.value) for key in rotated.keys] == [
        ("a", "accepted"),
        ("b", "signing"),
    ]
    assert rotated.signing_key.key_id == "b"
    assert ring.signing_key.key_id == "a"


def test_an_accepted_key_verifies_before_it_signs():
    """An accepted key verifies before it signs."""
    ring = KeyRing(keys=(make_key("a", state=KeyState.SIGNING),))
    announced = ring.with_accepted_key(make_key("b", 1, KeyState.SIGNING))
    assert announced.signing_key.key_id == "a"
    assert announced.find("b").state is KeyState.ACCEPTED
    assert announced.with_signing_key("b") == ring.with_new_signing_key(make_key("b", 1))


def test_promoting_the_signing_key_changes_nothing():
    """Promotion is idempotent."""
    ring = KeyRing(keys=(make_key("a", state=KeyState.SIGNING),))
    assert ring.with_signing_key("a") == ring


def test_a_retired_id_is_never_used_again(ring):
    """A retired key stays listed, so that its id cannot be reused."""
    assert ring.find("old").state is KeyState.RETIRED
    with pytest.raises(InvalidKeys, match="listed twice"):
        ring.with_new_signing_key(make_key("old", 200))
    with pytest.raises(InvalidKeys, match="retired"):
        ring.with_signing_key("old")


def test_retiring_the_signing_key_or_an_unknown_one_is_refused(ring):
    """A ring always keeps a signing key."""
    with pytest.raises(InvalidKeys, match="is signing"):
        ring.with_retired("a")
    with pytest.raises(InvalidKeys, match="unknown key 'x'"):
        ring.with_retired("x")
    assert ring.with_retired("b2").find("b2").state is KeyState.RETIRED


def test_no_repr_shows_a_secret(ring):
    """A repr is safe to log."""
    assert "secret" not in repr(ring)
    assert ring.signing_key.secret.hex() not in repr(ring)


def test_eight_different_bytes_are_enough():
    """Fewer are not."""
    assert problems_of_secret("a", bytes(range(8)) * 4) == []
    assert problems_of_secret("a", bytes(range(7)) * 4 + bytes(4)) != []


def test_the_oldest_key_derives_photo_ids():
    """So that a new signing key changes no id."""
    oldest, newer = make_key("a", 0), make_key("b", 1, KeyState.SIGNING)
    alone = KeyRing(keys=(make_key("a", 0, KeyState.SIGNING),))
    assert KeyRing(keys=(oldest, newer)).idempotency_secret == alone.idempotency_secret


def test_without_retired_keys_a_ring_has_those_that_verify(ring):
    """Their order stays, and so does the signing key."""
    left = ring.without_retired()
    assert left.keys == tuple(key for key in ring.keys if key.key_id != "old")
    assert left.signing_key == ring.signing_key
