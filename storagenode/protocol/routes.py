"""The routes of a node: method, path, and the part of the request that its signature covers.

The server registers its handlers from this table, and the client builds its requests from it.
Every signature also covers the method and the path with its query.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from urllib.parse import urlencode

from storagenode.protocol.framing import header_of
from storagenode.protocol.layout import Place
from volumes.photo_path import render_path

DIGEST_IN_TRAILER = "-"
EMPTY_DIGEST = hashlib.sha256(b"").hexdigest()

# A list of 1,500 paths takes 60 KB, and a batch of pulls less.
LIST_BYTES_MAX = 256 * 1024
WRITES_BYTES_MAX = 5 * 1024 * 1024
PARTIAL_READ_BYTES_MAX = 1024 * 1024
AUDIT_BYTES_MAX = 256 * 1024
AUDIT_READ_BYTES_MAX = 1024 * 1024
BUNDLE_BYTES_MAX = 128 * 1024 * 1024
# 65,535 volumes with mirrors of their own.
MAP_BYTES_MAX = 16 * 1024 * 1024


class Signed(Enum):
    """The part of a request's body that its signature covers."""

    NOTHING = "nothing"
    """The route needs no signature."""
    BODY = "body"
    HEADER = "header"
    """The header line of a frame, which contains the digest of every file."""
    TRAILER = "trailer"
    """Nothing yet: a second signature at the end of the body covers its digest."""


