"""State of a photo version and its original, decided by the files that exist. Pure.

    gone      a tombstone covers the version; it overrules every other file
    ready     the info document exists: all sizes are made
    failed    the failure record exists: the sizes cannot be made
    pending   the original exists: its sizes are not made yet
    unknown   no such file is known: the version does not exist, or its mirrors are unreachable

The first state that applies is the version's.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum

from volumes.photo_path import (
    EXTENSIONS,
    Failure,
    Info,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
)
from volumes.sizes import ORIGINAL_LETTER


class VersionState(StrEnum):
    """State of a photo version."""

    GONE = "gone"
    READY = "ready"
    FAILED = "failed"
    PENDING = "pending"
    UNKNOWN = "unknown"


UNFINISHED_STATES = frozenset({VersionState.PENDING, VersionState.UNKNOWN})
"""States of a version whose sizes are neither made nor known to fail."""


@dataclass(frozen=True, slots=True)
class VersionFiles:
    """One version, and a set of known files, such as the files of its photo or its shard.

    Every property is a few membership tests, whatever the number of files.
    """

    photo_version: PhotoVersion
    files: Container[PhotoFile]

    @property
    def tombstone(self) -> PhotoTombstone | VersionTombstone | None:
        """The tombstone that covers the version: the photo's before the version's own."""
        tombstones = tombstones_of(self.photo_version)
        return next((each for each in tombstones if each in self.files), None)

    @property
    def is_gone(self) -> bool:
        """True if a tombstone covers the version."""
        return self.tombstone is not None

    @property
    def original(self) -> Variant | None:
        """The version's original, or None if it is not among the files."""
        originals = possible_originals(self.photo_version)
        return next((each for each in originals if each in self.files), None)

    @property
    def state(self) -> VersionState:
        """The state that the files prove.

        >>> from volumes.photo_path import parse_photo_version
        >>> photo_version = parse_photo_version("42/01jd3x8m2c9qp4k7/3fz8qd")
        >>> str(VersionFiles(photo_version, {Info(photo_version), Failure(photo_version)}).state)
        'ready'
        """
        if self.is_gone:
            return VersionState.GONE
        if Info(self.photo_version) in self.files:
            return VersionState.READY
        if Failure(self.photo_version) in self.files:
            return VersionState.FAILED
        return VersionState.PENDING if self.original is not None else VersionState.UNKNOWN


def tombstones_of(photo_version: PhotoVersion) -> tuple[PhotoTombstone, VersionTombstone]:
    """Return the two tombstones that cover a version: the photo's, and its own."""
    photo_tombstone = PhotoTombstone(photo_version.volume, photo_version.photo)
    return photo_tombstone, VersionTombstone(photo_version)


def possible_originals(photo_version: PhotoVersion) -> tuple[Variant, ...]:
    """Return the names that a version's original can have: one for each format.

    A version has one original, so at most one of the names is ever taken.
    """
    return tuple(Variant(photo_version, ORIGINAL_LETTER, ext) for ext in EXTENSIONS)


def versions_in(files: Iterable[PhotoFile]) -> list[VersionFiles]:
    """Return every version that any of the files names, sorted; each sees all files."""
    known = frozenset(files)
    versions = {file.photo_version for file in known if not isinstance(file, PhotoTombstone)}
    return [VersionFiles(each, known) for each in sorted(versions, key=str)]


def live_versions(files: Iterable[PhotoFile]) -> list[VersionFiles]:
    """Return the versions that have an original and are not gone, sorted."""
    return [each for each in versions_in(files) if each.original is not None and not each.is_gone]


def originals_in(files: Iterable[PhotoFile]) -> list[Variant]:
    """Return the originals among the files, in their order."""
    return [file for file in files if isinstance(file, Variant) and file.is_original]
