"""Restrictions of read keys: some size classes only, or a longest lifetime.

    restricted key = MAC of the restriction with the derived read key, as 24 bytes of ASCII

A URL names its restriction after the key id, as in `a-w168`: class `web` only, for at most 168
hours. `w`, `l`, and `o` are the classes `web`, `large`, and `original`, in this order; without a
letter, every class is permitted. The number is the longest lifetime in hours; without one, there is
no limit. A verifier derives the restricted key from the read key, so it needs no table of them, and
a rotation of the read key is one of all its restricted keys. A URL with another restriction has
another key, and so another MAC.

No message of a read key is also a restriction, because every other one has a slash.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from permission_urls.errors import Unsignable
from permission_urls.expiry import NO_EXPIRY, WINDOW_SECONDS
from permission_urls.keys import KEY_ID_PATTERN, RESTRICTION_PATTERN
from permission_urls.signing import DerivedKey, mac

URL_KEY_PATTERN = f"{KEY_ID_PATTERN}(?:-{RESTRICTION_PATTERN})?"
"""The key in a URL: an id, and a restriction if the key has one."""

HOURS_MAX = 9999
# An expiry is rounded up to a window, and the clock of a signer can be ahead by as much again.
SLACK_SECONDS = 2 * WINDOW_SECONDS

_HOUR_SECONDS = 3600
_LETTERS = {"web": "w", "large": "l", "original": "o"}
_PARTS = re.compile("([wlo]*)([0-9]*)")


@dataclass(frozen=True, slots=True)
class Restriction:
    """Limits of a read key. No class means every class, and None hours mean no limit."""

    size_classes: frozenset[str] = frozenset()
    hours_max: int | None = None

    @property
    def text(self) -> str:
        """The only spelling in a URL; empty if nothing is restricted."""
        letters = (letter for name, letter in _LETTERS.items() if name in self.size_classes)
        return "".join(letters) + ("" if self.hours_max is None else str(self.hours_max))

    def permits_class(self, size_class: str) -> bool:
        """Return True if the key may sign URLs of a size class."""
        return not self.size_classes or size_class in self.size_classes

    def permits_expiry(self, expiry_seconds: int, now_seconds: float) -> bool:
        """Return True if a URL that ends then may open a photo now."""
        if self.hours_max is None:
            return True
        latest_seconds = now_seconds + self.hours_max * _HOUR_SECONDS + SLACK_SECONDS
        return expiry_seconds != NO_EXPIRY and expiry_seconds <= latest_seconds


UNRESTRICTED = Restriction()


def restriction_of(size_classes: Iterable[str], hours_max: int | None) -> Restriction:
    """Return the restriction to some classes and a longest lifetime.

    Raises:
        Unsignable: A class is unknown, or the lifetime is out of range.
    """
    classes = frozenset(size_classes)
    unknown = sorted(classes - _LETTERS.keys())
    if unknown:
        raise Unsignable(f"unknown size class {unknown[0]!r}; known classes: {', '.join(_LETTERS)}")
    if hours_max is not None and not 1 <= hours_max <= HOURS_MAX:
        raise Unsignable(f"a lifetime of {hours_max} hours is out of range: 1 to {HOURS_MAX}")
    every = len(classes) == len(_LETTERS)
    return Restriction(frozenset() if every else classes, hours_max)


@lru_cache(maxsize=64)
def restriction_in(url_key: str) -> Restriction:
    """Return the restriction that the key of a URL names. The text must match URL_KEY_PATTERN."""
    _, _, text = url_key.partition("-")
    match = _PARTS.fullmatch(text)
    assert match is not None
    classes = frozenset(name for name, letter in _LETTERS.items() if letter in match[1])
    return Restriction(classes, int(match[2]) if match[2] else None)


def restricted_key(key: DerivedKey, restriction: Restriction) -> DerivedKey:
    """Return the key that signs URLs within a restriction, and no others.

    >>> restricted_key(DerivedKey("a", bytes(32)), Restriction(frozenset({"web"}), 168)).key_id
    'a-w168'
    """
    if restriction == UNRESTRICTED:
        return key
    secret = restricted_secret(key.secret, restriction.text)
    return DerivedKey(f"{key.key_id}-{restriction.text}", secret)


def restricted_secret(derived_key: bytes, text: str) -> bytes:
    """Return the secret of a restricted key, by the spelling of its restriction."""
    return mac(derived_key, text.encode()).encode()
