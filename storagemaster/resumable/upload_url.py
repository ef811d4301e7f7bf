"""The path of a resumable upload: signed, and with all that a storagemaster has to know of it.

So any storagemaster continues any upload, and none keeps a state of it. The path is the permission
to continue the upload, as a permission URL is the permission to read a photo.
"""

from dataclasses import dataclass

from permission_urls import KeySource, NoPermission, Purpose
from permission_urls.signed_claims import ClaimsKind, ClaimsVerifier, sign_claims
from storagenode.protocol.partials import Partial
from volumes.cluster import NodeId
from volumes.photo_path import PhotoVersion, parse_photo_version

UPLOAD_URL = ClaimsKind(prefix="u1", purpose=Purpose.PARTIAL_UPLOAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumableUpload:
    """A photo that a client uploads in parts."""

    photo_version: PhotoVersion
    bytes_total: int
    mtime_seconds: int
    expiry_seconds: int
    """The second at which the upload ends, complete or not."""
    nodes: tuple[NodeId, ...]
    """The nodes with its bytes."""
    application: str
    token_id: str
    strict: bool = False
    sha256: str | None = None
    """The digest that the client declared for the whole photo."""
    formats: tuple[str, ...] | None = None
    """The formats that a ticket accepts, or None for all."""
    ref: str | None = None
    """The application's own reference, if the upload was begun with a ticket."""
    metadata: str = ""
    """The header `Upload-Metadata` as sent, for the client to read back."""

    @property
    def partial(self) -> Partial:
        """The upload as the nodes know it."""
        return Partial(
            photo=self.photo_version.photo,
            version=self.photo_version.version,
            bytes_total=self.bytes_total,
            expiry_seconds=self.expiry_seconds,
        )


def sign_upload(ring: KeySource, upload: ResumableUpload) -> str:
    """Return the last part of the path of an upload."""
    claims = {
        "photo": str(upload.photo_version),
        "bytes": upload.bytes_total,
        "mtime": upload.mtime_seconds,
        "expiry": upload.expiry_seconds,
        "nodes": upload.nodes,
        "app": upload.application,
        "token": upload.token_id,
        "strict": upload.strict,
        "sha256": upload.sha256,
        "formats": upload.formats,
        "ref": upload.ref,
        "metadata": upload.metadata,
    }
    return sign_claims(ring, UPLOAD_URL, claims)


class UploadVerifier:
    """Verifier of the paths of uploads."""

    def __init__(self, ring: KeySource) -> None:
        self._claims = ClaimsVerifier(ring, UPLOAD_URL)

    def verify(self, text: str) -> ResumableUpload:
        """Return the upload of a path, whether it has expired or not.

        Raises:
            NoPermission: The text is not the path of an upload.
            UnknownKey, RetiredKey, BadMac: The signature is invalid.
        """
        claims = self._claims.verify(text)
        try:
            return ResumableUpload(
                photo_version=parse_photo_version(claims["photo"]),
                bytes_total=int(claims["bytes"]),
                mtime_seconds=int(claims["mtime"]),
                expiry_seconds=int(claims["expiry"]),
                nodes=tuple(NodeId(each) for each in claims["nodes"]),
                application=str(claims["app"]),
                token_id=str(claims["token"]),
                strict=bool(claims["strict"]),
                sha256=claims["sha256"],
                formats=tuple(claims["formats"]) if claims["formats"] else None,
                ref=claims["ref"],
                metadata=str(claims["metadata"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise NoPermission from error
