"""Key ring: secrets by id. One key signs; the others are accepted or retired.

A rotation that rejects no valid URL takes two rollouts, because a verifier must have a key before
any signer uses it:

    ring = ring.with_accepted_key(key)         roll out to every verifier
    ring = ring.with_signing_key(key.key_id)   roll out to every signer
    ring = ring.with_retired(old_id)           when the URLs of the old key can end

`with_new_signing_key` does the first two steps at once, for processes that share one key file.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from permission_urls.errors import InvalidKeys
from permission_urls.purposes import Purpose

KEY_ID_PATTERN = "[a-z0-9]{1,4}"
RESTRICTION_PATTERN = "(?=[wlo1-9])(?:w[lo]?|lo?|o)?(?:[1-9][0-9]{0,3})?"
"""Some of the classes web, large, and original; longest lifetime in hours."""
SECRET_BYTES = 32
RESTRICTED_SECRET_BYTES = 24

# Thirty-two random bytes have about thirty distinct values. Fewer than eight indicates a typed key
# or a repeated character.
_DIFFERENT_BYTES_MIN = 8
_KEY_ID = re.compile(f"{KEY_ID_PATTERN}(-{RESTRICTION_PATTERN})?")

RandomBytes = Callable[[int], bytes]
"""Source of random bytes, such as `os.urandom`."""


class KeyState(StrEnum):
    """State of a key in its ring."""

    SIGNING = "signing"
    ACCEPTED = "accepted"
    RETIRED = "retired"

    @property
    def verifies(self) -> bool:
        """True if signatures of this key are accepted."""
        return self is not KeyState.RETIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One secret and its id.

    A restricted key signs URLs for an application. Its id names the restriction, and its secret is
    derived; see `permission_urls.restrictions`.

    Raises:
        InvalidKeys: The id does not match the grammar, or the secret is weak.
    """

    key_id: str
    secret: bytes = field(repr=False)
    state: KeyState
    made: date | None = None
    """The day on which it was made, or None if none is recorded."""

    def __post_init__(self) -> None:
        problems = problems_of_id(self.key_id) + problems_of_secret(self.key_id, self.secret)
        if problems:
            raise InvalidKeys(problems)

    @property
    def is_restricted(self) -> bool:
        """True if the key signs some URLs only, and verifies none."""
        return "-" in self.key_id


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """All keys, oldest first. A retired key stays, so that its id is not reused.

    Raises:
        InvalidKeys: An id or a secret is listed twice, or not exactly one key signs.
    """

    keys: tuple[Key, ...]

    def __post_init__(self) -> None:
        problems = problems_of_ring(self.keys) + problems_of_states(key.state for key in self.keys)
        if problems:
            raise InvalidKeys(problems)

    @property
    def signing_key(self) -> Key:
        """Key that signs."""
        return next(key for key in self.keys if key.state is KeyState.SIGNING)

    @property
    def idempotency_secret(self) -> bytes:
        """The secret that derives photo ids and versions.

        It is that of the oldest key, which stays in the ring, so it survives every rotation.
        """
        return hmac.digest(self.keys[0].secret, b"glassplate idempotency", hashlib.sha256)

    def ring(self, purpose: Purpose) -> "KeyRing":
        """Return this ring, which alone is the source of keys of one purpose."""
        del purpose
        return self

    def find(self, key_id: str) -> Key | None:
        """Return the key with this id in any state, or None."""
        return next((key for key in self.keys if key.key_id == key_id), None)

    def with_accepted_key(self, key: Key) -> "KeyRing":
        """Return this ring with one more key, which verifies but does not sign.

        Raises:
            InvalidKeys: Another key has or had this id.
        """
        return KeyRing(keys=(*self.keys, replace(key, state=KeyState.ACCEPTED)))

    def with_signing_key(self, key_id: str) -> "KeyRing":
        """Return this ring with `key_id` as the signing key, and the former one accepted.

        Raises:
            InvalidKeys: No key has this id, or the key is retired.
        """
        if not self._require(key_id).state.verifies:
            raise InvalidKeys([f"key {key_id!r} is retired and cannot sign again"])
        demoted = _with_state(self.keys, self.signing_key.key_id, KeyState.ACCEPTED)
        return KeyRing(keys=_with_state(demoted, key_id, KeyState.SIGNING))

    def with_new_signing_key(self, key: Key) -> "KeyRing":
        """Return this ring with a new signing key, and the former one accepted.

        Raises:
            InvalidKeys: Another key has or had this id.
        """
        return self.with_accepted_key(key).with_signing_key(key.key_id)

    def with_retired(self, key_id: str) -> "KeyRing":
        """Return this ring with one key retired. All signatures of that key become invalid.

        Raises:
            InvalidKeys: No key has this id, or the key signs.
        """
        if self._require(key_id).state is KeyState.SIGNING:
            raise InvalidKeys([f"key {key_id!r} is signing; promote another key first"])
        return KeyRing(keys=_with_state(self.keys, key_id, KeyState.RETIRED))

    def without_retired(self) -> "KeyRing":
        """Return the keys that verify."""
        return KeyRing(keys=tuple(key for key in self.keys if key.state.verifies))

    def _require(self, key_id: str) -> Key:
        key = self.find(key_id)
        if key is None:
            known = ", ".join(key.key_id for key in self.keys)
            raise InvalidKeys([f"unknown key {key_id!r}; known keys: {known}"])
        return key


def generate_key(key_id: str, random_bytes: RandomBytes) -> Key:
    """Return a new signing key.

    Raises:
        InvalidKeys: The id does not match the grammar, or the bytes are not random.
    """
    return Key(key_id=key_id, secret=random_bytes(SECRET_BYTES), state=KeyState.SIGNING)


def problems_of_id(key_id: str) -> list[str]:
    """Return the problems of a key id."""
    if _KEY_ID.fullmatch(key_id):
        return []
    return [f"key {key_id!r}: the id must be one to four of a-z and 0-9"]


def problems_of_secret(key_id: str, secret: bytes) -> list[str]:
    """Return the problems of one secret, without quoting it."""
    expected = RESTRICTED_SECRET_BYTES if "-" in key_id else SECRET_BYTES
    if len(secret) != expected:
        return [f"key {key_id!r}: the secret has {len(secret)} bytes, not {expected}"]
    if len(set(secret)) < _DIFFERENT_BYTES_MIN:
        return [f"key {key_id!r}: the secret is weak: it repeats a few bytes"]
    return []


def problems_of_ring(keys: Iterable[Key]) -> list[str]:
    """Return the conflicts between keys that are valid on their own."""
    problems = []
    id_of_secret: dict[bytes, str] = {}
    ids: set[str] = set()
    for key in keys:
        first_id = id_of_secret.setdefault(key.secret, key.key_id)
        if key.key_id in ids:
            problems.append(f"key {key.key_id!r} is listed twice: ids are never reused")
        elif first_id != key.key_id:
            problems.append(f"keys {first_id!r} and {key.key_id!r} have the same secret")
        ids.add(key.key_id)
    return problems


def problems_of_states(states: Iterable[KeyState]) -> list[str]:
    """Return the problems of the states of all keys together."""
    signing_count = sum(state is KeyState.SIGNING for state in states)
    if signing_count == 1:
        return []
    return [f"exactly one key must be signing, and {signing_count} are"]


def _with_state(keys: tuple[Key, ...], key_id: str, state: KeyState) -> tuple[Key, ...]:
    return tuple(replace(key, state=state) if key.key_id == key_id else key for key in keys)
