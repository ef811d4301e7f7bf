"""The storagemaster's HTTP API: routes, headers, and documents, for its server and its clients."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar
from urllib.parse import urlencode

from permission_urls import Scope
from volumes.json_text import parse_json
from volumes.photo_path import PhotoVersion, parse_photo_version

_Document = TypeVar("_Document")


class Access(Enum):
    """Access to a route that needs no API token."""

    OPEN = auto()
    """Any caller."""
    SIGNED = auto()
    """A machine of the cluster, which signs the request as a request to a node."""
    MAP_KEY = auto()
    """A machine with the keys of the volume map, which signs the request with them."""


@dataclass(frozen=True, slots=True)
class Route:
    """One request of the API: its method, its path, and the scope of the token it needs."""

    method: str
    template: str
    access: Scope | Access
    body_bytes_max: int = 0
    """The longest body that the route's handler gets; 0 if it gets none or reads it itself."""
    has_urls: bool = False
    """True if the response has URLs of photos, as far as the token has `read` and `original`.

    The token of a route with open access is optional.
    """
    query: tuple[str, ...] = ()
    """The query parameters that the route knows, without `expires` of routes with URLs."""
    act: str = ""
    """The act in the audit log, of a route that changes something."""

    @property
    def is_upload(self) -> bool:
        """True if a token or a ticket begins an upload, which counts for quotas."""
        return self.access is Scope.UPLOAD and self.act == "upload"

    @property
    def known_query(self) -> tuple[str, ...]:
        """All query parameters that the route knows; others are refused."""
        return (*self.query, EXPIRES_QUERY) if self.has_urls else self.query

    def path(
        self, fields: Mapping[str, object] | None = None, query: Iterable[tuple[str, str]] = ()
    ) -> str:
        """Return the path with these fields, and the query.

        >>> DIFF.path({"volume": 42}, [("after_recall", "1")])
        '/repairs/42?after_recall=1'
        """
        path = self.template.format(**(fields or {}))
        encoded = urlencode(list(query))
        return f"{path}?{encoded}" if encoded else path


BATCH_PHOTOS_MAX = 500
PAGE_PHOTOS = 200
PAGE_PHOTOS_MAX = 1_000
MAP_VERSIONS = 20
MAP_VERSIONS_MAX = 1_000
AUDIT_ENTRIES = 200
AUDIT_ENTRIES_MAX = 10_000
# More than that many references need, with any white space.
BATCH_REQUEST_BYTES_MAX = 64 * 1024
BUNDLE_BYTES_MAX = 128 * 1024 * 1024
# 65,535 volumes with mirrors of their own, as a JSON string.
MAP_REQUEST_BYTES_MAX = 20 * 1024 * 1024

