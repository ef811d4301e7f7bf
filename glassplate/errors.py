"""What can go wrong for a caller, as one family; the class says whose fault it is.

GlassplateError
├── UsageError               the caller's, found before anything was sent
│   ├── BadConfig            cluster.toml, a URL of a storagemaster or the key file is wrong
│   ├── BadReference         not VOLUME/PHOTO/VERSION
│   ├── UnknownSize          not a size, or not a format, that a photo can have
│   ├── NoKeys               this is signed with keys, and there are none
│   ├── NoToken              there is no API token, and there are no keys to sign one with
│   ├── UnusableSource       what is to be uploaded is missing, empty, or not as announced
│   └── UnusableTarget       where a photo is to be written, nothing can be
├── Refused                  the caller's, found by the cluster; asking again is of no use
│   ├── NotAuthorized   401  no API token, or not a good one
│   ├── NotAllowed      403  the token, or the permission of the URL, does not open this
│   ├── NotFound        404  no such volume, photo or size
│   ├── IdempotencyKeyReused 409  the Idempotency-Key was used for other bytes
│   ├── PhotoGone       410  deleted, for ever
│   ├── TooLarge        413  more bytes than the cluster takes
│   └── UnsupportedFormat 415 not a photo of a format that is kept
├── SizesFailed              the photo's: it is kept, and sizes cannot be made of it
└── ClusterError             the cluster's; asking again later may help
    ├── Unavailable     503  somebody answered: not now (502 and 504 too)
    ├── Unreachable          nobody answered
    ├── NotReadyInTime       the sizes are not made yet
    ├── InvalidResponse      an answer that makes no sense, or 500
    └── ContentMismatch      what came is not what was sent or kept
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a server said of an error: the fields of RFC 9457."""

    status: int
    title: str
    detail: str = ""
    type: str = ""


class GlassplateError(Exception):
    """Something was not done; the message says what, why, and what to do.

    `problem` is what the server said, if it was a server that said so.
    """

    def __init__(self, message: str, *, problem: Problem | None = None) -> None:
        super().__init__(message)
        self.problem = problem


class UsageError(GlassplateError):
    """The caller's fault, found before anything was sent."""


class BadConfig(UsageError):
    """The config, a storagemaster's URL or the key file is wrong or missing."""


class BadReference(UsageError):
    """The text is not a reference to a photo."""


class UnknownSize(UsageError):
    """There is no such size, or no such format."""


class NoKeys(UsageError):
    """This is signed with keys, and there are none."""


class NoToken(UsageError):
    """There is no API token, and there are no keys to sign one with."""


class UnusableSource(UsageError):
    """What is to be uploaded is missing, empty, or not as long as announced."""


class UnusableTarget(UsageError):
    """Where a photo is to be written, nothing can be."""


class Refused(GlassplateError):
    """The cluster says that the request is at fault; asking again is of no use."""


class NotAuthorized(Refused):
    """No API token, or not a good one."""


class NotAllowed(Refused):
    """The token, or the permission of the URL, does not open this."""


class NotFound(Refused):
    """There is no such volume, photo or size."""


class IdempotencyKeyReused(Refused):
    """The Idempotency-Key was used for other bytes."""


class PhotoGone(Refused):
    """The photo was deleted, for ever."""


class TooLarge(Refused):
    """The cluster takes no photo with so many bytes."""


class UnsupportedFormat(Refused):
    """Not a photo of a format that is kept."""


class SizesFailed(GlassplateError):
    """The photo is kept, and sizes cannot be made of it. `reason` is for a person."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ClusterError(GlassplateError):
    """The cluster's fault; asking again later may help.

    After an upload, `idempotency_key` is the key it was tried with: putting the photo again with
    this key never makes a second one. `may_have_succeeded` is True if bytes were sent and no
    response came.
    """

    idempotency_key: str = ""
    may_have_succeeded: bool = False


class Unavailable(ClusterError):
    """Somebody answered: not now."""


class Unreachable(ClusterError):
    """Nobody answered."""


class NotReadyInTime(ClusterError):
    """The sizes are not made yet."""


class InvalidResponse(ClusterError):
    """An answer that makes no sense, or that says that the server failed."""


class ContentMismatch(ClusterError):
    """What came is not what was sent or kept."""


_CLASS_OF_STATUS: Mapping[int, type[Refused]] = {
    401: NotAuthorized,
    403: NotAllowed,
    404: NotFound,
    409: IdempotencyKeyReused,
    410: PhotoGone,
    413: TooLarge,
    415: UnsupportedFormat,
}
_NOT_NOW = frozenset({502, 503, 504})


def error_of(problem: Problem) -> GlassplateError:
    """The error that an answer with this problem stands for."""
    message = f"{problem.title}: {problem.detail}" if problem.detail else problem.title
    if problem.status in _NOT_NOW:
        return Unavailable(message, problem=problem)
    if 400 <= problem.status < 500:
        return _CLASS_OF_STATUS.get(problem.status, Refused)(message, problem=problem)
    return InvalidResponse(f"the answer was {problem.status}: {message}", problem=problem)


def parse_problem(status: int, fields: Mapping[str, Any]) -> Problem:
    """A problem from its JSON; what is missing is filled in from the status."""
    return Problem(
        status=status,
        title=str(fields.get("title") or f"HTTP status {status}"),
        detail=str(fields.get("detail") or ""),
        type=str(fields.get("type") or ""),
    )
