"""Errors of this package, with the HTTP status of the response.

PermissionUrlError
    ├── MalformedUrl              400: the request target is not one that Glassplate creates
    ├── Forbidden                 403: the response is constant; `reason` is for logs
│   ├── NoPermission          missing, or not in the grammar
│   ├── UnknownSize           the size letter is not in the size table
│   ├── UnknownKey            no key has this id
    │   ├── RetiredKey            the key with this id is retired
    │   ├── BadMac                another key, another purpose, or changed bytes
    │   ├── BeyondRestriction     the MAC is valid, but the key may not sign this URL
    │   ├── Expired               the MAC is valid, but the expiry has passed
    │   ├── TooFarAhead           the MAC is valid, but no sender sets an expiry so late
    │   └── WrongScope            the API token is valid, but lacks the scope
    ├── InvalidToken              401: not a valid API token; `reason` is for logs
│   ├── MalformedToken
│   ├── BadTokenSignature
│   ├── TokenRevoked
│   └── TokenExpired
    ├── Unsignable                the value to sign is ambiguous or out of range
    └── KeyRingError              no process can start with these keys
        ├── InvalidKeys           all problems of a key ring
        ├── UnusableKeyFile       unreadable, or readable by other users
        └── UnusableTokenFile     not a list of tokens

No message contains a secret or a MAC, so all of them can be logged.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


class PermissionUrlError(Exception):
    """Base class of the errors of this package."""


class MalformedUrl(PermissionUrlError):
    """The request target has a forbidden byte, is too long, or does not begin with a slash."""

    def __init__(self) -> None:
        super().__init__("malformed request target")


class Forbidden(PermissionUrlError):
    """The request has no valid permission. The response has no reason; `reason` is for logs."""

    reason: ClassVar[str] = "forbidden"

    def __init__(self) -> None:
        super().__init__(self.reason)


class NoPermission(Forbidden):
    """The permission is missing, or does not match the grammar."""

    reason = "missing or malformed permission"


class UnknownSize(Forbidden):
    """The size letter is not in the size table."""

    reason = "unknown size"


class UnknownKey(Forbidden):
    """No key has this id."""

    reason = "unknown key"


class RetiredKey(Forbidden):
    """The key with this id is retired."""

    reason = "retired key"


class BadMac(Forbidden):
    """The MAC does not match these bytes and this key."""

    reason = "bad mac"


class BeyondRestriction(Forbidden):
    """The MAC is valid, but the restriction of its key excludes the size class or the expiry."""

    reason = "beyond the restriction of the key"


class Expired(Forbidden):
    """The MAC is valid, but the expiry has passed."""

    reason = "expired"


class TooFarAhead(Forbidden):
    """The MAC is valid, but no sender sets an expiry so late, unless its clock is ahead."""

    reason = "expiry too far ahead"


class WrongScope(Forbidden):
    """The API token is valid, but lacks `scope_needed`."""

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
    """The text does not match the grammar of API tokens."""


class BadTokenSignature(InvalidToken):
    """No accepted key signed the token."""


class TokenRevoked(InvalidToken):
    """The token was revoked."""


class TokenExpired(InvalidToken):
    """The expiry of the token has passed."""


class Unsignable(PermissionUrlError):
    """The value to sign is ambiguous or out of range."""


class KeyRingError(PermissionUrlError):
    """No process can start with these keys."""


class InvalidKeys(KeyRingError):
    """The keys are invalid; `problems` lists every reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class UnusableKeyFile(KeyRingError):
    """The key file at `path` cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


class UnusableTokenFile(KeyRingError):
    """The token file at `path` cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")