UPLOAD = Route(
    "POST", "/photos", Scope.UPLOAD, has_urls=True, query=("volume", "wait"), act="upload"
)
# The ticket is the first field of the form.
UPLOAD_FORM = Route("POST", "/photos/form", Access.OPEN, query=("volume",), act="upload")
UPLOAD_OPTIONS = Route("OPTIONS", "/uploads", Access.OPEN)
BEGIN_UPLOAD = Route(
    "POST", "/uploads", Scope.UPLOAD, has_urls=True, query=("volume",), act="upload"
)
# The path of an upload is signed, and is the permission to continue it.
UPLOAD_OFFSET = Route("HEAD", "/uploads/{upload}", Access.OPEN, act="upload")
APPEND_TO_UPLOAD = Route("PATCH", "/uploads/{upload}", Access.OPEN, has_urls=True, act="upload")
UPLOAD_STATE = Route("GET", "/uploads/{upload}", Access.OPEN, has_urls=True, act="upload")
END_UPLOAD = Route("DELETE", "/uploads/{upload}", Access.OPEN)
OVERRIDDEN_UPLOAD = Route("POST", "/uploads/{upload}", Access.OPEN, act="upload")
PHOTOS_OF_VOLUME = Route("GET", "/photos", Scope.READ, query=("volume", "after", "limit"))
RECENT_PHOTOS = Route("GET", "/photos/recent", Scope.READ, query=("before", "limit"))
KNOWN = Route("POST", "/photos/known", Scope.UPLOAD, BATCH_REQUEST_BYTES_MAX)
TICKET_USES = Route("POST", "/tickets/uses", Scope.READ, BATCH_REQUEST_BYTES_MAX)
LOOKUP = Route("POST", "/photos/info", Scope.READ, BATCH_REQUEST_BYTES_MAX, has_urls=True)
PHOTO = Route("GET", "/photos/{volume}/{photo}/{version}", Scope.READ, has_urls=True)
DELETE_PHOTO = Route("DELETE", "/photos/{volume}/{photo}", Scope.DELETE, act="delete")
DELETE_VERSION = Route("DELETE", "/photos/{volume}/{photo}/{version}", Scope.DELETE, act="delete")
ERASE_PHOTO = Route("POST", "/photos/{volume}/{photo}/erase", Scope.DELETE, act="erase")
ERASE_VERSION = Route("POST", "/photos/{volume}/{photo}/{version}/erase", Scope.DELETE, act="erase")
REVOKE = Route(
    "POST", "/photos/{volume}/{photo}/{version}/revoke", Scope.DELETE, has_urls=True, act="revoke"
)
UNDELETE = Route(
    "POST", "/photos/{volume}/{photo}/undelete", Scope.DELETE, has_urls=True, act="undelete"
)
FIND = Route("GET", "/find/{photo}", Scope.ADMIN)
EXPLAIN = Route(
    "GET", "/explanations/{volume}/{photo}", Scope.ADMIN, query=("version", "size", "ext")
)
SCRUBS = Route("GET", "/scrubs", Scope.STATUS, query=("node",))
START_SCRUBS = Route("POST", "/scrubs", Scope.ADMIN, query=("node",), act="scrub")
UNFENCE = Route("POST", "/nodes/{node}/unfence", Scope.ADMIN, act="unfence")
DIFF = Route("GET", "/repairs/{volume}", Scope.ADMIN, query=("after_recall",))
REPAIR = Route("POST", "/repairs/{volume}", Scope.ADMIN, act="repair")
REGENERATION_SHARDS = Route("GET", "/regenerations/{volume}", Scope.ADMIN)
REGENERATION_PHOTOS = Route(
    "GET", "/regenerations/{volume}/{shard}", Scope.ADMIN, query=("recipe",)
)
REGENERATE = Route("POST", "/regenerations", Scope.ADMIN, BATCH_REQUEST_BYTES_MAX, act="regenerate")
TIERING_SHARDS = Route("GET", "/tiering/{volume}", Scope.ADMIN, query=("to",))
TIERING_PLAN = Route("GET", "/tiering/{volume}/{shard}", Scope.ADMIN, query=("to",))
OFFLOAD = Route("POST", "/tiering/{volume}", Scope.ADMIN, query=("to",), act="offload")
OFFLOAD_SHARD = Route("POST", "/tiering/{volume}/{shard}", Scope.ADMIN, act="offload")
RECALL = Route("DELETE", "/tiering/{volume}", Scope.ADMIN, act="recall")
BUNDLE = Route(
    "POST",
    "/internal/bundles/{volume}/{photo}/{version}",
    Access.SIGNED,
    BUNDLE_BYTES_MAX,
    query=("mtime",),
)
INTERNAL_MAP = Route("GET", "/internal/map", Access.MAP_KEY, query=("version",))
MAP = Route("GET", "/map", Scope.ADMIN)
MAP_LOG = Route("GET", "/map/log", Scope.ADMIN, query=("limit",))
NEXT_MAP = Route("POST", "/map", Scope.ADMIN, MAP_REQUEST_BYTES_MAX, act="change-map")
STATUS = Route("GET", "/status", Scope.STATUS)
AUDIT = Route(
    "GET",
    "/audit",
    Scope.AUDIT,
    query=("since", "until", "kind", "act", "caller", "photo", "limit", "verify"),
)
EVENTS = Route("GET", "/events", Scope.READ)
METRICS = Route("GET", "/metrics", Scope.STATUS)
HEALTH = Route("GET", "/healthz", Access.OPEN)
OPENAPI = Route("GET", "/openapi.json", Access.OPEN)
CAPABILITIES = Route("GET", "/capabilities", Access.OPEN)

