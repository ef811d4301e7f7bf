"""The storagemaster's HTTP API: routes, headers and documents, for its server and its clients."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from volumes.photo_path import PhotoVersion, parse_photo_version

PHOTOS_ROUTE = "/photos"
BATCH_ROUTE = "/photos/info"
PHOTO_ROUTE = "/photos/{volume}/{photo}"
VERSION_ROUTE = "/photos/{volume}/{photo}/{version}"
STATUS_ROUTE = "/status"
EVENTS_ROUTE = "/events"
METRICS_ROUTE = "/metrics"
REGENERATE_ROUTE = "/regenerations"
REGENERATE_SHARDS_ROUTE = "/regenerations/{volume}"
REGENERATE_SHARD_ROUTE = "/regenerations/{volume}/{shard}"
HEALTH_ROUTE = "/healthz"
REVOKE_ROUTE = "/photos/{volume}/{photo}/{version}/revoke"
TIERING_ROUTE = "/tiering/{volume}"
TIERING_SHARD_ROUTE = "/tiering/{volume}/{shard}"
REPAIR_ROUTE = "/repairs/{volume}"
UNDELETE_ROUTE = "/photos/{volume}/{photo}/undelete"
FIND_ROUTE = "/find/{photo}"
EXPLANATION_ROUTE = "/explanations/{volume}/{photo}"
SCRUBS_ROUTE = "/scrubs"
# For machines of the cluster, signed as a node's routes are.
BUNDLE_ROUTE = "/internal/bundles/{volume}/{photo}/{version}"

IDEMPOTENCY_HEADER = "Idempotency-Key"
FIRST_ATTEMPT_HEADER = "Glassplate-First-Attempt"
"""`1` says that the key is fresh, which saves the search for an earlier upload with it."""
DURABILITY_HEADER = "Durability"
DIGEST_HEADER = "Repr-Digest"
SIGNATURE_HEADER = "Glassplate-Signature"
PROBLEM_TYPE = "application/problem+json"

IDEMPOTENCY_KEY_CHARACTERS_MAX = 255
BATCH_PHOTOS_MAX = 500
# More than so many references need, however they are spaced.
BATCH_REQUEST_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One copy of a photo: the node it is on, its colo, and for whom the node holds it."""

    node: str
    colo: str
    hint_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an upload is answered with."""

    volume: int
    photo: str
    version: str
    format: str
    bytes: int
    sha256: str
    width: int
    height: int
    durability: str
    copies: tuple[Copy, ...]
    pending_mirrors: tuple[str, ...]
    """Nodes that are to have a copy and were not reached: others hold it for them."""
    urls: dict[str, str]
    """A permission URL for every size the photo will have, and `o`, the original."""
    status: str
    """Where to ask whether the sizes are made."""
    state: str = ""
    """Only with `?wait`: `pending`, `ready` or `failed`, or `unknown` if no mirror could say."""
    reason: str = ""
    """Why it failed, in words for a person."""

    @property
    def reference(self) -> str:
        """What an application remembers: VOLUME/PHOTO/VERSION."""
        return f"{self.volume}/{self.photo}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoStatus:
    """What has become of a photo."""

    volume: int
    photo: str
    version: str
    state: str
    """`pending`, `ready` or `failed`; in a page of photos also `gone`, `unknown`, `unavailable`."""
    position: int | None = None
    """While it is pending: how many jobs are before its own in the queue, if that is known."""
    reason: str = ""
    """Why it failed, or has no other state, in words for a person."""
    info: dict[str, Any] | None = None
    """The info document, once it is ready."""
    urls: dict[str, str]
    """A permission URL for every size that is made, and `o`, the original."""

    @property
    def reference(self) -> str:
        """What an application remembers: VOLUME/PHOTO/VERSION."""
        return f"{self.volume}/{self.photo}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What a delete is answered with: where its tombstone is, and which caches forgot the photo."""

    volume: int
    photo: str
    version: str
    """Empty when all versions are gone."""
    copies: tuple[Copy, ...]
    pending_mirrors: tuple[str, ...]
    purged: tuple[str, ...]
    """Edges that have let go of every variant."""
    purge_pending: tuple[str, ...]
    """Edges that did not answer; they are asked again until they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What a revocation is answered with: the new version, whose URLs are the only good ones."""

    volume: int
    photo: str
    version: str
    revoked: str
    """The version that is gone now."""
    urls: dict[str, str]
    pending_mirrors: tuple[str, ...]
    purged: tuple[str, ...]
    purge_pending: tuple[str, ...]

    @property
    def reference(self) -> str:
        """What an application remembers from now on: VOLUME/PHOTO/VERSION."""
        return f"{self.volume}/{self.photo}/{self.version}"


