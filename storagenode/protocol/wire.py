"""The protocol of a node's write port: routes, headers and bodies, for its server and its client.

Every request carries `Glassplate-Signature` over its method, its path with the query, and the
SHA-256 of its body. The body of a streamed PUT is not known when its headers leave: it is opened by
a signature over the digest "-", which lets the bytes in, and closed by a second one over the real
digest, in the last 64 bytes of the body, which lets them be published. Small files, which their
sender has whole, go several to a request, and are signed by their digests (`writes_wire.py`).
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from permission_urls import Forbidden, InternalVerifier
from storagenode.protocol import errors
from storagenode.protocol.files import ListedFile
from storagenode.protocol.layout import Place, TrashedFile
from volumes.cluster import NAME_PATTERN, NodeId
from volumes.cold_tier import SizeFilter
from volumes.photo_path import (
    PhotoFile,
    PhotoVersion,
    VolumeId,
    parse_path,
    render_path,
    render_stem,
)

SIGNATURE_HEADER = "Glassplate-Signature"
DIGEST_HEADER = "Glassplate-Sha256"
MTIME_HEADER = "Glassplate-Mtime"
ERROR_HEADER = "Glassplate-Error"
"""The kind of an error: in a header, because the answer to a HEAD has no body."""

TRAILER_BYTES = 64
DIGEST_IN_TRAILER = "-"

# The header line of a bundle is below 200 bytes a file; the largest is a page of infos.
BUNDLE_HEADER_BYTES_MAX = 128 * 1024
BUNDLE_BYTES_MAX = 128 * 1024 * 1024
# As much of a photo as is cheaper to have in memory whole than to stream.
WHOLE_BYTES_MAX = 256 * 1024
HINTS_PER_LIST_MAX = 1000
# A page of photos, of each of which three files are looked for.
LOOKUP_FILES_MAX = 1500
INFOS_MAX = 500

STATUS_ROUTE = "/status"
METRICS_ROUTE = "/metrics"
FILE_ROUTE = "/files/{path:.+}"
TOMBSTONE_ROUTE = "/tombstones/{path:.+}"
BUNDLE_ROUTE = "/bundles/{path:.+}"
PULL_ROUTE = "/pulls"
DROP_ROUTE = "/drops/{path:.+}"
RESTORE_DIGEST_ROUTE = "/digest-restores/{path:.+}"
RELINK_ROUTE = "/relinks/{volume}/{photo}/{version}/{new_version}"
ORIGINAL_ONLY = "original"
"""What `?only=` says to a relink that leaves all sizes behind."""
HINTS_ROUTE = "/hints"
DIGESTS_ROUTE = "/digests"
INFOS_ROUTE = "/infos"
SHARDS_ROUTE = "/volumes/{volume}/shards"
SHARD_ROUTE = "/volumes/{volume}/shards/{shard}"
VOLUME_ROUTE = "/volumes/{volume}"
COLD_TIER_ROUTE = "/volumes/{volume}/cold-tier"
PHOTO_ROUTE = "/volumes/{volume}/photos/{photo}"
TOMBSTONES_ROUTE = "/volumes/{volume}/tombstones"
FENCE_ROUTE = "/volumes/{volume}/fence/{serial}"
SCRUB_ROUTE = "/scrub"
FIND_ROUTE = "/find/{photo}"
TRASHED_ROUTE = "/volumes/{volume}/trash/{photo}"
TRASHED_FILE_ROUTE = "/trash/{day}/{path:.+}"

STATUS_OF_ERROR: dict[type[errors.NodeError], int] = {
    errors.BadRequest: 400,
    errors.InvalidSignature: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.NotAMirror: 409,
    errors.Gone: 410,
    errors.DigestMismatch: 422,
    errors.Corrupt: 502,
    errors.SourceUnreachable: 504,
    errors.DiskSuspect: 507,
    errors.BucketUnavailable: 507,
    errors.OutOfSpace: 507,
    errors.NodeError: 500,
}
_NODE_ID = re.compile(NAME_PATTERN)
_SECONDS = re.compile(r"[0-9]{1,12}")
_ERROR_OF_NAME = {error.__name__: error for error in STATUS_OF_ERROR}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """What a node says of itself."""

    node: str
    uuid: str
    colo: str
    boot: str
    """Changes with every start, so that a restart is noticed."""
    volumes: tuple[int, ...]
    free_bytes: int
    total_bytes: int
    accepts_new_photos: bool
    suspect_reason: str
    hints: int
    """Files held for other nodes; counted up to a limit."""
    cold_tiers: Mapping[str, str] = field(default_factory=dict)
    """How volumes are chilled, by their numbers, as in their markers."""
    fenced: tuple[int, ...] = ()
    """Volumes whose photos it does not send before it has heard of their tombstones."""
    fence_serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """An instruction to fetch a file from another node and publish it."""

    place: Place
    source: str
    """Where from: the URL of the other node's write port."""
    source_place: Place
    digest: str
    replaces: str = ""
    """The digest of what has the name, if these bytes are to take it: sizes were made twice."""


