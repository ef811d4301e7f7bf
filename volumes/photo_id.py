"""Photo ids and versions: lower-case Crockford base32, minted once and never used again."""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import NewType

PhotoId = NewType("PhotoId", str)
Version = NewType("Version", str)

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
CHARACTER_PATTERN = "[0-9a-hjkmnp-tv-z]"
PHOTO_ID_LENGTH = 16
VERSION_LENGTH = 6

_TIME_LENGTH = 10
_RANDOM_LENGTH = PHOTO_ID_LENGTH - _TIME_LENGTH
_BITS_PER_CHARACTER = 5
_PHOTO_ID = re.compile(f"{CHARACTER_PATTERN}{{{PHOTO_ID_LENGTH}}}")
_VERSION = re.compile(f"{CHARACTER_PATTERN}{{{VERSION_LENGTH}}}")

RandomBits = Callable[[int], int]
"""Gives an integer of so many random bits, as `random.SystemRandom().getrandbits` does."""


class InvalidPhotoId(ValueError):
    """The text is not a photo id or a version."""


def mint_photo_id(*, now_milliseconds: int, random_bits: RandomBits) -> PhotoId:
    """A new id: ten characters of time, so that ids sort by age, and six of randomness."""
    time_part = encode_base32(now_milliseconds, _TIME_LENGTH)
    random_part = encode_base32(random_bits(_RANDOM_LENGTH * _BITS_PER_CHARACTER), _RANDOM_LENGTH)
    return PhotoId(time_part + random_part)


def mint_version(random_bits: RandomBits) -> Version:
    """A new version: six random characters, so that one URL does not betray the next."""
    return Version(encode_base32(random_bits(VERSION_LENGTH * _BITS_PER_CHARACTER), VERSION_LENGTH))


def derive_photo_id(idempotency_key: str, *, secret: bytes) -> tuple[PhotoId, Version]:
    """The id and version of every upload that carries this key, at any storagemaster.

    Keyed with the cluster's secret, so that a client cannot aim its photo at another's id.
    """
    # A header may hold any bytes; those that are no UTF-8 reach us escaped.
    key = idempotency_key.encode(errors="surrogateescape")
    digest = hmac.digest(secret, key, hashlib.sha256)
    number = int.from_bytes(digest, "big")
    photo_bits = PHOTO_ID_LENGTH * _BITS_PER_CHARACTER
    photo = encode_base32(number & ((1 << photo_bits) - 1), PHOTO_ID_LENGTH)
    return PhotoId(photo), Version(encode_base32(number >> photo_bits, VERSION_LENGTH))


def derive_version(text: str, *, secret: bytes) -> Version:
    """Return the version that belongs to a text, always the same.

    The secret is the cluster's, so that a client that knows one version cannot derive the next.
    """
    digest = hmac.digest(secret, text.encode(), hashlib.sha256)
    return Version(encode_base32(int.from_bytes(digest, "big"), VERSION_LENGTH))


def parse_photo_id(text: str) -> PhotoId:
    """The text as a photo id.

    Raises:
        InvalidPhotoId: It is not sixteen characters of the alphabet.
    """
    if not _PHOTO_ID.fullmatch(text):
        raise InvalidPhotoId(f"{text!r} is not a photo id: {PHOTO_ID_LENGTH} of {ALPHABET}")
    return PhotoId(text)


def parse_version(text: str) -> Version:
    """The text as a version.

    Raises:
        InvalidPhotoId: It is not six characters of the alphabet.
    """
    if not _VERSION.fullmatch(text):
        raise InvalidPhotoId(f"{text!r} is not a version: {VERSION_LENGTH} of {ALPHABET}")
    return Version(text)


def encode_base32(number: int, length: int) -> str:
    """The lowest 5 x length bits of a number in Crockford's base32, lower case."""
    characters = [
        ALPHABET[number >> (_BITS_PER_CHARACTER * place) & 31] for place in reversed(range(length))
    ]
    return "".join(characters)
