"""Names below a node's root that are not photo paths: markers, owed work, trash and the like."""

from dataclasses import dataclass
from functools import cached_property

from volumes.cluster import NodeId
from volumes.photo_path import (
    PhotoFile,
    PhotoTombstone,
    VersionTombstone,
    VolumeId,
    render_path,
)

NODE_MARKER = ".node"
VOLUME_MARKER = ".volume"
COLD_TIER_MARKER = ".cold-tier"
STAGING = ".staging"
HINTS = ".hints"
TRASH = ".trash"
QUARANTINE = ".quarantine"

VOLUME_MARKER_BYTES = b"glassplate volume\n"
TOMBSTONE_BYTES = b"gone\n"


@dataclass(frozen=True)
class Place:
    """Where a file is on a node: at home, or held for the node it is owed to."""

    file: PhotoFile
    hint_for: NodeId | None = None

    @cached_property
    def path(self) -> str:
        """The path below the node's root, which every write asks for again and again."""
        photo_path = render_path(self.file)
        return hint_path(self.hint_for, photo_path) if self.hint_for else photo_path

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class HintFile:
    """A file held for a node that was down."""

    place: Place
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class TrashedFile:
    """A deleted file that is kept until the retention of its day ends."""

    file: PhotoFile
    day: str
    bytes: int
    digest: str
    """Empty where none is noted."""

    @property
    def path(self) -> str:
        """The path below the node's root."""
        return trash_path(self.day, render_path(self.file))


def hint_path(mirror: NodeId, path: str) -> str:
    """Where the file of a photo path is held for a node."""
    return f"{HINTS}/{mirror}/{path}"


def volume_marker(volume: VolumeId) -> str:
    """The file that makes a node a home of a volume."""
    return f"{volume}/{VOLUME_MARKER}"


def cold_tier_marker(volume: VolumeId) -> str:
    """The file that says who keeps the large sizes of a volume."""
    return f"{volume}/{COLD_TIER_MARKER}"


def trash_path(day: str, path: str) -> str:
    """Where a deleted file is kept until its day's retention ends."""
    return f"{TRASH}/{day}/{path}"


def quarantine_path(path: str, *, unique: str) -> str:
    """Where a corrupt file is kept for inspection, under a name that nothing else has."""
    return f"{QUARANTINE}/{unique}-{path.replace('/', '_')}"


def covered_by(tombstone: PhotoTombstone | VersionTombstone) -> tuple[str, str]:
    """The directory and the beginning of the names of what a tombstone covers."""
    directory, _, prefix = render_path(tombstone).removesuffix(".gone").rpartition("/")
    return directory, prefix


def directory_of(path: str) -> str:
    """The directory that a path is in.

    >>> directory_of("42/k7/x.jpg")
    '42/k7'
    """
    return path.rpartition("/")[0]


def parents_of(path: str) -> list[str]:
    """The directories above a path, outermost first.

    >>> parents_of("42/k7/x.jpg")
    ['42', '42/k7']
    """
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
