"""Generation of keys that every kind of edge can use."""

from datetime import UTC, date, datetime

from permission_urls import Key, KeyRing, Keys, Purpose, derived_key, generate_key, generate_keys
from permission_urls.key_source import FIRST_KEY_ID
from permission_urls.keys import RandomBytes

_KEY_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_DRAWS_MAX = 1000


def generate_varnish_safe_key(key_id: str, random_bytes: RandomBytes) -> Key:
    """Generate a signing key whose read key has no zero byte.

    Varnish stores a key as text, which ends at the first zero byte. One key in eight has such a
    byte. Drawing again costs 0.2 of 256 bits.

    Raises:
        InvalidKeys: The id is malformed, or the bytes are not random.
    """
    for _ in range(_DRAWS_MAX):
        key = generate_key(key_id, random_bytes)
        if 0 not in derived_key(KeyRing(keys=(key,)), key_id, Purpose.READ):
            return key
    raise AssertionError(f"{_DRAWS_MAX} keys in a row had a zero byte: the bytes are not random")


def today() -> date:
    """Return the present day in UTC, as new keys record it."""
    return datetime.now(UTC).date()


def generate_cluster_keys(random_bytes: RandomBytes) -> Keys:
    """Generate the keys of a new cluster, one for each purpose."""
    key = generate_varnish_safe_key(FIRST_KEY_ID, random_bytes)
    return generate_keys(random_bytes).with_ring(Purpose.READ, KeyRing(keys=(key,)))


def generate_key_for(purpose: Purpose, key_id: str, random_bytes: RandomBytes) -> Key:
    """Generate a key for a purpose; edges must be able to use one for URLs."""
    if purpose is Purpose.READ:
        return generate_varnish_safe_key(key_id, random_bytes)
    return generate_key(key_id, random_bytes)


def next_key_id(ring: KeyRing) -> str:
    """Return the first id of one character, or else of two, that no key has ever had.

    >>> import os
    >>> next_key_id(KeyRing(keys=(generate_key("a", os.urandom),)))
    'b'
    """
    ones = list(_KEY_ID_CHARACTERS)
    twos = [first + second for first in ones for second in ones]
    return next(id_ for id_ in ones + twos if ring.find(id_) is None)