ROUTES = tuple(value for value in vars().values() if isinstance(value, Route))
"""All routes, in the order above."""

EXPIRES_QUERY = "expires"
"""Query of routes with URLs: a duration, such as 1h, after which they end."""
IDEMPOTENCY_HEADER = "Idempotency-Key"
DURABILITY_HEADER = "Durability"
DIGEST_HEADER = "Repr-Digest"
"""Digest of the whole photo (RFC 9530)."""
CONTENT_DIGEST_HEADER = "Content-Digest"
"""Digest of the body of one request (RFC 9530)."""
REFERENCE_HEADER = "Glassplate-Reference"
TICKET_INDEX_HEADER = "Glassplate-Ticket-Index"
"""Number of the photo, from 0, if a ticket allows several."""
SIGNATURE_HEADER = "Glassplate-Signature"
SIGNED_DIGEST_HEADER = "Glassplate-Sha256"
"""SHA-256 of the body of a signed request, which is verified before the body is read."""
PROBLEM_TYPE = "application/problem+json"

IDEMPOTENCY_KEY_CHARACTERS_MAX = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One copy of a photo: its node, the node's colo, and the mirror that a hint is for."""

    node: str
    colo: str
    hint_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Response to an upload."""

    volume: int
    photo: str
    version: str
    format: str
    bytes: int
    sha256: str
    width: int
    """Width in pixels as displayed: EXIF orientation is applied."""
    height: int
    stored_width: int
    """Width in pixels before EXIF orientation."""
    stored_height: int
    durability: str
    copies: tuple[Copy, ...]
    pending_mirrors: tuple[str, ...]
    """Mirrors without their copy yet. Handoff nodes store hints for them where they can."""
    urls: dict[str, str]
    """A permission URL for every size that the photo will have, and for `o`, the original."""
    status: str
    """Path of the photo's status."""
    state: str = ""
    """Only with `?wait`: `pending`, `ready` or `failed`, or `unknown` if no mirror responded."""
    reason: str = ""
    """The reason of a failure, in plain English."""
    ref: str = ""
    """The application's own reference, only with a ticket."""
    stripped: str = ""
    """`gps` if positions were removed: then `sha256` can differ from that of the sent bytes."""

    @property
    def reference(self) -> str:
        """VOLUME/PHOTO/VERSION, which an application stores."""
        return f"{self.volume}/{self.photo}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoStatus:
    """Status of a photo version."""

    volume: int
    photo: str
    version: str
    state: str
    """`pending`, `ready` or `failed`; in a batch also `gone`, `unknown` or `unavailable`."""
    position: int | None = None
    """Number of jobs before its own while it is pending, or None if unknown."""
    reason: str = ""
    """The reason of the state, in plain English."""
    info: dict[str, Any] | None = None
    """The info document of a ready photo."""
    urls: dict[str, str]
    """A permission URL for every size that exists, and for `o`, the original."""

    @property
    def reference(self) -> str:
        """VOLUME/PHOTO/VERSION, which an application stores."""
        return f"{self.volume}/{self.photo}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoPage:
    """Photo versions of a volume, in the order of their shards and ids."""

    photos: tuple[str, ...]
    """References of versions that have their original and are not deleted."""
    after: str | None
    """Cursor of the next page, or None if this is the last."""
    unreachable: tuple[str, ...]
    """Mirrors that did not respond: photos that only they have are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentVersion:
    """A photo version that was stored lately. It can be deleted by now."""

    reference: str
    stored_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentPage:
    """Photo versions that were stored lately, the latest first."""

    photos: tuple[RecentVersion, ...]
    before: str | None
    """Cursor of the next page, or None if the nodes' lists end here."""
    unreachable: tuple[str, ...]
    """Nodes that did not respond: photos that only they list are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Response to a delete: the nodes with the tombstone, and the edges that are purged."""

    volume: int
    photo: str
    version: str
    """Empty if all versions were deleted."""
    copies: tuple[Copy, ...]
    pending_mirrors: tuple[str, ...]
    purged: tuple[str, ...]
    """Edges that have purged every variant."""
    purge_pending: tuple[str, ...]
    """Edges that did not respond. Storagemasters repeat the purge until they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Response to a revocation: the new version, whose URLs are the only valid ones."""

    volume: int
    photo: str
    version: str
    revoked: str
    """The version that was deleted."""
    urls: dict[str, str]
    pending_mirrors: tuple[str, ...]
    purged: tuple[str, ...]
    purge_pending: tuple[str, ...]

    @property
    def reference(self) -> str:
        """VOLUME/PHOTO/VERSION, which an application stores from now on."""
        return f"{self.volume}/{self.photo}/{self.version}"


