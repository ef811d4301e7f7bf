"""The final state of a cluster: the files of every node, and the responses of every server."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from volumes.photo_path import (
    Info,
    Variant,
    parse_path,
    parse_photo_version,
    render_path,
    tombstone_paths,
)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file on one node: the digest of its bytes, and its recorded digest."""

    digest: str
    recorded: str
    """Empty if the node has none recorded."""
    bytes: int

    def is_as_recorded(self, path: str) -> bool:
        """Return True if it has its digest; a tombstone has a proof in place of that."""
        return bool(self.recorded) if path.endswith(".gone") else self.digest == self.recorded


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

    def differs(self, path: str) -> bool:
        """Return True if a mirror lacks a file, or if two mirrors have different bytes."""
        holders = self.holders(path).values()
        return bool(self.lacking(path)) or len({each.digest for each in holders}) > 1

    def originals(self) -> Mapping[str, set[str]]:
        """Return the paths of all originals on any node, by the digest of their bytes."""
        found: dict[str, set[str]] = defaultdict(set)
        for files in self.files.values():
            for path, stored in files.items():
                file = parse_path(path)
                if isinstance(file, Variant) and file.is_original:
                    found[stored.digest].add(path)
        return found

    def is_deleted(self, reference: str) -> bool:
        """Return True if any mirror has a tombstone that covers a version."""
        photo_version = parse_photo_version(reference)
        return any(self.holders(path) for path in tombstone_paths(photo_version))


def info_digests(info: Info, data: bytes) -> dict[str, str]:
    """Return the digest of each path that an info document names; empty if it is damaged."""
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    original, variants = document["original"], document["variants"]
    digests = {
        render_path(Variant(info.photo_version, "o", original["ext"])): str(original["sha256"])
    }
    for each in variants:
        if each["sha256"] is not None:
            path = render_path(Variant(info.photo_version, each["size"], each["ext"]))
            digests[path] = str(each["sha256"])
    return digests
