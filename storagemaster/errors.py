"""What a storagemaster refuses, as one family; each becomes an RFC 9457 problem of one status.

MasterError
├── BadUpload                 the caller's fault
│   ├── UnsupportedFormat        415  not a photo of a format we keep
│   ├── TooLarge              413  more bytes than the limit
│   ├── TooManyPixels         422  more pixels than the limit
│   ├── LengthMismatch            400  the body is not as long as announced
│   ├── DigestMismatch            422  the body is not what its digest says
│   └── BadArgument           400  a query or header of the request makes no sense
├── NotAuthorized             401  no API token, or not a good one
├── NotAllowed                403  the token does not open this
├── UnknownVolume             404  no such volume
├── UnknownPhoto              404  no such photo, and every mirror was asked
├── PhotoGone                 410  deleted, for ever
├── IdempotencyKeyReused          409  the Idempotency-Key was used for other bytes
└── Unavailable               503  not now; try again
"""

from typing import ClassVar


class MasterError(Exception):
    """A request that was not done; the message says what happened, why, and what to do."""

    slug: ClassVar[str] = "internal-error"
    """Last part of the problem's `type`. Part of the API: it does not follow the class name."""
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    headers: ClassVar[dict[str, str]] = {}


class BadUpload(MasterError):
    """The upload cannot be kept."""

    slug = "bad-upload"
    status = 400


class UnsupportedFormat(BadUpload):
    """Not a photo of a format we keep."""

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
    """The body is not as long as announced, or broke off."""

    slug = "length-mismatch"
    title = "Length mismatch"


class DigestMismatch(BadUpload):
    """The body does not have the digest it was sent with."""

    slug = "digest-mismatch"
    status = 422
    title = "Digest mismatch"


class BadArgument(BadUpload):
    """A part of the request makes no sense."""

    slug = "bad-argument"
    title = "Invalid request"


class NotAuthorized(MasterError):
    """No API token, or not a good one."""

    slug = "not-authorized"
    status = 401
    title = "API token required"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="glassplate"'}


class NotAllowed(MasterError):
    """The token is good, but not for this."""

    slug = "not-allowed"
    status = 403
    title = "API token lacks the required scope"


class UnknownVolume(MasterError):
    """There is no such volume."""

    slug = "unknown-volume"
    status = 404
    title = "Unknown volume"


class UnknownPhoto(MasterError):
    """There is no such photo."""

    slug = "unknown-photo"
    status = 404
    title = "Unknown photo"


class PhotoGone(MasterError):
    """The photo was deleted, for ever."""

    slug = "photo-gone"
    status = 410
    title = "Photo deleted"


class IdempotencyKeyReused(MasterError):
    """The name is taken by other bytes: only a key that is used twice can do that."""

    slug = "idempotency-key-reused"
    status = 409
    title = "Idempotency-Key reused"


class Unavailable(MasterError):
    """Not now. Nothing was acknowledged."""

    slug = "unavailable"
    status = 503
    title = "Temporarily unavailable"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "2"}
