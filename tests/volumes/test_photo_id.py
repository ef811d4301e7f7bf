"""Photo ids and versions: creation, derivation, and parsing."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volumes.photo_id import (
    ALPHABET,
    CHARACTER_PATTERN,
    InvalidPhotoId,
    derive_photo_id,
    mint_photo_id,
    mint_version,
    parse_photo_id,
    parse_version,
)

MILLISECONDS_MAX = 2**50 - 1


def only_zeros(_bits):
    """Random source that returns only zeros."""
    return 0


def only_ones(bits):
    """Random source that returns only ones."""
    return 2**bits - 1


@pytest.fixture(name="dice")
def _dice():
    return random.Random(7).getrandbits


def test_the_alphabet_is_crockford_base32():
    """Digits and letters without i, l, o, and u, in order; the pattern is the same set."""
    letters = [c for c in "0123456789abcdefghijklmnopqrstuvwxyz" if c not in "ilou"]
    assert list(ALPHABET) == letters
    assert [chr(n) for n in range(128) if re.fullmatch(CHARACTER_PATTERN, chr(n))] == letters


@given(st.integers(0, MILLISECONDS_MAX), st.randoms(use_true_random=False))
def test_what_is_minted_is_parsed(now, dice):
    """A new id is valid for any time and randomness."""
    photo = mint_photo_id(now_milliseconds=now, random_bits=dice.getrandbits)
    version = mint_version(dice.getrandbits)
    assert parse_photo_id(photo) == photo
    assert parse_version(version) == version


@given(st.integers(0, MILLISECONDS_MAX), st.integers(0, MILLISECONDS_MAX))
def test_ids_sort_by_their_age(one, other):
    """The time takes precedence over the random part."""
    older, younger = sorted((one, other))
    first = mint_photo_id(now_milliseconds=older, random_bits=only_ones)
    second = mint_photo_id(now_milliseconds=younger, random_bits=only_zeros)
    assert (first[:10] <= second[:10]) is True
    assert (first < second) is (older < younger)


def test_an_id_has_ten_characters_of_time_and_six_random_ones():
    """The time comes first, with its most significant character first."""
    assert mint_photo_id(now_milliseconds=0, random_bits=only_zeros) == "0" * 16
    assert mint_photo_id(now_milliseconds=1, random_bits=only_ones) == "0000000001zzzzzz"
    assert mint_photo_id(now_milliseconds=33, random_bits=only_zeros) == "0000000011000000"
    assert mint_photo_id(now_milliseconds=MILLISECONDS_MAX, random_bits=only_ones) == "z" * 16
    assert mint_version(only_ones) == "zzzzzz"


def test_ids_of_one_millisecond_differ(dice):
    """A thousand ids of one millisecond differ."""
    minted = {mint_photo_id(now_milliseconds=5, random_bits=dice) for _ in range(1000)}
    assert len(minted) == 1000


def test_a_derived_id_is_always_the_same():
    """The derived id is fixed: it must never change in any release."""
    derived = derive_photo_id("order-66/front", application="default", secret=b"s" * 32)
    assert derived == ("fv9z2vv93sqhjmen", "yddxzm")


@given(st.text(min_size=1), st.binary(min_size=1, max_size=64))
def test_a_derived_id_is_an_id(key, secret):
    """Every idempotency key gives a valid id."""
    photo, version = derive_photo_id(key, application="default", secret=secret)
    assert parse_photo_id(photo) == photo
    assert parse_version(version) == version


def test_a_key_of_any_bytes_has_an_id():
    """A key with bytes that are not UTF-8 gives exactly one id."""
    keys = [bytes([byte]).decode(errors="surrogateescape") for byte in range(128, 256)]
    assert (
        len({derive_photo_id(key, application="default", secret=b"s" * 32) for key in keys}) == 128
    )


def test_derived_ids_differ_by_key_application_and_secret():
    """Similar keys give unrelated ids, and an id depends on the application and the secret."""
    derived = {
        derive_photo_id(f"key-{n}", application=application, secret=secret)
        for n in range(250)
        for application in ("a", "b")
        for secret in (b"s", b"t")
    }
    assert len({photo for photo, _ in derived}) == 1000
    assert len({photo[-2:] for photo, _ in derived}) > 500


@pytest.mark.parametrize("character", "ilouAZ-_ .\n\u0660\uff10\u00e9")
def test_a_character_that_is_not_of_the_alphabet_is_refused(character):
    """Similar letters, upper case, and digits of other scripts are rejected."""
    with pytest.raises(InvalidPhotoId):
        parse_photo_id(f"01jd3x8m2c9qp4k{character}")
    with pytest.raises(InvalidPhotoId):
        parse_version(f"3fz8q{character}")


@pytest.mark.parametrize("length", [0, 1, 5, 7, 15, 17, 32])
def test_another_length_is_refused(length):
    """Only sixteen and six characters are accepted."""
    with pytest.raises(InvalidPhotoId):
        parse_photo_id("0" * length)
    with pytest.raises(InvalidPhotoId):
        parse_version("0" * length)
