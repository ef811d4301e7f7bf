"""The final state of a cluster: the files of every node, and the responses of every server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from volumes.photo_path import parse_photo_version, tombstone_paths


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file on one node: the digest of its bytes, and its recorded digest."""

    digest: str
    recorded: str
    """Empty if the node has none recorded."""
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedResponse:
    """Response of one server to a GET of one path."""

    status: int
    digest: str = ""
    bytes: int = 0
    etag: str = ""
    last_modified: str = ""
    content_type: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """Headers and length, which must be the same on every server."""
        return (self.etag, self.last_modified, self.content_type, str(self.bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalState:
    """A converged cluster."""

    mirrors: Mapping[int, tuple[str, ...]]
    """The nodes of each volume."""
    files: Mapping[str, Mapping[str, StoredFile]]
    """By node and photo path, without hints, trash, and quarantine."""
    infos: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By version: the digest of each path that its info document names."""
    responses: Mapping[str, Mapping[str, ObservedResponse]] = field(default_factory=dict)
    """By photo path and the id of the node or edge."""
    leftovers: tuple[str, ...] = ()
    """Staged files, hints, and multipart uploads that nothing finishes, as NODE:PATH."""
    quarantined: int = 0
    nodes: frozenset[str] = frozenset()
    """The ids of the nodes. Other servers in `responses` are edges."""

    def holders(self, path: str) -> dict[str, StoredFile]:
        """Return the file on each mirror that has it."""
        nodes = self.mirrors.get(int(path.partition("/")[0]), ())
        return {n: self.files[n][path] for n in nodes if path in self.files.get(n, {})}

    def lacking(self, path: str) -> tuple[str, ...]:
        """Return the mirrors that do not have a file."""
        nodes = self.mirrors.get(int(path.partition("/")[0]), ())
        return tuple(n for n in nodes if path not in self.files.get(n, {}))

    def is_deleted(self, reference: str) -> bool:
        """Return True if any mirror has a tombstone that covers a version."""
        photo_version = parse_photo_version(reference)
        return any(self.holders(path) for path in tombstone_paths(photo_version))
