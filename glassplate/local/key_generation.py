"""New keys, such as every kind of edge can hold."""

from permission_urls import Key, KeyRing, Purpose, derived_key, generate_key
from permission_urls.keys import RandomBytes

_KEY_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_DRAWS_MAX = 1000


def generate_varnish_safe_key(key_id: str, random_bytes: RandomBytes) -> Key:
    """A new key that signs, whose read key has no zero byte.

    Varnish keeps a key as text that ends at the first zero byte. One key in eight has one; drawing
    again costs a fifth of a bit of 256.

    Raises:
        InvalidKeys: The id is out of the grammar, or the randomness is none.
    """
    for _ in range(_DRAWS_MAX):
        key = generate_key(key_id, random_bytes)
        if 0 not in derived_key(KeyRing(keys=(key,)), key_id, Purpose.READ):
            return key
    raise AssertionError("a thousand keys with a zero byte in a row: this is no randomness")


def next_key_id(ring: KeyRing) -> str:
    """The first id of one character that no key has, or ever had; then of two.

    >>> next_key_id(KeyRing(keys=(generate_key("a", os.urandom),)))
    'b'
    """
    ones = list(_KEY_ID_CHARACTERS)
    twos = [first + second for first in ones for second in ones]
    return next(id_ for id_ in ones + twos if ring.find(id_) is None)
