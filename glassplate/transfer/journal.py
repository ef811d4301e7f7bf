"""The journal of an import: a line of JSON for each attempt, so that another run continues.

The last line of a path counts. A line that a crash left incomplete is skipped.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from glassplate.errors import UnusableSource, UnusableTarget
from volumes.json_text import parse_json


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file to import. `path` is relative to the source."""

    path: str
    bytes: int
    mtime_nanoseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """The result of an attempt: a reference, or the reason of a failure."""

    path: str
    bytes: int
    mtime_nanoseconds: int
    sha256: str = ""
    reference: str = ""
    reason: str = ""

    def describes(self, file: SourceFile) -> bool:
        """Return True if the file is stored and has not changed since."""
        return bool(self.reference) and (self.bytes, self.mtime_nanoseconds) == (
            file.bytes,
            file.mtime_nanoseconds,
        )


class Journal:
    """An open journal, which no other process can write at the same time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, JournalEntry] = {}

    def __enter__(self) -> Self:
        try:
            self._file = self.path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise UnusableTarget(f"another import is writing {self.path}; wait for it") from error
        except OSError as error:
            raise UnusableTarget(f"cannot write {self.path}: {error.strerror or error}") from error
        self._file.seek(0)
        self.entries = parse_journal(self._file)
        if self._file.tell() and not self._ends_with_newline():
            self._file.write(b"\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def record(self, entry: JournalEntry) -> None:
        """Append an entry. It survives the end of this process."""
        filled = {name: value for name, value in asdict(entry).items() if value != ""}
        try:
            self._file.write(json.dumps(filled).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise UnusableTarget(f"cannot write {self.path}: {error.strerror or error}") from error

    def _ends_with_newline(self) -> bool:
        self._file.seek(-1, 2)
        return self._file.read() == b"\n"


def parse_journal(lines: Iterable[bytes]) -> dict[str, JournalEntry]:
    """Return the last entry of each path. Other lines are skipped."""
    entries = {}
    for line in lines:
        try:
            entry = JournalEntry(**parse_json(line))
        except (ValueError, TypeError):
            continue
        entries[entry.path] = entry
    return entries


def read_journal(path: Path) -> dict[str, JournalEntry]:
    """Return the entries of a journal, which need not exist."""
    try:
        with path.open("rb") as file:
            return parse_journal(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnusableSource(f"cannot read {path}: {error.strerror or error}") from error


def journal_name(source: str, servers: Iterable[str]) -> str:
    """Return the name of the journal for imports of a source into a cluster."""
    text = "\n".join([source, *sorted(servers)])
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
    return f"import-{digest[:16]}.jsonl"
