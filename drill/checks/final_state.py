"""What a cluster holds when a drill is over: files of every node, and answers of every server.

Values only; how they are gathered is told elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from volumes.photo_path import (
    parse_photo_version,
    tombstone_paths,
)


@dataclass(frozen=True, slots=True)
class HeldFile:
    """One file on one node: what its bytes hash to, and what is noted of them."""

    digest: str
    noted: str
    """Empty where nothing is noted."""
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedResponse:
    """What one server answered to a GET of one path."""

    status: int
    digest: str = ""
    bytes: int = 0
    etag: str = ""
    last_modified: str = ""
    content_type: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """What must be the same wherever the photo is read."""
        return (self.etag, self.last_modified, self.content_type, str(self.bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalState:
    """A cluster at rest."""

    mirrors: Mapping[int, tuple[str, ...]]
    """The nodes of each volume."""
    files: Mapping[str, Mapping[str, HeldFile]]
    """By node and photo path; what is held for others, trash and quarantine left out."""
    infos: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By the reference of a version: the digest of each path that its info document names."""
    answers: Mapping[str, Mapping[str, ObservedResponse]] = field(default_factory=dict)
    """By photo path and server: nodes by their ids, and edges by theirs."""
    leftovers: tuple[str, ...] = ()
    """Staged files, owed files, and work that nobody will do, as NODE:PATH."""
    quarantined: int = 0
    nodes: frozenset[str] = frozenset()
    """Which of those that answered are nodes; the others are edges."""

    def holders(self, path: str) -> dict[str, HeldFile]:
        """The mirrors that have a file, with what they have."""
        nodes = self.mirrors.get(int(path.partition("/")[0]), ())
        return {n: self.files[n][path] for n in nodes if path in self.files.get(n, {})}

    def lacking(self, path: str) -> tuple[str, ...]:
        """The mirrors that do not have a file."""
        nodes = self.mirrors.get(int(path.partition("/")[0]), ())
        return tuple(n for n in nodes if path not in self.files.get(n, {}))

    def is_deleted(self, reference: str) -> bool:
        """Whether any mirror says that a version is gone."""
        photo_version = parse_photo_version(reference)
        return any(self.holders(path) for path in tombstone_paths(photo_version))
