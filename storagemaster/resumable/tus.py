"""The tus 1.0 protocol for resumable uploads: its headers, and their values.

Source: https://tus.io/protocols/resumable-upload, version 1.0.0, with the extensions creation,
creation-with-upload, expiration, checksum, and termination.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from email.utils import formatdate

from storagemaster.errors import BadArgument
from volumes.json_text import parse_whole_number

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
PATCH_TYPE = "application/offset+octet-stream"
METADATA_CHARACTERS_MAX = 1024

VERSION_HEADER = "Tus-Resumable"
OFFSET_HEADER = "Upload-Offset"
LENGTH_HEADER = "Upload-Length"
DEFER_HEADER = "Upload-Defer-Length"
METADATA_HEADER = "Upload-Metadata"
CHECKSUM_HEADER = "Upload-Checksum"
EXPIRES_HEADER = "Upload-Expires"
OVERRIDE_HEADER = "X-HTTP-Method-Override"

_SHA256 = re.compile("[0-9a-fA-F]{64}")

# tus requires SHA-1, which detects errors of the network as well as the others.
CHECKSUM_ALGORITHMS = ("sha1", "sha256", "md5")


@dataclass(frozen=True, slots=True)
class Checksum:
    """The declared checksum of one request's body."""

    algorithm: str
    digest: bytes

    def hasher(self) -> "hashlib._Hash":
        """Return a new hash of this algorithm."""
        return hashlib.new(self.algorithm, usedforsecurity=False)


def parse_checksum(text: str) -> Checksum:
    """Parse `Upload-Checksum`: the algorithm and the digest in base64.

    Raises:
        BadArgument: It is malformed, or the algorithm is not supported.
    """
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        raise BadArgument(
            f"unsupported checksum algorithm {algorithm!r}: use {', '.join(CHECKSUM_ALGORITHMS)}"
        )
    try:
        digest = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadArgument(f"invalid {CHECKSUM_HEADER}: the digest is not base64") from error
    checksum = Checksum(algorithm, digest)
    if len(digest) != checksum.hasher().digest_size:
        raise BadArgument(f"invalid {CHECKSUM_HEADER}: not the length of a {algorithm} digest")
    return checksum


def parse_metadata(text: str) -> dict[str, str]:
    """Parse `Upload-Metadata`: keys, each with a value in base64, or without a value.

    >>> parse_metadata("filename Y2F0LmpwZw==,is_public")
    {'filename': 'cat.jpg', 'is_public': ''}

    Raises:
        BadArgument: It is malformed, not ASCII, or longer than `METADATA_CHARACTERS_MAX`.
    """
    if len(text) > METADATA_CHARACTERS_MAX:
        raise BadArgument(f"{METADATA_HEADER} is over {METADATA_CHARACTERS_MAX} characters")
    if not text.isascii():
        raise BadArgument(f"invalid {METADATA_HEADER}: must be ASCII")
    metadata = {}
    for pair in text.split(",") if text.strip() else ():
        key, _, encoded = pair.strip().partition(" ")
        if not key or key in metadata:
            raise BadArgument(f"invalid {METADATA_HEADER}: an empty or a repeated key")
        try:
            metadata[key] = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError) as error:
            raise BadArgument(f"invalid {METADATA_HEADER}: {key} is not base64") from error
    return metadata


def parse_digest(metadata: str) -> str | None:
    """Return the SHA-256 that `Upload-Metadata` declares for the whole photo, in lower case.

    Raises:
        BadArgument: It is not a SHA-256 in hex, or the header is malformed.
    """
    sha256 = parse_metadata(metadata).get("sha256")
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise BadArgument(f"invalid {METADATA_HEADER}: sha256 must be 64 characters of hex")
    return None if sha256 is None else sha256.lower()


def parse_number(name: str, text: str | None) -> int:
    """Parse a header with a whole number.

    Raises:
        BadArgument: The header is missing or malformed.
    """
    if text is None:
        raise BadArgument(f"the header {name} is missing")
    try:
        return parse_whole_number(text)
    except ValueError as error:
        raise BadArgument(f"invalid {name}: {error}") from error


def render_expiry(expiry_seconds: int) -> str:
    """Return the value of `Upload-Expires`."""
    return formatdate(expiry_seconds, usegmt=True)
