"""Photo ids and versions: lower-case Crockford base32, never reused."""

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
"""Source of random bits: `random.SystemRandom().getrandbits`, or a fake in tests."""


class InvalidPhotoId(ValueError):
    """The text is not a photo id or a version."""


def mint_photo_id(*, now_milliseconds: int, random_bits: RandomBits) -> PhotoId:
    """Return a new id: ten characters of time, so that ids sort by age, and six random ones."""
    time_part = encode_base32(now_milliseconds, _TIME_LENGTH)
    random_part = encode_base32(random_bits(_RANDOM_LENGTH * _BITS_PER_CHARACTER), _RANDOM_LENGTH)
    return PhotoId(time_part + random_part)


def mint_version(random_bits: RandomBits) -> Version:
    """Return a new version: six random characters, so that a URL does not reveal the next one."""
    return Version(encode_base32(random_bits(VERSION_LENGTH * _BITS_PER_CHARACTER), VERSION_LENGTH))


def derive_photo_id(
    idempotency_key: str, *, application: str, secret: bytes
) -> tuple[PhotoId, Version]:
    """Return the id and version of an application's uploads with this key, at any storagemaster.

    Applications have separate keys. The cluster's secret is the key of the hash, so that a client
    cannot choose an id.
    """
    # A header can hold any bytes; bytes that are not UTF-8 arrive escaped.
    text = f"key\n{application}\n{idempotency_key}".encode(errors="surrogateescape")
    digest = hmac.digest(secret, text, hashlib.sha256)
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
    """Parse a photo id.

    Raises:
        InvalidPhotoId: The text is not sixteen characters of the alphabet.
    """
    if not _PHOTO_ID.fullmatch(text):
        raise InvalidPhotoId(f"{text!r} is not a photo id: {PHOTO_ID_LENGTH} of {ALPHABET}")
    return PhotoId(text)


def parse_version(text: str) -> Version:
    """Parse a version.

    Raises:
        InvalidPhotoId: The text is not six characters of the alphabet.
    """
    if not _VERSION.fullmatch(text):
        raise InvalidPhotoId(f"{text!r} is not a version: {VERSION_LENGTH} of {ALPHABET}")
    return Version(text)


def encode_base32(number: int, length: int) -> str:
    """Encode the lowest 5 x length bits of a number in lower-case Crockford base32."""
    characters = [
        ALPHABET[number >> (_BITS_PER_CHARACTER * place) & 31] for place in reversed(range(length))
    ]
    return "".join(characters)