@dataclass(frozen=True, slots=True)
class BundledFile:
    """One file of a bundle."""

    path: str
    digest: str
    data: bytes


def file_path(place: Place, *, route: str = "files", mtime_seconds: int | None = None) -> str:
    """The request path of a place on a node, with the query."""
    query: dict[str, str] = {}
    if place.hint_for is not None:
        query["hint_for"] = place.hint_for
    if mtime_seconds is not None:
        query["mtime"] = str(mtime_seconds)
    suffix = f"?{urlencode(query)}" if query else ""
    return f"/{route}/{render_path(place.file)}{suffix}"


def shards_path(volume: VolumeId, part: SizeFilter | None) -> str:
    """The request path of a volume's shard digests, or of those of a part of its files."""
    query = f"?{'only' if part.include else 'without'}={part.sizes}" if part else ""
    return f"/volumes/{volume}/shards{query}"


def parse_size_filter(query: str) -> SizeFilter | None:
    """The part that a request for shard digests is about."""
    for name, sizes in parse_qsl(query):
        if name in {"only", "without"}:
            return SizeFilter(sizes, include=name == "only")
    return None


def drop_path(place: Place, digest: str) -> str:
    """The request path of letting go of a file, with the query."""
    return f"/drops/{render_path(place.file)}?{urlencode({'sha256': digest})}"


def restore_digest_path(place: Place, digest: str) -> str:
    """The request path of an adoption, with the query."""
    query = {"sha256": digest} | ({"hint_for": place.hint_for} if place.hint_for else {})
    return f"/digest-restores/{render_path(place.file)}?{urlencode(query)}"


def bundle_path(photo_version: PhotoVersion, hint_for: NodeId | None, *, mtime_seconds: int) -> str:
    """The request path of a bundle, with the query."""
    query = {"mtime": str(mtime_seconds)} | ({"hint_for": hint_for} if hint_for else {})
    return f"/bundles/{render_stem(photo_version)}?{urlencode(query)}"


def parse_query(query: str) -> tuple[NodeId | None, int]:
    """The `hint_for` and `mtime` of a request's query; no mtime is 0.

    Raises:
        BadRequest: They are not a node's id and a whole second.
    """
    fields = dict(parse_qsl(query))
    mtime = fields.get("mtime", "0")
    if not _SECONDS.fullmatch(mtime):
        raise errors.BadRequest(f"{mtime!r} is not a time in seconds")
    return _parse_hint_for(fields.get("hint_for", "")), int(mtime)


def refuse_unless_signed(
    verifier: InternalVerifier,
    signature: str | None,
    *,
    method: str,
    path: str,
    digest: str,
    now_seconds: float,
) -> None:
    """Raise `InvalidSignature` unless one of our own machines signed this request."""
    try:
        verifier.verify_request(
            signature or "", method=method, path=path, digest=digest, now_seconds=now_seconds
        )
    except Forbidden as error:
        raise errors.InvalidSignature(
            f"{method} {path} is not signed: {type(error).__name__}"
        ) from error


def render_trailer(signature: str) -> bytes:
    """The closing signature, padded to the trailer's length."""
    return signature.encode("ascii").ljust(TRAILER_BYTES)


def parse_trailer(trailer: bytes) -> str:
    """The closing signature."""
    return trailer.decode("ascii", "replace").rstrip(" ")


def render_bundle(files: Iterable[BundledFile]) -> bytes:
    """The files of a bundle as one body: a line of JSON that lists them, then their bytes."""
    kept = tuple(files)
    header = [{"path": f.path, "bytes": len(f.data), "sha256": f.digest} for f in kept]
    return b"".join([json.dumps(header).encode(), b"\n", *(file.data for file in kept)])


