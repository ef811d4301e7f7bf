"""The key ring: secrets by id, of which one signs, some are accepted and some are retired.

A rotation that refuses no valid URL takes two roll-outs, because a verifier must hold a key before
anything is signed with it:

    ring = ring.with_accepted_key(key)        roll out to everything that verifies
    ring = ring.with_signing_key(key.key_id)   roll out to everything that signs
    ring = ring.with_retired(old_id)           when the last URL of the old key may die

Where everything reads the same file at once, `with_new_signing_key` does the first two in one.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from permission_urls.errors import InvalidKeys

KEY_ID_PATTERN = "[a-z0-9]{1,4}"
SECRET_BYTES = 32

# Thirty-two random bytes hold about thirty different ones. Fewer than eight never happens by
# chance, but does when somebody types a key or fills it with one character.
_DIFFERENT_BYTES_MIN = 8
_KEY_ID = re.compile(KEY_ID_PATTERN)

RandomBytes = Callable[[int], bytes]
"""Gives so many random bytes, as `os.urandom` does."""


class KeyState(StrEnum):
    """What a key may still be used for."""

    SIGNING = "signing"
    ACCEPTED = "accepted"
    RETIRED = "retired"

    @property
    def verifies(self) -> bool:
        """Whether a signature of this key opens anything."""
        return self is not KeyState.RETIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One secret and its id.

    Raises:
        InvalidKeys: The id is out of the grammar, or the secret is weak.
    """

    key_id: str
    secret: bytes = field(repr=False)
    state: KeyState

    def __post_init__(self) -> None:
        problems = problems_of_id(self.key_id) + problems_of_secret(self.key_id, self.secret)
        if problems:
            raise InvalidKeys(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """All keys there ever were, oldest first. A retired key stays, so that its id is not reused.

    Raises:
        InvalidKeys: An id or a secret is there twice, or not exactly one key signs.
    """

    keys: tuple[Key, ...]

    def __post_init__(self) -> None:
        problems = problems_of_ring(self.keys) + problems_of_states(key.state for key in self.keys)
        if problems:
            raise InvalidKeys(problems)

    @property
    def signing_key(self) -> Key:
        """The one key that signs."""
        return next(key for key in self.keys if key.state is KeyState.SIGNING)

    @property
    def idempotency_secret(self) -> bytes:
        """The secret that derives photo ids and versions.

        It is that of the oldest key, which stays in the ring, so it survives every rotation.
        """
        return hmac.digest(self.keys[0].secret, b"glassplate idempotency", hashlib.sha256)

    def find(self, key_id: str) -> Key | None:
        """The key of this id, in whatever state, or None."""
        return next((key for key in self.keys if key.key_id == key_id), None)

    def with_accepted_key(self, key: Key) -> "KeyRing":
        """This ring with one more key, which verifies and does not sign yet.

        Raises:
            InvalidKeys: The id is, or once was, another key's.
        """
        return KeyRing(keys=(*self.keys, replace(key, state=KeyState.ACCEPTED)))

    def with_signing_key(self, key_id: str) -> "KeyRing":
        """This ring with the accepted key `key_id` signing, and the former one accepted.

        Raises:
            InvalidKeys: There is no such key, or it is retired.
        """
        if not self._find_or_refuse(key_id).state.verifies:
            raise InvalidKeys([f"key {key_id!r} is retired and cannot sign again"])
        demoted = _with_state(self.keys, self.signing_key.key_id, KeyState.ACCEPTED)
        return KeyRing(keys=_with_state(demoted, key_id, KeyState.SIGNING))

    def with_new_signing_key(self, key: Key) -> "KeyRing":
        """This ring with a new key that signs at once, and the former one accepted.

        Raises:
            InvalidKeys: The id is, or once was, another key's.
        """
        return self.with_accepted_key(key).with_signing_key(key.key_id)

    def with_retired(self, key_id: str) -> "KeyRing":
        """This ring with one key retired: every signature it ever made is refused.

        Raises:
            InvalidKeys: There is no such key, or it is the one that signs.
        """
        if self._find_or_refuse(key_id).state is KeyState.SIGNING:
            raise InvalidKeys([f"key {key_id!r} signs: let another key sign before it is retired"])
        return KeyRing(keys=_with_state(self.keys, key_id, KeyState.RETIRED))

    def _find_or_refuse(self, key_id: str) -> Key:
        key = self.find(key_id)
        if key is None:
            raise InvalidKeys([f"there is no key {key_id!r}"])
        return key


def generate_key(key_id: str, random_bytes: RandomBytes) -> Key:
    """A new key that signs.

    Raises:
        InvalidKeys: The id is out of the grammar, or the randomness is none.
    """
    return Key(key_id=key_id, secret=random_bytes(SECRET_BYTES), state=KeyState.SIGNING)


def problems_of_id(key_id: str) -> list[str]:
    """What is wrong with a key id."""
    if _KEY_ID.fullmatch(key_id):
        return []
    return [f"key {key_id!r}: an id is one to four of a-z and 0-9"]


def problems_of_secret(key_id: str, secret: bytes) -> list[str]:
    """What is wrong with the secret of one key; the secret itself is never quoted."""
    if len(secret) != SECRET_BYTES:
        return [f"key {key_id!r}: the secret has {len(secret)} bytes, not {SECRET_BYTES}"]
    if len(set(secret)) < _DIFFERENT_BYTES_MIN:
        return [f"key {key_id!r}: the secret is weak, it repeats a few bytes over and over"]
    return []


def problems_of_ring(keys: Iterable[Key]) -> list[str]:
    """What is wrong between keys that are good one by one."""
    problems = []
    id_of_secret: dict[bytes, str] = {}
    ids: set[str] = set()
    for key in keys:
        first_id = id_of_secret.setdefault(key.secret, key.key_id)
        if key.key_id in ids:
            problems.append(f"key {key.key_id!r} is there twice: an id is never used again")
        elif first_id != key.key_id:
            problems.append(f"keys {first_id!r} and {key.key_id!r} have the same secret")
        ids.add(key.key_id)
    return problems


def problems_of_states(states: Iterable[KeyState]) -> list[str]:
    """What is wrong with the states of all keys together."""
    signing_count = sum(state is KeyState.SIGNING for state in states)
    if signing_count == 1:
        return []
    return [f"exactly one key must be signing, and {signing_count} are"]


def _with_state(keys: tuple[Key, ...], key_id: str, state: KeyState) -> tuple[Key, ...]:
    return tuple(replace(key, state=state) if key.key_id == key_id else key for key in keys)
