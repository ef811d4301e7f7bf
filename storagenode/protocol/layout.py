"""Names below a node's root that are not photo paths: markers, hints, trash, and others."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from volumes.cluster import NodeId
from volumes.photo_path import (
    PhotoFile,
    PhotoTombstone,
    Variant,
    VersionTombstone,
    VolumeId,
    render_path,
)

NODE_MARKER = ".node"
VOLUME_MARKER = ".volume"
COLD_TIER_MARKER = ".cold-tier"
SUMMARIES = ".summaries"
SCRUB = ".scrub"
SPACE_HISTORY = ".space"
STAGING = ".staging"
HINTS = ".hints"
TRASH = ".trash"
QUARANTINE = ".quarantine"
# Originals that gave way to another one with the same Idempotency-Key. The status lists them.
SETTLED = f"{QUARANTINE}/settled"
SETTLED_MAX = 100

_SETTLED_NAME = re.compile(r"[-_](\d+)_[^_]+_([^_]+)_([^_]+)_o\.[a-z0-9]+$")

VOLUME_MARKER_BYTES = b"glassplate volume\n"
# An empty file needs no block, so it fits on a full disk: its proof is stored in the inode, where
# other files have their digest.
TOMBSTONE_BYTES = b""


@dataclass(frozen=True)
class Place:
    """The place of a file on a node: live, or as a hint for a mirror."""

    file: PhotoFile
    hint_for: NodeId | None = None

    @cached_property
    def path(self) -> str:
        """The path below the node's root, cached because each write uses it several times."""
        photo_path = render_path(self.file)
        return hint_path(self.hint_for, photo_path) if self.hint_for else photo_path

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class HintFile:
    """A file stored for a mirror that was down."""

    place: Place
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class TrashedFile:
    """A deleted file, which stays in the trash until the retention of its day ends."""

    file: PhotoFile
    day: str
    bytes: int
    digest: str
    """Empty if none is recorded."""

    @property
    def path(self) -> str:
        """The path below the node's root."""
        return trash_path(self.day, render_path(self.file))


def hint_path(mirror: NodeId, path: str) -> str:
    """Return the path of the hint that a mirror gets for a photo path."""
    return f"{HINTS}/{mirror}/{path}"


def volume_marker(volume: VolumeId) -> str:
    """Return the path of the marker that makes a node a mirror of a volume."""
    return f"{volume}/{VOLUME_MARKER}"


def cold_tier_marker(volume: VolumeId) -> str:
    """Return the path of the marker with the cold tier of a volume."""
    return f"{volume}/{COLD_TIER_MARKER}"


def summaries_path(volume: VolumeId) -> str:
    """Return the path of the saved summaries of a volume's shards."""
    return f"{volume}/{SUMMARIES}"


def trash_path(day: str, path: str) -> str:
    """Return the path of a deleted file in the trash."""
    return f"{TRASH}/{day}/{path}"


def quarantine_path(place: Place, *, unique: str, is_requested: bool = False) -> str:
    """Return a unique path in the quarantine for a file.

    A storagemaster requests the quarantine of an original only when it gives way. Every other
    original in the quarantine is corrupt.
    """
    is_original = isinstance(place.file, Variant) and place.file.is_original
    folder = SETTLED if is_requested and is_original else QUARANTINE
    return f"{folder}/{unique}-{place.path.replace('/', '_')}"


def settled_versions(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the versions of originals in `SETTLED` by their names, sorted, up to a limit.

    >>> settled_versions(["1.5-.hints_w_42_k7_01jd3x8m2c9qp4k7_3fz8qd_o.jpg"])
    ('42/01jd3x8m2c9qp4k7/3fz8qd',)
    """
    found = map(_SETTLED_NAME.search, paths)
    return tuple(sorted({"/".join(each.groups()) for each in found if each})[:SETTLED_MAX])


def covered_by(tombstone: PhotoTombstone | VersionTombstone) -> tuple[str, str]:
    """Return the directory and the name prefix of the files that a tombstone covers."""
    directory, _, prefix = render_path(tombstone).removesuffix(".gone").rpartition("/")
    return directory, prefix


def is_erased_by(tombstone: PhotoTombstone | VersionTombstone, path: str) -> bool:
    """Return True if an erasure of a deleted photo or version removes the file at a path.

    In any area: live, hint, trash, or quarantine. Tombstones stay.

    >>> tombstone = PhotoTombstone(VolumeId(3), "01jd3x8m2c9qp4k7")
    >>> is_erased_by(tombstone, ".quarantine/1.5-3_k7_01jd3x8m2c9qp4k7_3fz8qd_o.jpg")
    True
    >>> is_erased_by(tombstone, ".hints/east-1/3/k7/01jd3x8m2c9qp4k7.gone")
    False
    """
    directory, prefix = covered_by(tombstone)
    start = f"{directory}/{prefix}"
    flat = start.replace("/", "_")
    is_of_photo = f"/{start}" in f"/{path}" or f"-{flat}" in path or f"_{flat}" in path
    return is_of_photo and not path.endswith(".gone")


def directory_of(path: str) -> str:
    """Return the directory of a path.

    >>> directory_of("42/k7/x.jpg")
    '42/k7'
    """
    return path.rpartition("/")[0]


def parents_of(path: str) -> list[str]:
    """Return the directories above a path, outermost first.

    >>> parents_of("42/k7/x.jpg")
    ['42', '42/k7']
    """
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
