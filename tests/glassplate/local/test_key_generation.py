"""New keys: compatible with Varnish, with ids that were never used."""

import hashlib
import itertools

from glassplate.local.key_generation import generate_varnish_safe_key, next_key_id
from permission_urls import Key, KeyRing, KeyState, Purpose, derived_key


def counted_bytes():
    """Return a deterministic source of bytes: the SHA-256 of 0, 1, 2, ..."""
    numbers = itertools.count()
    return lambda count: hashlib.sha256(str(next(numbers)).encode()).digest()[:count]


def ring_of(*ids):
    """Return a ring with these keys. The last one signs."""
    random_bytes = counted_bytes()
    states = [*[KeyState.ACCEPTED] * (len(ids) - 1), KeyState.SIGNING]
    return KeyRing(
        keys=tuple(
            Key(key_id=id_, secret=random_bytes(32), state=state)
            for id_, state in zip(ids, states, strict=True)
        )
    )


def test_no_read_key_has_a_zero_byte():
    """None of 200 keys has one, although about 24 random keys would."""
    random_bytes = counted_bytes()
    keys = [generate_varnish_safe_key("a", random_bytes) for _ in range(200)]
    read_keys = [derived_key(KeyRing(keys=(key,)), "a", Purpose.READ) for key in keys]
    assert not [read_key for read_key in read_keys if 0 in read_key]
    unfiltered_bytes = counted_bytes()
    rings = [
        KeyRing(keys=(Key(key_id="a", secret=unfiltered_bytes(32), state=KeyState.SIGNING),))
        for _ in range(200)
    ]
    assert any(0 in derived_key(ring, "a", Purpose.READ) for ring in rings)


def test_a_new_key_has_a_new_id():
    """The id is the first unused character of a to z and 0 to 9, or else two characters."""
    assert next_key_id(ring_of("a")) == "b"
    assert next_key_id(ring_of("b", "2026")) == "a"
    assert next_key_id(ring_of(*"abcdefghijklmnopqrstuvwxyz")) == "0"
    assert next_key_id(ring_of(*"abcdefghijklmnopqrstuvwxyz0123456789")) == "aa"


def test_a_retired_key_keeps_its_id():
    """The id of a retired key is never reused."""
    ring = ring_of("a", "b").with_retired("a")
    assert next_key_id(ring) == "c"
