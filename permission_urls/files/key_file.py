"""Key file: the keys of each purpose as TOML, readable by its owner only.

It has one table per purpose and key, oldest first. The secret is 64 hex characters. The day on
which the key was made can be missing:

    [read.a]
    state = "signing"
    made = 2026-01-30
    secret = "8f1c...e0"

A file can have some purposes only: it then permits no other.

`parse_keys` and `render_keys` are inverses, and do no I/O.
"""

import os
import re
import stat
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from permission_urls.errors import InvalidKeys, UnusableKeyFile
from permission_urls.files.replaced_file import replace_file
from permission_urls.key_source import Keys, problems_between
from permission_urls.keys import (
    Key,
    KeyRing,
    KeyState,
    problems_of_id,
    problems_of_ring,
    problems_of_secret,
    problems_of_states,
)
from permission_urls.purposes import Purpose

KEY_FILE_MODE = 0o600

_SECRET = re.compile("(?:[0-9a-f]{2})*")
_FIELDS = frozenset({"state", "made", "secret"})
_STATES = {state.value: state for state in KeyState}
_HEADING = """\
# Keys by purpose. Keep this file secret, mode 0600.
# One key of each purpose is "signing". Keys that are "accepted" also verify. Keys that are
# "retired" verify nothing, and stay listed so that their ids are not reused.
"""


def load_keys(path: Path) -> Keys:
    """Load the keys from a file.

    Raises:
        UnusableKeyFile: The file cannot be read, is not UTF-8, or is accessible to other users.
        InvalidKeys: The file is not a key file; it lists all problems.
    """
    try:
        # fstat on the open file, so that the file cannot be replaced in between.
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UnusableKeyFile(path, _describe_mode(path, mode))
            return parse_keys(file.read().decode())
    except OSError as error:
        raise UnusableKeyFile(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnusableKeyFile(path, "is not UTF-8 text") from error


def save_keys(path: Path, keys: Keys) -> None:
    """Replace the file at `path` atomically and durably, with mode 0600.

    Raises:
        OSError: The directory cannot be written.
    """
    replace_file(path, render_keys(keys).encode(), mode=KEY_FILE_MODE)


def render_keys(keys: Keys) -> str:
    """Render the text of a key file."""
    tables = [
        _render_table(purpose, key) for purpose, ring in keys.rings.items() for key in ring.keys
    ]
    return _HEADING + "".join(tables)


def _render_table(purpose: Purpose, key: Key) -> str:
    lines = [f"[{purpose}.{key.key_id}]", f'state = "{key.state}"']
    if key.made is not None:
        lines.append(f"made = {key.made.isoformat()}")
    lines.append(f'secret = "{key.secret.hex()}"')
    return "\n" + "\n".join(lines) + "\n"


def parse_keys(text: str) -> Keys:
    """Parse what `render_keys` returns.

    Raises:
        InvalidKeys: The text is not a key file; it lists all problems.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidKeys([f"not TOML: {error}"]) from error
    if not document:
        raise InvalidKeys(["no keys; `glassplate keys init` makes them"])
    known = ", ".join(Purpose)
    problems = []
    rings = {}
    for name, tables in document.items():
        if name not in set(Purpose):
            problems.append(f"unknown purpose {name!r}; known purposes: {known}")
            continue
        try:
            rings[Purpose(name)] = _parse_ring(tables)
        except InvalidKeys as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
    problems += problems_between(rings)
    if problems:
        raise InvalidKeys(problems)
    return Keys(rings)


def _parse_ring(tables: Any) -> KeyRing:
    if not isinstance(tables, dict):
        raise InvalidKeys(["must be a table of keys"])
    entries = [_parse_entry(key_id, table) for key_id, table in tables.items()]
    keys = tuple(entry.key for entry in entries if entry.key is not None)
    problems = [problem for entry in entries for problem in entry.problems]
    problems += problems_of_ring(keys)
    states = [entry.state for entry in entries if entry.state is not None]
    # An invalid state can be the signing one; it already has a problem of its own.
    if len(states) == len(entries):
        problems += problems_of_states(states)
    if problems:
        raise InvalidKeys(problems)
    return KeyRing(keys=keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    state: KeyState | None
    problems: tuple[str, ...]
    key: Key | None


def _parse_entry(key_id: str, table: Any) -> _Entry:
    if not isinstance(table, dict):
        problem = f"key {key_id!r} must be a table with a state and a secret"
        return _Entry(state=None, problems=(problem,), key=None)
    unknown = sorted(table.keys() - _FIELDS)
    problems = problems_of_id(key_id)
    problems += [
        f"key {key_id!r}: unknown field {name!r}; known fields: made, secret, state"
        for name in unknown
    ]
    state = _STATES.get(str(table.get("state")))
    if state is None:
        problems.append(f"key {key_id!r}: the state must be signing, accepted, or retired")
    made = table.get("made")
    # A datetime is a date as well.
    if made is not None and type(made) is not date:
        problems.append(f"key {key_id!r}: `made` must be a date, such as 2026-01-30")
        made = None
    secret = _parse_secret(table.get("secret"))
    if secret is None:
        problems.append(f"key {key_id!r}: the secret must be lower-case hex")
    else:
        problems += problems_of_secret(key_id, secret)
    if problems or state is None or secret is None:
        return _Entry(state=state, problems=tuple(problems), key=None)
    key = Key(key_id=key_id, secret=secret, state=state, made=made)
    return _Entry(state=state, problems=(), key=key)


def _parse_secret(text: Any) -> bytes | None:
    if not isinstance(text, str) or not _SECRET.fullmatch(text):
        return None
    return bytes.fromhex(text)


def _describe_mode(path: Path, mode: int) -> str:
    return f"other users can read the keys: mode is {mode:04o}, must be 0600; chmod 600 {path}"
