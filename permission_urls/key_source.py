"""Keys of all purposes, and the source that gives them to signers and verifiers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Protocol

from permission_urls.errors import InvalidKeys
from permission_urls.keys import KeyRing, RandomBytes, generate_key
from permission_urls.purposes import Purpose

FIRST_KEY_ID = "a"


class KeySource(Protocol):
    """Source of key rings. The ring of a purpose changes when its keys do."""

    def ring(self, purpose: Purpose) -> KeyRing:
        """Return the ring of a purpose.

        Raises:
            InvalidKeys: The keys of this purpose are missing.
        """


@dataclass(frozen=True, slots=True)
class Keys:
    """One key ring for each purpose. A file for one machine can have some purposes only.

    Raises:
        InvalidKeys: Two purposes have a secret in common.
    """

    rings: Mapping[Purpose, KeyRing]

    def __post_init__(self) -> None:
        problems = problems_between(self.rings)
        if problems:
            raise InvalidKeys(problems)
        object.__setattr__(self, "rings", MappingProxyType(dict(self.rings)))

    def ring(self, purpose: Purpose) -> KeyRing:
        """Return the ring of a purpose.

        Raises:
            InvalidKeys: The keys of this purpose are missing.
        """
        ring = self.rings.get(purpose)
        if ring is None:
            advice = "use a key file that has one; `glassplate keys init` adds missing ones"
            raise InvalidKeys([f"no key of purpose {purpose}: {advice}"])
        return ring

    def with_ring(self, purpose: Purpose, ring: KeyRing) -> "Keys":
        """Return the same keys, with another ring for one purpose."""
        return Keys({**self.rings, purpose: ring})

    def made_on(self, day: date) -> "Keys":
        """Return the same keys, made on a day unless another one is recorded."""
        return Keys(
            {
                purpose: KeyRing(
                    keys=tuple(replace(key, made=key.made or day) for key in ring.keys)
                )
                for purpose, ring in self.rings.items()
            }
        )

    def only(self, purposes: Iterable[Purpose]) -> "Keys":
        """Return the keys of some purposes."""
        return Keys({purpose: self.ring(purpose) for purpose in purposes})


def generate_keys(random_bytes: RandomBytes) -> Keys:
    """Return new keys, one for each purpose."""
    return Keys(
        {purpose: KeyRing(keys=(generate_key(FIRST_KEY_ID, random_bytes),)) for purpose in Purpose}
    )


def problems_between(rings: Mapping[Purpose, KeyRing]) -> list[str]:
    """Return the problems of rings that are valid on their own."""
    owner: dict[bytes, str] = {}
    problems = []
    for purpose, ring in rings.items():
        for key in ring.keys:
            name = f"{purpose}.{key.key_id}"
            if key.is_restricted and purpose is not Purpose.READ:
                problems.append(f"key {name} is restricted, which only keys of purpose read can be")
            first = owner.setdefault(key.secret, name)
            if first.partition(".")[0] != purpose:
                problems.append(f"keys {first} and {name} have the same secret")
    return problems
