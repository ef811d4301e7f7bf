"""Errors of the client, as one family. The class says whether a retry can help.

GlassplateError
├── UsageError               a caller's fault, found before anything was sent
│   ├── BadConfig            cluster.toml, a storagemaster URL, or the key file is invalid
│   ├── BadReference         not VOLUME/PHOTO/VERSION
│   ├── UnknownSize          not a size or format that a photo can have
│   ├── NoKeys               signing needs keys, and the client has none
│   ├── NoToken              the client has no API token, and no keys to sign one with
│   ├── UnusableSource       the upload is missing, empty, or not of the declared length
│   └── UnusableTarget       the photo cannot be written there
├── Refused                  a caller's fault, found by the cluster; a retry fails again
│   ├── NotAuthorized   401  no API token, or an invalid one
│   ├── NotAllowed      403  the token or the permission does not allow this
│   ├── NotFound        404  no such volume, photo, or size
│   ├── IdempotencyKeyReused 409  the Idempotency-Key belongs to other bytes
│   ├── PhotoGone       410  deleted permanently
│   ├── TooLarge        413  more bytes than the cluster accepts
│   └── UnsupportedFormat 415 not a photo in a supported format
├── SizesFailed              the photo is stored, but its sizes cannot be made
├── InvalidWebhook           a request that the cluster did not send as a webhook
└── ClusterError             a fault of the cluster; a later retry can help
    ├── Unavailable     503  a server is temporarily unable (502 and 504 also)
    ├── NoRoomForParts  507  uploads that are not complete take as much as they may
    ├── Unreachable          no server responded
    ├── NotReadyInTime       the sizes are not made yet
    ├── InvalidResponse      an unreadable response, or status 500
    └── ContentMismatch      the bytes differ from the sent or stored ones
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The RFC 9457 fields of an error response."""

    status: int
    title: str
    detail: str = ""
    type: str = ""
    request_id: str = ""
    """The id with which the logs of all services show the request."""


class GlassplateError(Exception):
    """An operation that failed. The message says what happened, why, and what to do.

    `problem` is the server's error response, if a server sent one. `code` is the class's stable
    name in `--json` output.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, problem: Problem | None = None) -> None:
        super().__init__(message)
        self.problem = problem


class UsageError(GlassplateError):
    """A caller's fault, found before anything was sent."""

    code = "usage"


class BadConfig(UsageError):
    """A config, a storagemaster URL, or a key file that is invalid or missing."""

    code = "bad-config"


class BadReference(UsageError):
    """A text that is not a reference to a photo."""

    code = "bad-reference"


class UnknownSize(UsageError):
    """A size or format that does not exist."""

    code = "unknown-size"


class NoKeys(UsageError):
    """A signature without keys to make it."""

    code = "no-keys"


class NoToken(UsageError):
    """A request without an API token, or keys to sign one with."""

    code = "no-token"


class UnusableSource(UsageError):
    """An upload that is missing, empty, or not of the declared length."""

    code = "unusable-source"


class UnusableTarget(UsageError):
    """A path where the photo cannot be written."""

    code = "unusable-target"


class Refused(GlassplateError):
    """A request that the cluster rejected as the caller's fault. A retry fails again."""

    code = "refused"


class NotAuthorized(Refused):
    """A missing or invalid API token."""

    code = "not-authorized"


class NotAllowed(Refused):
    """A token without the scope, or a URL whose permission is not valid."""

    code = "not-allowed"


class NotFound(Refused):
    """An unknown volume, photo, or size."""

    code = "not-found"


class IdempotencyKeyReused(Refused):
    """An Idempotency-Key that belongs to other bytes."""

    code = "idempotency-key-reused"


class PhotoGone(Refused):
    """A photo that was deleted permanently."""

    code = "photo-gone"


class TooLarge(Refused):
    """A photo with more bytes than the cluster accepts."""

    code = "too-large"


class UnsupportedFormat(Refused):
    """A file that is not a photo in a supported format."""

    code = "unsupported-format"


class SizesFailed(GlassplateError):
    """A stored photo whose sizes cannot be made. `reason` is for a person."""

    code = "sizes-failed"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class InvalidWebhook(GlassplateError):
    """A request that is not a webhook of the cluster, or that is too old. Respond with 403."""

    code = "invalid-webhook"


class ClusterError(GlassplateError):
    """A fault of the cluster. A later retry can help.

    After an upload, `idempotency_key` is the key of the attempts: a retry with this key never
    makes a second photo. `may_have_succeeded` is True if bytes were sent and no response came.
    """

    code = "cluster-error"
    idempotency_key: str = ""
    may_have_succeeded: bool = False


class Unavailable(ClusterError):
    """A server that is temporarily unable to handle the request."""

    code = "unavailable"


class NoRoomForParts(ClusterError):
    """A cluster whose uploads that are not complete take as much of the disks as they may."""

    code = "no-room-for-parts"


class Unreachable(ClusterError):
    """A cluster without a responding server."""

    code = "unreachable"


class NotReadyInTime(ClusterError):
    """A photo whose sizes are not made yet."""

    code = "not-ready-in-time"


class InvalidResponse(ClusterError):
    """A response that cannot be read, or that reports a failure of the server."""

    code = "invalid-response"


class ContentMismatch(ClusterError):
    """Bytes that differ from the sent or stored ones."""

    code = "content-mismatch"


_CLASS_OF_STATUS: Mapping[int, type[Refused]] = {
    401: NotAuthorized,
    403: NotAllowed,
    404: NotFound,
    409: IdempotencyKeyReused,
    410: PhotoGone,
    413: TooLarge,
    415: UnsupportedFormat,
}
NO_ROOM_STATUS = 507
RETRYABLE_STATUSES = frozenset({502, 503, 504})


def error_of(problem: Problem) -> GlassplateError:
    """Return the error for a problem."""
    message = f"{problem.title}: {problem.detail}" if problem.detail else problem.title
    if problem.status in RETRYABLE_STATUSES:
        return Unavailable(message + _in_logs(problem), problem=problem)
    if problem.status == NO_ROOM_STATUS:
        return NoRoomForParts(message, problem=problem)
    if 400 <= problem.status < 500:
        return _CLASS_OF_STATUS.get(problem.status, Refused)(message, problem=problem)
    message = f"unexpected status {problem.status}: {message}"
    return InvalidResponse(message + _in_logs(problem), problem=problem)


def _in_logs(problem: Problem) -> str:
    """Return where the logs have more about a fault of the cluster."""
    return f"; its logs have request_id={problem.request_id}" if problem.request_id else ""


def parse_problem(status: int, fields: Mapping[str, Any]) -> Problem:
    """Parse a problem from JSON. Missing fields get defaults from the status."""
    return Problem(
        status=status,
        title=str(fields.get("title") or f"HTTP status {status}"),
        detail=str(fields.get("detail") or ""),
        type=str(fields.get("type") or ""),
        request_id=str(fields.get("request_id") or ""),
    )
