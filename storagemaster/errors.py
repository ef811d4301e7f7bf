"""What a storagemaster refuses, as one family; each becomes an RFC 9457 problem of one status.

MasterError
├── BadUpload                 the caller's fault
│   ├── NotAPhotoError        415  not a photo of a format we keep
│   ├── TooLarge              413  more bytes than the limit
│   ├── TooManyPixels         422  more pixels than the limit
│   ├── LengthLies            400  the body is not as long as announced
│   ├── DigestLies            422  the body is not what its digest says
│   └── BadArgument           400  a query or header of the request makes no sense
├── NotAuthorized             401  no API token, or not a good one
├── NotAllowed                403  the token does not open this
├── UnknownVolume             404  no such volume
├── UnknownPhoto              404  no such photo, and every mirror was asked
├── PhotoGone                 410  deleted, for ever
├── KeyUsedOtherwise          409  the Idempotency-Key was used for other bytes
└── Unavailable               503  not now; try again
"""

from typing import ClassVar


class MasterError(Exception):
    """A request that was not done; the message says what happened, why, and what to do."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong here"
    headers: ClassVar[dict[str, str]] = {}

    @property
    def slug(self) -> str:
        """The last part of the problem's type."""
        name = type(self).__name__.removesuffix("Error")
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


class BadUpload(MasterError):
    """The upload cannot be kept."""

    status = 400


class NotAPhotoError(BadUpload):
    """Not a photo of a format we keep."""

    status = 415
    title = "Not a photo that can be kept"


class TooLarge(BadUpload):
    """More bytes than the limit."""

    status = 413
    title = "The upload is too large"


class TooManyPixels(BadUpload):
    """More pixels than the limit."""

    status = 422
    title = "The photo has too many pixels"


class LengthLies(BadUpload):
    """The body is not as long as announced, or broke off."""

    title = "The body is not as long as announced"


class DigestLies(BadUpload):
    """The body does not have the digest it was sent with."""

    status = 422
    title = "The body does not have the digest that was announced"


class BadArgument(BadUpload):
    """A part of the request makes no sense."""

    title = "The request makes no sense"


class NotAuthorized(MasterError):
    """No API token, or not a good one."""

    status = 401
    title = "An API token is needed"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="glassplate"'}


class NotAllowed(MasterError):
    """The token is good, but not for this."""

    status = 403
    title = "The API token does not open this"


class UnknownVolume(MasterError):
    """There is no such volume."""

    status = 404
    title = "There is no such volume"


class UnknownPhoto(MasterError):
    """There is no such photo."""

    status = 404
    title = "There is no such photo"


class PhotoGone(MasterError):
    """The photo was deleted, for ever."""

    status = 410
    title = "The photo is gone"


class KeyUsedOtherwise(MasterError):
    """The name is taken by other bytes: only a key that is used twice can do that."""

    status = 409
    title = "The Idempotency-Key was used for other bytes"


class Unavailable(MasterError):
    """Not now. Nothing was acknowledged."""

    status = 503
    title = "Not possible at the moment"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "2"}
