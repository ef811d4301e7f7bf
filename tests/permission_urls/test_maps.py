"""A signed volume map is valid permanently, and nothing else is."""

import random

import pytest

from permission_urls import (
    Forbidden,
    InvalidKeys,
    Keys,
    Purpose,
    generate_key,
    generate_keys,
    sign_map,
    verify_map,
)

KEYS = generate_keys(random.Random(1).randbytes)
OTHERS = generate_keys(random.Random(2).randbytes)
TEXT = 'version = 2\nwhy = "größer"\n'


def test_a_signed_map_has_its_text():
    """Without the line of the signature."""
    assert verify_map(KEYS, sign_map(KEYS, TEXT)) == TEXT


def test_a_retired_key_still_proves_its_maps():
    """A map is kept permanently."""
    signed = sign_map(KEYS, TEXT)
    new = generate_key("b", random.Random(3).randbytes)
    ring = KEYS.ring(Purpose.MAP).with_new_signing_key(new).with_retired("a")
    rotated = KEYS.with_ring(Purpose.MAP, ring)
    assert verify_map(rotated, signed) == TEXT
    assert sign_map(rotated, TEXT) != signed


@pytest.mark.parametrize(
    "signed",
    [
        "",
        TEXT,
        sign_map(OTHERS, TEXT),
        sign_map(KEYS, TEXT).replace("version = 2", "version = 3"),
        sign_map(KEYS, TEXT) + "\n",
        sign_map(KEYS, TEXT).rstrip("\n"),
        sign_map(KEYS, TEXT).replace("# signed a.", "# signed z."),
    ],
)
def test_what_no_key_of_the_cluster_signed_is_refused(signed):
    """Other keys, other bytes, or another form."""
    with pytest.raises(Forbidden):
        verify_map(KEYS, signed)


def test_keys_of_other_purposes_sign_no_map():
    """An edge has only the read keys."""
    with pytest.raises(InvalidKeys, match="no key of purpose map"):
        sign_map(Keys({Purpose.READ: KEYS.ring(Purpose.READ)}), TEXT)