def parse_bundle(body: bytes) -> tuple[BundledFile, ...]:
    """The inverse of `render_bundle`.

    Raises:
        BadRequest: It is not a bundle.
    """
    end = body.find(b"\n", 0, BUNDLE_HEADER_BYTES_MAX)
    try:
        header = json.loads(body[:end])
        entries = [(str(e["path"]), int(e["bytes"]), str(e["sha256"])) for e in header]
    except (ValueError, TypeError, KeyError) as error:
        raise errors.BadRequest(f"not the header of a bundle: {error}") from error
    files, offset = [], end + 1
    for path, size, digest in entries:
        if size < 0:
            raise errors.BadRequest(f"a bundle announces a file of {size} bytes")
        files.append(BundledFile(path, digest, body[offset : offset + size]))
        offset += size
    if end < 0 or offset != len(body):
        raise errors.BadRequest(f"a bundle of {len(body)} bytes announces {offset}")
    return tuple(files)


def render_pull(pull: Pull) -> bytes:
    """A pull as JSON."""
    return json.dumps(
        {
            "place": render_place(pull.place),
            "source": pull.source,
            "source_place": render_place(pull.source_place),
            "sha256": pull.digest,
            "replaces": pull.replaces,
        }
    ).encode()


def parse_pull(body: bytes) -> Pull:
    """The inverse of `render_pull`.

    Raises:
        BadRequest: It is not one.
    """
    try:
        fields = json.loads(body)
        return Pull(
            place=parse_place(fields["place"]),
            source=str(fields["source"]),
            source_place=parse_place(fields["source_place"]),
            digest=str(fields["sha256"]),
            replaces=str(fields.get("replaces", "")),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise errors.BadRequest(f"not a pull: {error}") from error


def render_place(place: Place) -> dict[str, str]:
    """A place as JSON."""
    return {"path": render_path(place.file), "hint_for": place.hint_for or ""}


def parse_place(fields: dict[str, str]) -> Place:
    """The inverse of `render_place`; `ValueError`, `KeyError` or `BadRequest` if it is none."""
    return Place(parse_path(str(fields["path"])), _parse_hint_for(str(fields["hint_for"])))


def render_paths(files: Iterable[PhotoFile]) -> bytes:
    """Photo files that are asked for, as JSON."""
    return json.dumps([render_path(file) for file in files]).encode()


def parse_paths(body: bytes, *, count_max: int) -> tuple[PhotoFile, ...]:
    """The inverse of `render_paths`.

    Raises:
        BadRequest: It is not a list of paths, or too long a one.
    """
    try:
        paths = json.loads(body)
    except ValueError as error:
        raise errors.BadRequest(f"not a list of paths: {error}") from error
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise errors.BadRequest("not a list of paths")
    if len(paths) > count_max:
        raise errors.BadRequest(f"{len(paths)} paths are too many; {count_max} at once")
    return tuple(parse_path(path) for path in paths)


def render_listing(files: Iterable[ListedFile]) -> list[list[Any]]:
    """A shard's files as JSON."""
    return [[file.name, file.bytes, file.digest] for file in files]


def parse_listing(rows: list[list[Any]]) -> tuple[ListedFile, ...]:
    """The inverse of `render_listing`."""
    return tuple(ListedFile(str(name), int(size), str(digest)) for name, size, digest in rows)


def render_trashed(files: Iterable[TrashedFile]) -> list[dict[str, Any]]:
    """What a trash has as JSON."""
    return [
        {"path": render_path(f.file), "day": f.day, "bytes": f.bytes, "sha256": f.digest}
        for f in files
    ]


def parse_trashed(rows: list[dict[str, Any]]) -> list[TrashedFile]:
    """The inverse of `render_trashed`."""
    return [
        TrashedFile(parse_path(row["path"]), str(row["day"]), int(row["bytes"]), row["sha256"])
        for row in rows
    ]


def render_error(error: errors.NodeError) -> tuple[int, str, str]:
    """The status, the value of `ERROR_HEADER` and the text an error is answered with."""
    for kind in type(error).__mro__:
        if kind in STATUS_OF_ERROR:
            return STATUS_OF_ERROR[kind], kind.__name__, str(error)
    raise error


def parse_error(status: int, name: str, text: str) -> errors.NodeError:
    """The error a node answered with; one of an unknown kind is a plain `NodeError`."""
    kind = _ERROR_OF_NAME.get(name, errors.NodeError)
    return kind(text or f"the node answered {status}")


def _parse_hint_for(text: str) -> NodeId | None:
    # It becomes the name of a directory.
    if text and not _NODE_ID.fullmatch(text):
        raise errors.BadRequest(f"{text!r} is not the id of a node")
    return NodeId(text) if text else None
