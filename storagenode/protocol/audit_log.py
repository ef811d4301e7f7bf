"""Files of the audit log, on the wire and on the disk: one for each day and kind of entries."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from storagenode.protocol.errors import BadRequest

AUDIT = ".audit"
"""The directory below a node's root with the files."""

EntryKind = Literal["acts", "uploads"]
"""Uploads are many, so that they have files of their own."""

_NAME = re.compile(rf"(\d{{4}}-\d{{2}}-\d{{2}})\.({'|'.join(get_args(EntryKind))})")


@dataclass(frozen=True, slots=True, order=True)
class AuditFile:
    """The entries of one kind that a node stored on one day, in UTC."""

    day: str
    kind: EntryKind

    @property
    def name(self) -> str:
        """The name of the file in URLs.

        >>> AuditFile("2026-01-30", "acts").name
        '2026-01-30.acts'
        """
        return f"{self.day}.{self.kind}"

    @property
    def path(self) -> str:
        """The path below a node's root."""
        return f"{AUDIT}/{self.name}.jsonl"


def parse_audit_file(name: str) -> AuditFile:
    """Parse the name of a file, as `name` returns it.

    Raises:
        BadRequest: It is not one.
    """
    if (match := _NAME.fullmatch(name)) is None:
        raise BadRequest(f"invalid name {name!r} of an audit file: must be YYYY-MM-DD.KIND")
    return AuditFile(*match.groups())  # type: ignore[arg-type]  # the pattern has the kinds