def version_path(photo_version: PhotoVersion) -> str:
    """The path of a photo version's document."""
    return f"/photos/{photo_version}"


def revoke_path(photo_version: PhotoVersion) -> str:
    """The path that revokes a photo version."""
    return f"/photos/{photo_version}/revoke"


def tiering_path(volume: int, shard: str = "", *, cold_nodes: Iterable[str] = ()) -> str:
    """The path of a volume's chill, or of one shard of it."""
    query = urlencode([("to", cold_node) for cold_node in cold_nodes])
    return f"/tiering/{volume}" + (f"/{shard}" if shard else "") + (f"?{query}" if query else "")


def repair_path(volume: int) -> str:
    """The path of a volume's plan, and of its repair."""
    return f"/repairs/{volume}"


def undelete_path(volume: int, photo: str) -> str:
    """The path that brings a deleted photo back."""
    return f"/photos/{volume}/{photo}/undelete"


def find_path(photo: str) -> str:
    """The path of everything that all nodes have of a photo."""
    return f"/find/{photo}"


def explanation_path(volume: int, photo: str) -> str:
    """The path of all there is to know of a photo."""
    return f"/explanations/{volume}/{photo}"


def bundle_path(photo_version: PhotoVersion) -> str:
    """The path a worker sends the sizes of a version to."""
    return f"/internal/bundles/{photo_version}"


def parse_receipt(fields: dict[str, Any]) -> Receipt:
    """A receipt from its JSON."""
    return Receipt(
        **{
            **fields,
            "copies": tuple(Copy(**copy) for copy in fields["copies"]),
            "pending_mirrors": tuple(fields["pending_mirrors"]),
        }
    )


def parse_revocation(fields: dict[str, Any]) -> Revocation:
    """A revocation from its JSON."""
    return Revocation(
        **{
            **fields,
            "pending_mirrors": tuple(fields["pending_mirrors"]),
            "purged": tuple(fields["purged"]),
            "purge_pending": tuple(fields["purge_pending"]),
        }
    )


def render_receipt(receipt: Receipt) -> dict[str, Any]:
    """A receipt as JSON has it."""
    return {**_fields_of(receipt), "copies": [_fields_of(copy) for copy in receipt.copies]}


def render_status(status: PhotoStatus) -> dict[str, Any]:
    """A photo's status as JSON has it."""
    return _fields_of(status)


def parse_status(fields: dict[str, Any]) -> PhotoStatus:
    """A photo's status from its JSON."""
    return PhotoStatus(**fields)


def render_batch_request(versions: Sequence[PhotoVersion]) -> bytes:
    """What asks for a page of photos: `{"photos": ["3/01jd3x8m2c9qp4k7/3fz8qd"]}`."""
    return json.dumps({"photos": [str(photo_version) for photo_version in versions]}).encode()


def parse_batch_request(body: bytes) -> tuple[PhotoVersion, ...]:
    """The inverse of `render_batch_request`.

    Raises:
        ValueError: It is not one, or asks for too many; the message says what is wrong.
    """
    if len(body) > BATCH_REQUEST_BYTES_MAX:
        raise ValueError(f"the body is {len(body)} bytes long; at most {BATCH_REQUEST_BYTES_MAX}")
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    photos = document.get("photos") if isinstance(document, dict) else None
    if not isinstance(photos, list) or not all(isinstance(photo, str) for photo in photos):
        raise ValueError('the body is {"photos": ["VOLUME/PHOTO/VERSION", ...]}')
    if len(photos) > BATCH_PHOTOS_MAX:
        raise ValueError(f"{len(photos)} photos are too many; ask for {BATCH_PHOTOS_MAX} at once")
    return tuple(parse_photo_version(photo) for photo in photos)


def parse_info_batch(fields: dict[str, Any]) -> list[PhotoStatus]:
    """A page of photos from its JSON."""
    return [parse_status(each) for each in fields["photos"]]


def parse_deletion(fields: dict[str, Any]) -> Deletion:
    """A deletion from its JSON."""
    return Deletion(
        **{
            **fields,
            "copies": tuple(Copy(**copy) for copy in fields["copies"]),
            "pending_mirrors": tuple(fields["pending_mirrors"]),
            "purged": tuple(fields["purged"]),
            "purge_pending": tuple(fields["purge_pending"]),
        }
    )


def _fields_of(document: Any) -> dict[str, Any]:
    """As `asdict`, which would copy all that is inside as well, at ten times the cost."""
    return {name: getattr(document, name) for name in document.__slots__}
