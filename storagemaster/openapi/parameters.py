"""The parameters of requests: path fields, queries, and headers."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from permission_urls.tickets import COUNT_MAX
from storagemaster import wire
from storagemaster.documents import REFERENCE_PATTERN, Photo, Shard, Version, Volume
from storagemaster.events.stream import LAST_ID_HEADER
from storagemaster.resumable import tus
from storagemaster.upload_wire import PREFER_HEADER
from storagemaster.uploads.waiting import WAIT_SECONDS_MAX
from volumes.photo_path import EXTENSIONS

_SHA256_FIELD = {
    "pattern": "^sha-256=:[A-Za-z0-9+/]{43}=:$",
    "examples": ["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"],
}

_DAY = Annotated[str, {"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "examples": ["2026-01-30"]}]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a request."""

    name: str
    kind: Any
    """Its type, for `Schemas.of`."""
    text: str
    is_required: bool = False


PATH_FIELDS = {
    field.name: field
    for field in (
        Parameter("volume", Volume, "Number of the volume."),
        Parameter("photo", Photo, "Id of the photo."),
        Parameter("version", Version, "Version of the photo."),
        Parameter("shard", Shard, "Shard of the volume."),
        Parameter("node", Annotated[str, {"examples": ["east-1"]}], "Id of the node."),
        Parameter(
            "upload",
            Annotated[str, {"examples": ["u1.a.eyJ2ZXJzaW9uIjoiM2Z6OHFkIn0.AAAA"]}],
            "Signed name of the upload, from `Location`.",
        ),
    )
}

QUERIES = {
    query.name: query
    for query in (
        Parameter("volume", Volume, "Volume to store the photo in."),
        Parameter(
            "wait",
            Annotated[int, {"minimum": 0, "maximum": WAIT_SECONDS_MAX}],
            "Seconds to wait until the sizes are made.",
        ),
        Parameter(
            wire.EXPIRES_QUERY,
            Annotated[str, {"pattern": "^[1-9][0-9]{0,3}[mhd]$", "examples": ["1h"]}],
            "Duration after which the URLs in the response end; without it, they never end.",
        ),
        Parameter("node", str, "The only node to query."),
        Parameter(
            "after_recall", Literal["0", "1"], "`1` for the state after a recall of the volume."
        ),
        Parameter(
            "recipe",
            Annotated[str, {"minLength": 1, "maxLength": 32}],
            "Only photos whose sizes have another recipe.",
        ),
        Parameter(
            "version",
            Version,
            "A version that mirrors and edges are requested for as a viewer does.",
        ),
        Parameter("size", Annotated[str, {"pattern": "^[a-z]$"}], "Its size; `o` by default."),
        Parameter(
            "ext",
            Annotated[str, {"enum": list(EXTENSIONS)}],
            "Its format; that of the original by default.",
        ),
        Parameter("to", list[str], "A cold node. Repeatable."),
        Parameter(
            "after",
            Annotated[str, {"examples": ["k7"]}],
            "The `after` of the last page; the first page without it.",
        ),
        Parameter(
            "before",
            Annotated[
                str,
                {
                    "pattern": f"^[0-9]{{10}} {REFERENCE_PATTERN}$",
                    "examples": ["1700000000 3/01jd3x8m2c9qp4k7/3fz8qd"],
                },
            ],
            "The `before` of the last page; the first page without it.",
        ),
        Parameter(
            "limit",
            Annotated[int, {"minimum": 1, "maximum": wire.PAGE_PHOTOS_MAX}],
            f"Most photos of the page; {wire.PAGE_PHOTOS} by default.",
        ),
        Parameter("since", _DAY, "The first day, in UTC; the last day by default."),
        Parameter("until", _DAY, "The last day, in UTC; today by default."),
        Parameter("kind", Literal["acts", "uploads"], "Acts and refused credentials, or uploads."),
        Parameter("act", Annotated[str, {"examples": ["delete"]}], "Only this act."),
        Parameter("caller", str, "Only this token, ticket, or application."),
        Parameter(
            "photo",
            Annotated[str, {"examples": ["3/01jd3x8m2c9qp4k7"]}],
            "Only this photo, or version of a photo.",
        ),
        Parameter(
            "verify", Literal["0", "1"], "`1` to compare all copies and hashes of these days."
        ),
    )
}

