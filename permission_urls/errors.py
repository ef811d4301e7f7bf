"""Every error of this package, drawn by whose fault it is.

    PermissionUrlError
    ├── MalformedUrl              400, the caller: a request target no one of ours would make
    ├── Forbidden                 403, the caller: answered with one constant, `reason` is for logs
    │   ├── NoPermission          missing, or not in the grammar
    │   ├── UnknownSize           the size letter is not in the size table
    │   ├── UnknownKey            no key has this id
    │   ├── RetiredKey            the key of this id verifies nothing any more
    │   ├── BadMac                signed by someone else, for something else, or changed
    │   ├── Expired               the MAC is good, the time is over
    │   └── WrongScope            the API token is good, but does not open this
    ├── InvalidToken              401, the caller: not an API token of ours, `reason` is for logs
    │   ├── MalformedToken
    │   ├── BadTokenSignature
    │   └── TokenExpired
    ├── Unsignable                us: asked to sign what has no one spelling
    └── KeyRingError               the operator: nothing may start with these keys
        ├── InvalidKeys           all problems of a key ring, together
        └── UnusableKeyFile       cannot be read, or others can read it

No message holds a secret or a MAC, so any of them may be logged.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


class PermissionUrlError(Exception):
    """Anything this package refuses."""


class MalformedUrl(PermissionUrlError):
    """The request target has a forbidden byte, is too long, or does not begin with a slash."""

    def __init__(self) -> None:
        super().__init__("malformed request target")


class Forbidden(PermissionUrlError):
    """The permission does not open this. The answer never says why; `reason` is for logs."""

    reason: ClassVar[str] = "forbidden"

    def __init__(self) -> None:
        super().__init__(self.reason)


class NoPermission(Forbidden):
    """There is no permission, or it is not in the grammar."""

    reason = "missing or garbled permission"


class UnknownSize(Forbidden):
    """The size letter is not in the size table."""

    reason = "unknown size"


class UnknownKey(Forbidden):
    """No key has this id."""

    reason = "unknown key"


class RetiredKey(Forbidden):
    """The key of this id verifies nothing any more."""

    reason = "retired key"


class BadMac(Forbidden):
    """The MAC is not the one this key makes of these bytes."""

    reason = "bad mac"


class Expired(Forbidden):
    """The MAC is good, but its time is over."""

    reason = "expired"


class WrongScope(Forbidden):
    """The API token is good, but lacks `scope_needed`."""

    reason = "wrong scope"

    def __init__(self, scope_needed: str) -> None:
        super().__init__()
        self.scope_needed = scope_needed


class InvalidToken(PermissionUrlError):
    """The text is not a valid API token. `reason` is for logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MalformedToken(InvalidToken):
    """The text is not in the grammar of API tokens."""


class BadTokenSignature(InvalidToken):
    """The token was not signed with a key that verifies here."""


class TokenExpired(InvalidToken):
    """The token was good once."""


class Unsignable(PermissionUrlError):
    """What was to be signed would have none or more than one reading."""


class KeyRingError(PermissionUrlError):
    """Nothing may start with these keys."""


class InvalidKeys(KeyRingError):
    """The keys have `problems`, all of them listed."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class UnusableKeyFile(KeyRingError):
    """The key file at `path` cannot be used."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"{path}: {why}")