def parse_receipt(fields: dict[str, Any]) -> Receipt:
    """Parse what `render_receipt` returns."""
    return _parse(Receipt, fields)


def parse_page(fields: dict[str, Any]) -> PhotoPage:
    """Parse the JSON of a page of a volume's photos."""
    return _parse(PhotoPage, fields)


def parse_deletion(fields: dict[str, Any]) -> Deletion:
    """Parse the JSON of a deletion."""
    return _parse(Deletion, fields)


def parse_revocation(fields: dict[str, Any]) -> Revocation:
    """Parse the JSON of a revocation."""
    return _parse(Revocation, fields)


def render_receipt(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as JSON."""
    return {**_fields_of(receipt), "copies": [_fields_of(copy) for copy in receipt.copies]}


def render_status(status: PhotoStatus) -> dict[str, Any]:
    """Return a photo's status as JSON."""
    return _fields_of(status)


def parse_status(fields: dict[str, Any]) -> PhotoStatus:
    """Parse what `render_status` returns."""
    return PhotoStatus(**fields)


def render_batch_request(versions: Sequence[PhotoVersion]) -> bytes:
    """Return the request for a batch: `{"photos": ["3/01jd3x8m2c9qp4k7/3fz8qd"]}`."""
    return json.dumps({"photos": [str(photo_version) for photo_version in versions]}).encode()


def parse_batch_request(body: bytes) -> tuple[PhotoVersion, ...]:
    """Parse what `render_batch_request` returns.

    Raises:
        ValueError: The body is malformed, or has too many photos; the message is for the client.
    """
    photos = parse_list(body, "photos", each="VOLUME/PHOTO/VERSION", count_max=BATCH_PHOTOS_MAX)
    return tuple(parse_photo_version(photo) for photo in photos)


def parse_list(body: bytes, name: str, *, each: str, count_max: int) -> list[str]:
    """Parse a request with one list of texts; raise as `parse_batch_request` does."""
    try:
        document = parse_json(body)
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    texts = document.get(name) if isinstance(document, dict) and len(document) == 1 else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f'malformed body: send {{"{name}": ["{each}", ...]}}')
    if len(texts) > count_max:
        raise ValueError(f"too many {name}: {len(texts)}; send at most {count_max}")
    return texts


def parse_info_batch(fields: dict[str, Any]) -> list[PhotoStatus]:
    """Parse the JSON of a batch of photos."""
    return [parse_status(each) for each in fields["photos"]]


def _parse(document: type[_Document], fields: dict[str, Any]) -> _Document:
    """Return a document from its JSON, which has lists in place of tuples."""
    values = {n: tuple(value) if isinstance(value, list) else value for n, value in fields.items()}
    if "copies" in values:
        values["copies"] = tuple(Copy(**copy) for copy in values["copies"])
    return document(**values)


def _fields_of(document: Any) -> dict[str, Any]:
    """Return the fields as `asdict` does, but without its deep copy, which costs ten times more."""
    return {name: getattr(document, name) for name in document.__slots__}
