"""Token file: the tokens that were made, without their text, and which of them are revoked.

    [k3v9q2mf]
    application = "shop"
    scopes = ["read", "upload"]
    expiry = 1893456000
    revoked = true

It is not a list of valid tokens: a signed token that is not in the file is valid. A record is
removed when its token has expired.
"""

import json
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from permission_urls.errors import UnusableTokenFile
from permission_urls.expiry import NO_EXPIRY, is_expired
from permission_urls.files.file_lock import locked
from permission_urls.files.followed_file import FollowedFile
from permission_urls.files.replaced_file import replace_file
from permission_urls.tokens import Token, is_token_id

_FIELDS = {"application": str, "scopes": list, "expiry": int, "revoked": bool}
_HEADING = """\
# API tokens by id, written by `glassplate token`. A revoked one is refused by every storagemaster
# that has this file beside its key file.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """Record of one token."""

    id: str
    application: str = ""
    """Empty if the token was made elsewhere."""
    scopes: tuple[str, ...] = ()
    expiry: int = NO_EXPIRY
    revoked: bool = False


class RevokedTokens:
    """Ids of revoked tokens, which follow the token file. A missing file revokes none.

    Raises:
        UnusableTokenFile: The file is invalid.
    """

    def __init__(
        self, path: Path, *, monotonic_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._file: FollowedFile[frozenset[str]] = FollowedFile(
            path, _load_revoked, if_missing=frozenset(), monotonic_seconds=monotonic_seconds
        )
        self.check_now = self._file.check_now

    def __contains__(self, token_id: object) -> bool:
        """Return True if the token with this id is revoked."""
        return token_id in self._file.value()


def record_of(token: Token) -> TokenRecord:
    """Return the record of a new token."""
    return TokenRecord(
        id=token.id,
        application=token.application,
        scopes=tuple(sorted(token.scopes)),
        expiry=token.expiry,
    )


def load_tokens(path: Path) -> dict[str, TokenRecord]:
    """Load the records by id. A missing file has none.

    Raises:
        UnusableTokenFile: The file is invalid.
    """
    try:
        return _load(path)
    except FileNotFoundError:
        return {}


def save_tokens(path: Path, records: Iterable[TokenRecord], *, now_seconds: float) -> None:
    """Replace the file atomically and durably, without the records of expired tokens.

    Raises:
        OSError: The directory cannot be written.
    """
    text = render_tokens(each for each in records if not is_expired(each.expiry, now_seconds))
    replace_file(path, text.encode(), mode=0o600)


def add_token(path: Path, token: Token, *, now_seconds: float) -> None:
    """Record a new token in the file.

    Raises:
        UnusableTokenFile: The file is invalid.
        OSError: The directory cannot be written.
    """
    with locked(path):
        records = [*load_tokens(path).values(), record_of(token)]
        save_tokens(path, records, now_seconds=now_seconds)


def render_tokens(records: Iterable[TokenRecord]) -> str:
    """Render the text of a token file."""
    tables = [
        f"\n[{each.id}]\napplication = {json.dumps(each.application)}\n"
        f"scopes = {json.dumps(list(each.scopes))}\nexpiry = {each.expiry}\n"
        f"revoked = {json.dumps(each.revoked)}\n"
        for each in records
    ]
    return _HEADING + "".join(tables)


def parse_tokens(text: str) -> dict[str, TokenRecord]:
    """Parse what `render_tokens` returns.

    Raises:
        ValueError: The text is not a token file; the message says why.
    """
    return {id_: _parse_record(id_, fields) for id_, fields in tomllib.loads(text).items()}


def _parse_record(id_: str, fields: Any) -> TokenRecord:
    if not is_token_id(id_) or not isinstance(fields, Mapping):
        raise ValueError(f"{id_!r} is not a table named by the id of a token")
    for name, value in fields.items():
        if name not in _FIELDS or type(value) is not _FIELDS[name]:
            raise ValueError(f"{id_}.{name} is unknown, or has an invalid value")
    return TokenRecord(id=id_, **{**fields, "scopes": tuple(fields.get("scopes", ()))})


def _load(path: Path) -> dict[str, TokenRecord]:
    try:
        return parse_tokens(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnusableTokenFile(path, str(error)) from error


def _load_revoked(path: Path) -> frozenset[str]:
    return frozenset(each.id for each in _load(path).values() if each.revoked)