AUDIT_LIMIT = Parameter(
    "limit",
    Annotated[int, {"minimum": 1, "maximum": wire.AUDIT_ENTRIES_MAX}],
    f"Most entries; {wire.AUDIT_ENTRIES} by default.",
)
MAP_LIMIT = Parameter(
    "limit",
    Annotated[int, {"minimum": 1, "maximum": wire.MAP_VERSIONS_MAX}],
    f"Most versions; {wire.MAP_VERSIONS} by default.",
)
LISTED_VOLUME = Parameter("volume", Volume, "Number of the volume.", is_required=True)
TICKET_INDEX = Parameter(
    wire.TICKET_INDEX_HEADER,
    Annotated[int, {"minimum": 0, "maximum": COUNT_MAX - 1}],
    "Number of the photo, from 0, if a ticket allows several.",
)
IDEMPOTENCY_KEY = Parameter(
    wire.IDEMPOTENCY_HEADER,
    Annotated[
        str,
        {"minLength": 1, "maxLength": wire.IDEMPOTENCY_KEY_CHARACTERS_MAX, "pattern": "^[!-~]+$"},
    ],
    "The client's own name of the upload. A repeated upload returns the same photo.",
)
DURABILITY = Parameter(
    wire.DURABILITY_HEADER,
    Literal["strict", "degraded"],
    "`strict` refuses an upload that cannot be stored in two colos.",
)
REPR_DIGEST = Parameter(
    wire.DIGEST_HEADER, Annotated[str, _SHA256_FIELD], "SHA-256 of the whole photo."
)
CONTENT_DIGEST = Parameter(
    wire.CONTENT_DIGEST_HEADER, Annotated[str, _SHA256_FIELD], "SHA-256 of this body."
)
TUS_VERSION = Parameter(
    tus.VERSION_HEADER, Literal["1.0.0"], "Version of the protocol.", is_required=True
)
UPLOAD_LENGTH = Parameter(
    tus.LENGTH_HEADER,
    Annotated[int, {"minimum": 1, "examples": [5_242_880]}],
    "Bytes of the whole photo.",
    is_required=True,
)
UPLOAD_OFFSET = Parameter(
    tus.OFFSET_HEADER,
    Annotated[int, {"minimum": 0}],
    "The byte at which the body continues.",
    is_required=True,
)
PREFER = Parameter(
    PREFER_HEADER,
    Literal["return=representation"],
    "Returns the state as JSON, and finds a photo that is stored with this key and digest.",
)
UPLOAD_METADATA = Parameter(
    tus.METADATA_HEADER,
    Annotated[
        str,
        {
            "maxLength": tus.METADATA_CHARACTERS_MAX,
            "pattern": "^[A-Za-z_]+ ([A-Za-z0-9+/]{4})*$",
        },
    ],
    "Keys with values in base64; `sha256` is the digest of the whole photo, in hex.",
)
UPLOAD_CHECKSUM = Parameter(
    tus.CHECKSUM_HEADER,
    Annotated[
        str,
        {
            "pattern": "^sha1 [A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=$",
            "examples": ["sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="],
        },
    ],
    "Algorithm (`sha1`, `sha256`, or `md5`) and checksum of this body in base64.",
)
METHOD_OVERRIDE = Parameter(
    tus.OVERRIDE_HEADER,
    Literal["HEAD", "PATCH", "DELETE"],
    "The method to use, for clients that can send no other than POST.",
    is_required=True,
)
LAST_EVENT_ID = Parameter(
    LAST_ID_HEADER, str, "The last event that the client has; the stream continues after it."
)
