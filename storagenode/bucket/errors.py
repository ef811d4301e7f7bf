"""What S3 servers and their client say went wrong, as errors of ours that say what to do."""

import contextlib
from collections.abc import Iterator

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own, which is no OSError
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)

from storagenode.protocol.errors import BucketUnavailable, NodeError, NotFound, OutOfSpace

CREDENTIALS_ADVICE = (
    "give the node's process AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile in "
    "~/.aws/credentials, or a role of its machine"
)
_BAD_CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "TokenRefreshRequired",
}
_DENIED = {"AccessDenied", "AllAccessDisabled", "403"}
_BUSY = {"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "ServiceUnavailable"}
_ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraint"}
_FULL = {"QuotaExceeded", "QuotaExceededException", "InsufficientStorage", "XMinioStorageFull"}
_NOT_THERE = {"NoSuchKey", "404", "NoSuchUpload"}


class ObjectExists(Exception):
    """There is an object of this name already."""


@contextlib.contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Raise what boto3 raises inside as an error of this package; `what` names the object."""
    try:
        yield
    except ClientError as error:
        raise error_of(error, what) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise BucketUnavailable(
            f"{what}: there are no credentials: {CREDENTIALS_ADVICE}"
        ) from error
    except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
        raise BucketUnavailable(f"{what}: the bucket's server does not answer: {error}") from error
    except BotoCoreError as error:
        raise NodeError(f"{what}: {error}") from error


def error_of(error: ClientError, what: str) -> Exception:
    """The error that an answer of the server stands for."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = str(error.response.get("Error", {}).get("Message", "")) or code
    if code in {"PreconditionFailed", "412"}:
        return ObjectExists(what)
    if code in _NOT_THERE:
        return NotFound(f"{what} is not there")
    if code in _FULL or status == 507:
        return OutOfSpace(f"{what}: the bucket is full: {said}")
    advice = _advice_of(code, error, said)
    if advice or status >= 500 or code == "ConditionalRequestConflict":
        return BucketUnavailable(
            f"{what}: {advice or f'the bucket answers {status} {code}: {said}'}"
        )
    return NodeError(f"{what}: the bucket answers {status} {code}: {said}")


def _advice_of(code: str, error: ClientError, said: str) -> str:
    if code in _BAD_CREDENTIALS:
        return f"the bucket refuses the credentials ({code}: {said}): {CREDENTIALS_ADVICE}"
    if code in _DENIED:
        return (
            f"the credentials may not do {error.operation_name} here; the node needs to get, put, "
            "delete and list objects and to abort multipart uploads"
        )
    if code == "NoSuchBucket":
        return "there is no such bucket: make it, or correct `store` in cluster.toml"
    if code == "RequestTimeTooSkewed":
        theirs = error.response.get("Error", {}).get("ServerTime", "unknown")
        return (
            f"this machine's clock is too far from the server's, which says {theirs}: "
            "have it set by NTP"
        )
    if code in _ELSEWHERE:
        return f"the bucket is in another region: set `region` in cluster.toml ({said})"
    if code in _BUSY:
        return f"the bucket is too busy ({code}), also after several tries: {said}"
    return ""
