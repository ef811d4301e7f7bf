"""Translation of errors of S3 servers and of their client to `NodeError`, with advice."""

import contextlib
from collections.abc import Iterator

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own, which is not an OSError
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)

from storagenode.protocol.errors import BucketUnavailable, NodeError, NotFound, OutOfSpace

CREDENTIALS_ADVICE = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the node's process, or use a profile in "
    "~/.aws/credentials or a role of its machine"
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
_MISSING = {"NoSuchKey", "404", "NoSuchUpload"}


class ObjectExists(Exception):
    """An object with this name exists."""


@contextlib.contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Translate errors of boto3 to `NodeError`. `what` names the object in messages."""
    try:
        yield
    except ClientError as error:
        raise error_of(error, what) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise BucketUnavailable(f"{what}: no credentials found; {CREDENTIALS_ADVICE}") from error
    except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
        raise BucketUnavailable(f"{what}: the bucket's server is unreachable: {error}") from error
    except BotoCoreError as error:
        raise NodeError(f"{what}: {error}") from error


def error_of(error: ClientError, what: str) -> Exception:
    """Return the error that a response of the server represents."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = str(error.response.get("Error", {}).get("Message", "")) or code
    if code in {"PreconditionFailed", "412"}:
        return ObjectExists(what)
    if code in _MISSING:
        return NotFound(f"{what} does not exist")
    if code in _FULL or status == 507:
        return OutOfSpace(f"{what}: the bucket is full: {message}")
    advice = _advice_of(code, error, message)
    if advice or status >= 500 or code == "ConditionalRequestConflict":
        return BucketUnavailable(
            f"{what}: {advice or f'the bucket returned {status} {code}: {message}'}"
        )
    return NodeError(f"{what}: the bucket returned {status} {code}: {message}")


def _advice_of(code: str, error: ClientError, message: str) -> str:
    if code in _BAD_CREDENTIALS:
        return f"the bucket refused the credentials ({code}: {message}); {CREDENTIALS_ADVICE}"
    if code in _DENIED:
        return (
            f"the credentials do not permit {error.operation_name}; permit the node to get, put, "
            "delete, and list objects and to abort multipart uploads"
        )
    if code == "NoSuchBucket":
        return "the bucket does not exist; create it, or correct `store` in cluster.toml"
    if code == "RequestTimeTooSkewed":
        theirs = error.response.get("Error", {}).get("ServerTime", "unknown")
        return (
            f"this machine's clock differs too much from the server's, which is at {theirs}; "
            "synchronize it with NTP"
        )
    if code in _ELSEWHERE:
        return f"the bucket is in another region ({message}); set `region` in cluster.toml"
    if code in _BUSY:
        return f"the bucket is too busy ({code}) after several tries: {message}"
    return ""
