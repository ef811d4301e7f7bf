"""What clients were told, and when: the record that every promise is held against."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from storagemaster.wire import Deletion, Receipt
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import PhotoVersion, Variant, VolumeId
from volumes.sizes import ORIGINAL_LETTER

EXT = "gif"


@dataclass(slots=True)
class Kept:
    """A photo version that a client was told is kept."""

    photo_version: PhotoVersion
    body: bytes
    told_at: float
    homes: frozenset[str]
    """The nodes that were said to have it at home."""
    url_path: str

    @property
    def original(self) -> Variant:
        """The file that must be there."""
        return Variant(self.photo_version, ORIGINAL_LETTER, EXT)


@dataclass(slots=True)
class Removal:
    """A delete or a revocation: asked for, and perhaps confirmed."""

    volume: VolumeId
    photo: PhotoId
    version: Version | None
    told_at: float | None = None
    homes: frozenset[str] = frozenset()
    """The nodes that were said to have the tombstone at home."""

    def covers(self, photo_version: PhotoVersion) -> bool:
        """Whether this version is gone by it."""
        mine = (self.volume, self.photo) == (photo_version.volume, photo_version.photo)
        return mine and self.version in {None, photo_version.version}


@dataclass(slots=True)
class Ledger:
    """Everything that clients have asked for and were told."""

    now: Callable[[], float]
    kept: list[Kept] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    """Every body that was ever sent, by its SHA-256."""
    receipts: dict[str, tuple[Receipt, float]] = field(default_factory=dict)
    """The first receipt of each Idempotency-Key, and when it was given."""
    asked_once: set[PhotoId] = field(default_factory=set)
    """The photos that were uploaded by one request only, so that one clock was asked."""
    violations: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        """Something happened that belongs to the history."""
        self.lines.append(f"{self.now():.6f} {line}")

    def violation(self, line: str) -> None:
        """A promise was broken."""
        self.violations.append(line)
        self.note(f"VIOLATION {line}")

    def digest(self) -> str:
        """One digest of the whole history."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()

    def keep(self, receipt: Receipt, body: bytes) -> None:
        """An upload was acknowledged."""
        photo_version = version_of(receipt)
        homes = frozenset(copy.node for copy in receipt.copies if not copy.hint_for)
        self.note(f"kept {photo_version} {receipt.durability} {sorted(homes)}")
        if all(kept.photo_version != photo_version for kept in self.kept):
            self.kept.append(
                Kept(photo_version, body, self.now(), homes, _path_of(receipt.urls["o"]))
            )

    def keep_revoked(self, new: PhotoVersion, body: bytes, urls: dict[str, str]) -> None:
        """A new version was acknowledged."""
        self.note(f"kept {new} by revocation")
        if all(kept.photo_version != new for kept in self.kept):
            self.kept.append(Kept(new, body, self.now(), frozenset(), _path_of(urls["o"])))

    def ask_removal(self, photo_version: PhotoVersion, version: Version | None) -> Removal:
        """A client asks for a delete or a revocation."""
        removal = Removal(photo_version.volume, photo_version.photo, version)
        self.removals.append(removal)
        return removal

    def confirm(self, removal: Removal, deletion: Deletion | None) -> None:
        """The removal was acknowledged."""
        removal.told_at = self.now()
        if deletion is not None:
            removal.homes = frozenset(c.node for c in deletion.copies if not c.hint_for)
        self.note(f"gone {removal.volume}/{removal.photo}/{removal.version or '*'}")

    def is_removal_asked(self, photo_version: PhotoVersion) -> bool:
        """Whether anybody has ever wanted this version gone."""
        return any(removal.covers(photo_version) for removal in self.removals)

    def removals_told(self, photo_version: PhotoVersion) -> list[Removal]:
        """The acknowledged removals of a version."""
        return [r for r in self.removals if r.told_at is not None and r.covers(photo_version)]


def version_of(receipt: Receipt) -> PhotoVersion:
    """The version a receipt is for."""
    return PhotoVersion(VolumeId(receipt.volume), PhotoId(receipt.photo), Version(receipt.version))


def _path_of(url: str) -> str:
    _, _, rest = url.partition("://")
    return "/" + rest.partition("/")[2]
