"""Application file: the addresses, sizes, and credentials of one application, as TOML or JSON.

    application = "shop"
    masters = ["http://10.1.0.10:8090"]
    uploads = ["https://upload.example"]
    edges = ["https://photos.example"]
    token = "gp2.a..."

    [read_key]
    id = "a"
    secret = "8f1c...e0"

    [[sizes]]
    letter = "m"
    edge_pixels = 240
    square = false
    class = "web"

`read_key` signs URLs, and its id names a restriction if it has one. `ticket_key` signs upload
tickets, and `webhook_keys` check webhooks. Each is derived, so no key of the cluster follows from
it. `glassplate application export` writes the file.
"""

import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassplate.errors import BadConfig
from permission_urls import DerivedKey
from permission_urls.keys import problems_of_id
from volumes.sizes import Size

_HEADING = """\
# Addresses and credentials of application {application}. Keep this file secret, mode 0600.
"""
_SECRET = re.compile("[0-9a-f]{64}")
_RESTRICTED_SECRET = re.compile("[0-9a-f]{48}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationFile:
    """Addresses, sizes, and credentials of one application."""

    application: str
    masters: tuple[str, ...]
    uploads: tuple[str, ...]
    """Addresses that browsers and devices upload to."""
    edges: tuple[str, ...]
    """Addresses that serve photos, the public one first."""
    token: str
    read_key: DerivedKey | None
    """None if the application gets all URLs from storagemasters."""
    ticket_key: DerivedKey
    webhook_keys: Mapping[str, bytes]
    sizes: tuple[Size, ...]


def load_application(path: Path) -> ApplicationFile:
    """Load an application file.

    Raises:
        BadConfig: The file cannot be read, is not one, or is accessible to other users.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"cannot read {path}: {error}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadConfig(f"other users can read the keys in {path}: chmod 600 {path}")
    try:
        return parse_application(text)
    except ValueError as error:
        raise BadConfig(f"{path} is not an application file: {error}") from error


def document_of(file: ApplicationFile) -> dict[str, Any]:
    """Return an application file as JSON."""
    read_key = {"read_key": _document_of_key(file.read_key)} if file.read_key else {}
    return {
        "application": file.application,
        "masters": list(file.masters),
        "uploads": list(file.uploads),
        "edges": list(file.edges),
        "token": file.token,
        **read_key,
        "ticket_key": _document_of_key(file.ticket_key),
        "webhook_keys": {id_: secret.hex() for id_, secret in file.webhook_keys.items()},
        "sizes": [
            {
                "letter": size.letter,
                "edge_pixels": size.edge_pixels,
                "square": size.square,
                "class": size.size_class.value,
            }
            for size in file.sizes
        ],
    }


def render_application(file: ApplicationFile) -> str:
    """Render an application file as TOML."""
    lines = [_HEADING.format(application=file.application)]
    tables = []
    for name, value in document_of(file).items():
        if isinstance(value, dict):
            tables += ["", f"[{name}]", *_assignments(value)]
        elif name == "sizes":
            for size in value:
                tables += ["", f"[[{name}]]", *_assignments(size)]
        else:
            lines += _assignments({name: value})
    return "\n".join([*lines, *tables, ""])


def parse_application(text: str) -> ApplicationFile:
    """Parse what `render_application` returns, or the JSON of `document_of`.

    Raises:
        ValueError: The text is not an application file; the message does not contain a secret.
    """
    is_json = text.lstrip().startswith("{")
    values: dict[str, Any] = json.loads(text) if is_json else tomllib.loads(text)
    try:
        return ApplicationFile(
            application=values["application"],
            masters=tuple(values["masters"]),
            uploads=tuple(values["uploads"]),
            edges=tuple(values["edges"]),
            token=values["token"],
            read_key=_parse_read_key(values["read_key"]) if "read_key" in values else None,
            ticket_key=_parse_key(values["ticket_key"]),
            webhook_keys={id_: _parse_secret(t) for id_, t in values["webhook_keys"].items()},
            sizes=tuple(
                Size(each["letter"], each["edge_pixels"], square=each["square"])
                for each in values["sizes"]
            ),
        )
    except KeyError as error:
        raise ValueError(f"{error} is missing") from error
    except (TypeError, AttributeError) as error:
        raise ValueError("a value has another type than it must") from error


def _document_of_key(key: DerivedKey) -> dict[str, str]:
    return {"id": key.key_id, "secret": key.secret.hex()}


def _parse_read_key(values: Mapping[str, Any]) -> DerivedKey:
    key_id = str(values["id"])
    if problems := problems_of_id(key_id):
        raise ValueError(problems[0])
    pattern = _RESTRICTED_SECRET if "-" in key_id else _SECRET
    return DerivedKey(key_id, _parse_secret(values["secret"], pattern))


def _parse_key(values: Mapping[str, Any]) -> DerivedKey:
    return DerivedKey(str(values["id"]), _parse_secret(values["secret"]))


def _parse_secret(text: str, pattern: re.Pattern[str] = _SECRET) -> bytes:
    if not pattern.fullmatch(text):
        raise ValueError(
            "a secret is not 64 characters of lower-case hex, or 48 of a restricted key"
        )
    return bytes.fromhex(text)


def _assignments(values: Mapping[str, Any]) -> list[str]:
    # JSON strings, lists, and booleans are also TOML.
    return [f"{name} = {json.dumps(value)}" for name, value in values.items()]