class Target(NamedTuple):
    """The request line of one request, and what its signature covers."""

    method: str
    path: str
    """The path with its query."""
    signed: Signed


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the write port. A field `{path}` spans several segments."""

    method: str
    template: str
    signed: Signed = Signed.BODY
    body_bytes_max: int = 0
    """The longest body that the node reads. A streamed file has no limit."""

    @property
    def pattern(self) -> str:
        """The template in the syntax of aiohttp."""
        return self.template.replace("{path}", "{path:.+}")

    def target(self, query: Mapping[str, object | None] | None = None, **fields: object) -> Target:
        """Return the target with these fields. Query parameters that are None are left out."""
        given = {name: str(each) for name, each in (query or {}).items() if each is not None}
        suffix = f"?{urlencode(given)}" if given else ""
        return Target(self.method, self.template.format(**fields) + suffix, self.signed)

    def at(
        self,
        place: Place,
        *,
        mtime_seconds: int | None = None,
        digest: str | None = None,
        proof: str | None = None,
        map_version: int | None = None,
    ) -> Target:
        """Return the target for the file at a place."""
        query = {
            "hint_for": place.hint_for,
            "mtime": mtime_seconds,
            "sha256": digest,
            "proof": proof,
            "map": map_version,
        }
        return self.target(query, path=render_path(place.file))


STATUS = Route("GET", "/status")
# Unsigned: edges cannot reach the write port, and metrics reveal no permissions.
METRICS = Route("GET", "/metrics", Signed.NOTHING)

GET_FILE = Route("GET", "/files/{path}")
HEAD_FILE = Route("HEAD", "/files/{path}")
PUT_FILE = Route("PUT", "/files/{path}", Signed.TRAILER)
REMOVE_HINT = Route("DELETE", "/files/{path}")
WRITE_MANY = Route("POST", "/writes", Signed.HEADER, WRITES_BYTES_MAX)
READ_MANY = Route("POST", "/reads", body_bytes_max=LIST_BYTES_MAX)
WRITE_TOMBSTONE = Route("PUT", "/tombstones/{path}")
PUT_BUNDLE = Route("POST", "/bundles/{path}", body_bytes_max=BUNDLE_BYTES_MAX)
PULL = Route("POST", "/pulls", body_bytes_max=LIST_BYTES_MAX)
PULL_MANY = Route("POST", "/pulls/batch", body_bytes_max=LIST_BYTES_MAX)
DROP_COPY = Route("POST", "/drops/{path}")
RESTORE_DIGEST = Route("POST", "/digest-restores/{path}")
QUARANTINE = Route("POST", "/quarantines/{path}")
ERASE = Route("POST", "/erasures/{path}")
RELINK = Route("POST", "/relinks/{volume}/{photo}/{version}/{new_version}")

LIST_HINTS = Route("GET", "/hints")
DIGESTS = Route("POST", "/digests", body_bytes_max=LIST_BYTES_MAX)
INFOS = Route("POST", "/infos", body_bytes_max=LIST_BYTES_MAX)
FIND = Route("GET", "/find/{photo}")
RECENT = Route("GET", "/recent")

SET_COLD_TIER = Route("PUT", "/volumes/{volume}/cold-tier", body_bytes_max=LIST_BYTES_MAX)
VOLUME_SUMMARIES = Route("POST", "/volumes/summaries", body_bytes_max=LIST_BYTES_MAX)
UNFINISHED_PHOTOS = Route("POST", "/volumes/unfinished", body_bytes_max=LIST_BYTES_MAX)
TOMBSTONE_DIGESTS = Route("POST", "/volumes/tombstones", body_bytes_max=LIST_BYTES_MAX)
TOMBSTONE_SHARDS = Route("POST", "/volumes/tombstones/shards", body_bytes_max=LIST_BYTES_MAX)
TOMBSTONE_NAMES = Route("POST", "/volumes/tombstones/names", body_bytes_max=LIST_BYTES_MAX)
DROP_VOLUME = Route("DELETE", "/volumes/{volume}")
SHARD_DIGESTS = Route("GET", "/volumes/{volume}/shards")
LIST_SHARD = Route("GET", "/volumes/{volume}/shards/{shard}")
LIST_SHARDS = Route("POST", "/volumes/{volume}/listings", body_bytes_max=LIST_BYTES_MAX)
LIST_PHOTO = Route("GET", "/volumes/{volume}/photos/{photo}")
LIST_PHOTO_HINTS = Route("GET", "/volumes/{volume}/hints/{photo}")
LIFT_FENCES = Route("POST", "/fence/{serial}", body_bytes_max=LIST_BYTES_MAX)
NOTE_LIFTING = Route("PUT", "/fence/{serial}")
DROP_FENCE = Route("DELETE", "/fence")
LIST_TRASH = Route("GET", "/volumes/{volume}/trash/{photo}")
GET_TRASHED = Route("GET", "/trash/{day}/{path}")

CREATE_PARTIAL = Route("PUT", "/partials/{partial}")
APPEND_PARTIAL = Route("PATCH", "/partials/{partial}", Signed.TRAILER)
PARTIAL_LENGTH = Route("GET", "/partials/{partial}")
READ_PARTIAL = Route("GET", "/partials/{partial}/bytes")
DIGEST_PARTIAL = Route("POST", "/partials/{partial}/digest")
PUBLISH_PARTIAL = Route("POST", "/partials/{partial}/publish/{path}")
REMOVE_PARTIALS = Route("POST", "/partials/removals", body_bytes_max=LIST_BYTES_MAX)

LIST_AUDIT = Route("GET", "/audit")
READ_AUDIT = Route("GET", "/audit/{file}")
APPEND_AUDIT = Route("POST", "/audit/{file}", body_bytes_max=AUDIT_BYTES_MAX)

KEEP_MAP = Route("PUT", "/maps/{kind}/{version}", body_bytes_max=MAP_BYTES_MAX)
READ_MAP = Route("GET", "/maps/{kind}/{version}")

SCRUB_PROGRESS = Route("GET", "/scrub")
REQUEST_SCRUB = Route("POST", "/scrub")

ROUTES = tuple(each for each in tuple(globals().values()) if isinstance(each, Route))

# The read port has permission URLs and these paths, none of them signed by a machine.
HEALTH_PATH = "/healthz"
FRONT_PATH = "/"
# The same at nodes and edges, without a version, a name, or an address of the cluster.
FRONT_LINES = (
    "This server sends photos by their URLs, and nothing else.",
    "A URL of a photo carries its own permission. The application that shows it has the URL.",
    "Operators find the console of the cluster at /console of a storagemaster.",
)


def signed_digest(signed: Signed, body: bytes) -> str:
    """Return the digest that the signature of a request with this body covers."""
    if signed is Signed.TRAILER:
        return DIGEST_IN_TRAILER
    return hashlib.sha256(header_of(body) if signed is Signed.HEADER else body).hexdigest()
