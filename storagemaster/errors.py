"""Errors of the storagemaster's API. Each becomes an RFC 9457 problem with one status.

MasterError
├── BadUpload                    the request is at fault
│   ├── UnsupportedFormat        415  not a photo of a supported format
│   ├── TooLarge                 413  more bytes than the limit
│   ├── TooManyPixels            422  more pixels than the limit
│   ├── LengthMismatch           400  the body does not have its declared length
│   ├── DigestMismatch           422  the body does not have its declared digest
│   └── BadArgument              400  an invalid parameter, header or body
├── NotAuthorized                401  no valid API token
├── NotAllowed                   403  the token, the config, or the state of a photo forbids it
├── UnknownVolume                404  the config has no such volume
├── UnknownPhoto                 404  no mirror has the photo, and all mirrors responded
├── UnknownUpload                404  no node has the resumable upload
├── UnknownTicket                404  not a ticket of the application
├── UploadExpired                410  the resumable upload was not complete in time
├── OffsetMismatch               409  the resumable upload continues at another byte
├── UploadLocked                 423  no node with the resumable upload responded
├── TusVersionMismatch           412  the client speaks another version of tus
├── ChecksumMismatch             460  the body does not have its declared checksum
├── MapConflict                  412  another volume map is in force, or being put in force
├── QuotaExceeded                429  the token permits no more uploads now
├── PhotoGone                    410  the photo was deleted
├── IdempotencyKeyReused         409  the Idempotency-Key was used for other bytes
├── NoRoomForParts               507  resumable uploads take as much as they may
└── Unavailable                  503  temporary; nothing was acknowledged
"""

from typing import ClassVar

PROBLEM_TYPES = "https://glassplate.example/problems/"
"""Prefix of problem types. They are names, not links, as RFC 9457 allows."""


class MasterError(Exception):
    """A request that failed. The message states what happened, why, and what to do."""

    slug: ClassVar[str] = "internal-error"
    """Last part of the problem's `type`. It is part of the API, so renaming a class keeps it."""
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    headers: ClassVar[dict[str, str]] = {}


class BadUpload(MasterError):
    """The request is at fault."""

    slug = "bad-upload"
    status = 400


class UnsupportedFormat(BadUpload):
    """Not a photo of a supported format."""

    slug = "unsupported-format"
    status = 415
    title = "Unsupported format"


class TooLarge(BadUpload):
    """More bytes than the limit."""

    slug = "too-large"
    status = 413
    title = "Upload too large"


class TooManyPixels(BadUpload):
    """More pixels than the limit."""

    slug = "too-many-pixels"
    status = 422
    title = "Too many pixels"


class LengthMismatch(BadUpload):
    """The body does not have its declared length, or the connection was lost."""

    slug = "length-mismatch"
    title = "Length mismatch"


class DigestMismatch(BadUpload):
    """The body does not have its declared digest."""

    slug = "digest-mismatch"
    status = 422
    title = "Digest mismatch"


class BadArgument(BadUpload):
    """An invalid parameter, header or body."""

    slug = "bad-argument"
    title = "Invalid request"


class NotAuthorized(MasterError):
    """No valid API token."""

    slug = "not-authorized"
    status = 401
    title = "API token required"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="glassplate"'}


class NotAllowed(MasterError):
    """The token, the config, or the state of a photo forbids the request."""

    slug = "not-allowed"
    status = 403
    title = "Request not allowed"


class UnknownVolume(MasterError):
    """The config has no such volume."""

    slug = "unknown-volume"
    status = 404
    title = "Unknown volume"


class UnknownPhoto(MasterError):
    """No mirror has the photo, and all mirrors responded."""

    slug = "unknown-photo"
    status = 404
    title = "Unknown photo"


class UnknownUpload(MasterError):
    """No node has the resumable upload."""

    slug = "unknown-upload"
    status = 404
    title = "Unknown upload"


class UnknownTicket(MasterError):
    """Not a ticket of the application."""

    slug = "unknown-ticket"
    status = 404
    title = "Unknown ticket"


class UploadExpired(MasterError):
    """The resumable upload was not complete in time."""

    slug = "upload-expired"
    status = 410
    title = "Upload expired"


class OffsetMismatch(MasterError):
    """The resumable upload continues at another byte."""

    slug = "offset-mismatch"
    status = 409
    title = "Offset mismatch"

    def __init__(self, offset: int, sent: int) -> None:
        super().__init__(
            f"the upload continues at byte {offset}, not at {sent}; request the offset with HEAD"
        )


class UploadLocked(MasterError):
    """No node with the resumable upload responded. Clients of tus try again after this status."""

    slug = "upload-locked"
    status = 423
    title = "Upload locked"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "2"}


class TusVersionMismatch(MasterError):
    """The client speaks another version of tus, or none."""

    slug = "tus-version-mismatch"
    status = 412
    title = "Unsupported version of tus"
    headers: ClassVar[dict[str, str]] = {"Tus-Version": "1.0.0"}


class ChecksumMismatch(MasterError):
    """The body does not have its declared checksum, and was discarded. tus defines the status."""

    slug = "checksum-mismatch"
    status = 460
    title = "Checksum mismatch"


class PhotoGone(MasterError):
    """The photo was deleted."""

    slug = "photo-gone"
    status = 410
    title = "Photo deleted"


class IdempotencyKeyReused(MasterError):
    """The name holds other bytes, which only a reused Idempotency-Key can cause.

    The response has neither the name nor the digest: the photo may be another client's.
    """

    slug = "idempotency-key-reused"
    status = 409
    title = "Idempotency-Key reused"

    def __init__(self) -> None:
        super().__init__("other bytes are stored under this key; send each photo with its own key")


class MapConflict(MasterError):
    """Another volume map is in force, or is being put in force."""

    slug = "map-conflict"
    status = 412
    title = "Another volume map"


class QuotaExceeded(MasterError):
    """The token permits no more uploads now. Nothing was stored."""

    slug = "quota-exceeded"
    status = 429
    title = "Upload quota exceeded"

    def __init__(self, limit: str, *, retry_after_seconds: int) -> None:
        super().__init__(f"{limit}; nothing was stored, try again in {retry_after_seconds} s")
        self.headers = {"Retry-After": str(retry_after_seconds)}  # type: ignore[misc]


class NoRoomForParts(MasterError):
    """Uploads that are not complete take as much of the disks as they may."""

    slug = "no-room-for-parts"
    status = 507
    title = "No room for resumable uploads"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "60"}


class Unavailable(MasterError):
    """A temporary failure. Nothing was acknowledged."""

    slug = "unavailable"
    status = 503
    title = "Temporarily unavailable"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "2"}
