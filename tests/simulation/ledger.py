"""The record of one history: requests of clients, acknowledged photos, and violations."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from drill.history import SECOND, Op, Operation, Outcome
from storagemaster.wire import Receipt
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import PhotoVersion, Variant, VolumeId, render_path
from volumes.sizes import ORIGINAL_LETTER


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """A photo version that a storagemaster acknowledged."""

    photo_version: PhotoVersion
    body: bytes
    acknowledged_at: float
    mirrors: frozenset[str]
    """The mirrors that have it according to the receipt, except nodes that a fault damaged."""
    url_path: str
    ext: str

    @property
    def original(self) -> Variant:
        """The original."""
        return Variant(self.photo_version, ORIGINAL_LETTER, self.ext)


@dataclass(slots=True)
class Removal:
    """A requested delete or revocation."""

    op: Op
    volume: VolumeId
    photo: PhotoId
    version: Version | None
    acknowledged_at: float | None = None
    mirrors: frozenset[str] = frozenset()
    """The mirrors that have the tombstone according to the response, as for photos."""

    def covers(self, photo_version: PhotoVersion) -> bool:
        """Return True if the removal includes this version."""
        is_same = (self.volume, self.photo) == (photo_version.volume, photo_version.photo)
        return is_same and self.version in {None, photo_version.version}

    def __str__(self) -> str:
        version = f"/{self.version}" if self.version else ""
        return f"{self.volume}/{self.photo}{version}"


@dataclass(slots=True)
class Ledger:
    """All requests and acknowledgements of one history."""

    now: Callable[[], float]
    operations: list[Operation] = field(default_factory=list)
    """The history for the rules of the drill."""
    photos: list[StoredPhoto] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    """Every uploaded body, by its SHA-256."""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    """The first receipt of each Idempotency-Key."""
    races: dict[str, list[Receipt]] = field(default_factory=dict)
    """All receipts of each Idempotency-Key under which different photos were uploaded."""
    sent_once: set[PhotoId] = field(default_factory=set)
    """Photos of a single request, so that one clock determined their time."""
    violations: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self.lines.append(f"{self.now():.6f} {line}")

    def add_violation(self, line: str) -> None:
        """Record a broken promise."""
        self.violations.append(line)
        self.log(f"VIOLATION {line}")

    def log_digest(self) -> str:
        """Return the SHA-256 of the log."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()

    def send_body(self, body: bytes) -> None:
        """Record that a client starts to upload a body."""
        digest = hashlib.sha256(body).hexdigest()
        self.bodies[digest] = body
        self._add(Op.PUT, Outcome.INFO, digest=digest)

    def acknowledge_upload(self, receipt: Receipt, body: bytes, mirrors: frozenset[str]) -> None:
        """Record an acknowledged upload."""
        photo_version = version_of(receipt)
        self.log(f"stored {photo_version} {receipt.durability} {sorted(mirrors)}")
        photo = self._add_photo(photo_version, body, mirrors, receipt.urls, receipt.format)
        self._add(Op.PUT, photo=str(photo_version), **_original_of(photo))

    def request_removal(self, op: Op, photo_version: PhotoVersion, *, whole: bool) -> Removal:
        """Record that a client requests a delete or a revocation."""
        version = None if whole else photo_version.version
        removal = Removal(op, photo_version.volume, photo_version.photo, version)
        self.removals.append(removal)
        self._add(op, Outcome.INFO, photo=str(removal))
        return removal

    def acknowledge_delete(self, removal: Removal, mirrors: frozenset[str]) -> None:
        """Record an acknowledged delete."""
        removal.acknowledged_at = self.now()
        removal.mirrors = mirrors
        self.log(f"deleted {removal}")
        self._add(removal.op, photo=str(removal))

    def acknowledge_race(self, key: str, receipt: Receipt) -> None:
        """Record an acknowledged upload with a key under which different photos are uploaded."""
        self.log(f"stored {version_of(receipt)} in a race, {receipt.format} {receipt.durability}")
        self.races.setdefault(key, []).append(receipt)

    def acknowledge_revocation(
        self, removal: Removal, new: PhotoVersion, old: StoredPhoto, urls: dict[str, str]
    ) -> None:
        """Record an acknowledged revocation."""
        removal.acknowledged_at = self.now()
        self.log(f"revoked {removal}, stored {new}")
        photo = self._add_photo(new, old.body, frozenset(), urls, old.ext)
        self._add(removal.op, photo=str(removal), new_photo=str(new), **_original_of(photo))

    def record_read(self, photo: StoredPhoto, server: str, body: bytes) -> None:
        """Record a read with status 200."""
        path, digest = render_path(photo.original), hashlib.sha256(body).hexdigest()
        self._add(Op.GET, path=path, digest=digest, edge=server, status=200)

    def is_removal_requested(self, photo_version: PhotoVersion) -> bool:
        """Return True if a client ever requested the removal of a version."""
        return any(removal.covers(photo_version) for removal in self.removals)

    def acknowledged_removals(self, photo: StoredPhoto) -> list[Removal]:
        """Return the acknowledged removals of a photo version."""
        return [
            removal
            for removal in self.removals
            if removal.acknowledged_at is not None and removal.covers(photo.photo_version)
        ]

    def _add_photo(
        self,
        photo_version: PhotoVersion,
        body: bytes,
        mirrors: frozenset[str],
        urls: dict[str, str],
        ext: str,
    ) -> StoredPhoto:
        url_path = "/" + urls["o"].partition("://")[2].partition("/")[2]
        photo = StoredPhoto(photo_version, body, self.now(), mirrors, url_path, ext)
        if all(each.photo_version != photo_version for each in self.photos):
            self.photos.append(photo)
        return photo

    def _add(self, op: Op, outcome: Outcome = Outcome.OK, **fields: Any) -> None:
        now_ns = int(self.now() * SECOND)
        self.operations.append(
            Operation(op=op, outcome=outcome, invoke_ns=now_ns, complete_ns=now_ns, **fields)
        )


def version_of(receipt: Receipt) -> PhotoVersion:
    """Return the version of a receipt."""
    return PhotoVersion(VolumeId(receipt.volume), PhotoId(receipt.photo), Version(receipt.version))


def _original_of(photo: StoredPhoto) -> dict[str, str]:
    digest = hashlib.sha256(photo.body).hexdigest()
    return {"path": render_path(photo.original), "digest": digest}
