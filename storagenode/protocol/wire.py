"""Headers, signatures, and JSON bodies of a node's write port, for its server and its client.

`Glassplate-Signature` covers the id of the receiver, the method, the path with its query, and the
SHA-256 of the part of the body that `routes.Signed` names. `Glassplate-Sha256` is that digest, so
that the node verifies the signature before it reads the body; it is missing if the body is empty. A
streamed PUT has two signatures, because its digest is unknown when its headers are sent. The first
is over the digest "-" and lets the node accept the bytes. The second is in the last 64 bytes of the
body and lets the node publish them.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from permission_urls import BadMac, Forbidden, InternalVerifier
from storagenode.protocol import errors
from storagenode.protocol.files import ListedFile
from storagenode.protocol.framing import parse_frame, render_frame
from storagenode.protocol.layout import HintFile, Place, TrashedFile
from volumes.cluster import NAME_PATTERN, NodeId
from volumes.cold_tier import SizeFilter
from volumes.json_text import parse_json, parse_whole_number
from volumes.map.volume_map import MapId
from volumes.map.votes import MapReport
from volumes.photo_path import PhotoFile, parse_path, render_path

SIGNATURE_HEADER = "Glassplate-Signature"
DIGEST_HEADER = "Glassplate-Sha256"
MTIME_HEADER = "Glassplate-Mtime"
UNVERIFIED_HEADER = "Glassplate-Unverified"
"""Sent with a file that has lost its recorded digest: the one sent is of its present bytes."""
ERROR_HEADER = "Glassplate-Error"
"""The name of an error. It is in a header because the response to a HEAD has no body."""

TRAILER_BYTES = 64

# A file up to this size costs less to hold in memory than to stream.
WHOLE_BYTES_MAX = 4 * 1024 * 1024
# A file up to this size shares a request with others.
SHARING_BYTES_MAX = 256 * 1024
HINTS_PER_LIST_MAX = 1000
FSYNC_BOUNDS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
# Four files of each photo of a batch.
LOOKUP_FILES_MAX = 2000
INFOS_MAX = 500
ORIGINAL_ONLY = "original"
"""The value of `?only=` for a relink without sizes."""

_NODE_ID = re.compile(NAME_PATTERN)
_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """The status that a node reports of itself."""

    node: str
    uuid: str
    colo: str
    boot: str
    """A value that changes with every start of the node's process."""
    volumes: tuple[int, ...]
    free_bytes: int
    total_bytes: int
    accepts_new_photos: bool
    suspect_reason: str
    hints: int
    """Number of hints for other nodes, counted up to a limit."""
    hints_age_seconds: float = 0.0
    """Time since the node last held no hint, so that none is older; 0 without hints."""
    cold_tiers: Mapping[str, str] = field(default_factory=dict)
    """The cold tier of each offloaded volume, by volume number, as in its marker."""
    fenced: tuple[int, ...] = ()
    """Volumes whose fence no storagemaster has lifted, also after it fell."""
    fallen: tuple[int, ...] = ()
    """Volumes among them that the node serves, because their fence fell."""
    fence_serial: str = ""
    unwritten_tombstones: int = 0
    """Number of tombstones that the disk refused, and that the node keeps in memory."""
    reserve_bytes: int = 0
    """Free space that only deletes use; new photos need twice as much."""
    filled_bytes_per_day: float | None = None
    """The rate at which the disk fills, negative if it empties; None without enough history."""
    settled: tuple[str, ...] = ()
    """Versions with an original in the node's quarantine that gave way to another."""
    certificate_expiry_seconds: int = 0
    """The end of the node's certificate, since the epoch; 0 without TLS."""
    client_certificates: dict[str, int] = field(default_factory=dict)
    """The end of the last certificate of each machine that has connected, by its name."""
    unverified_seconds: float = 0.0
    """An age that no file exceeds since the scrub read it; 0 if it has never started."""
    fsync_counts: tuple[int, ...] = ()
    """Number of fsyncs since the start by duration: one for each of `FSYNC_BOUNDS_SECONDS`, and one
    above. Empty for a bucket."""
    map_version: int = 1
    """The volume map that the node follows."""
    map_digest: str = ""
    vote_version: int = 0
    """The newest map that the node votes for, or 0."""
    vote_digest: str = ""

    @property
    def maps(self) -> MapReport:
        """The maps that the node reports."""
        has_vote = self.vote_version > 0
        return MapReport(
            in_force=MapId(version=self.map_version, digest=self.map_digest),
            vote=MapId(version=self.vote_version, digest=self.vote_digest) if has_vote else None,
        )


MOVE_DELAY_SECONDS_MAX = 1.0
"""The longest wait of a copy of a move at a node, which refuses one that would wait longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """An instruction to fetch a file from another node and publish it."""

    place: Place
    source_node: NodeId
    source: str
    """The URL of the other node's write port."""
    source_place: Place
    digest: str
    replaces: str = ""
    """The digest of the existing file to replace, when sizes were made twice."""
    move_bytes: int = 0
    """Bytes of the receiver's budget for moves, or 0 if no volume moves."""


@dataclass(frozen=True, slots=True)
class BundledFile:
    """One file of a bundle."""

    path: str
    digest: str
    data: bytes


def parse_query(query: str) -> tuple[NodeId | None, int]:
    """Return the `hint_for` and `mtime` of a query. A missing mtime is 0.

    Raises:
        BadRequest: They are not a node id and a whole second.
    """
    fields = dict(parse_qsl(query))
    mtime = fields.get("mtime", "0")
    if not _SECONDS.fullmatch(mtime):
        raise errors.BadRequest(f"invalid mtime {mtime!r}: must be a time in whole seconds")
    return _parse_hint_for(fields.get("hint_for", "")), int(mtime)


def parse_map_version(query: Mapping[str, str]) -> int | None:
    """Return the version of the map that gave a sender the mirrors, or None without one.

    Raises:
        BadRequest: It is not a whole number.
    """
    version = query.get("map")
    if version is None:
        return None
    try:
        return parse_whole_number(version)
    except ValueError as error:
        raise errors.BadRequest(f"invalid version of a map: {error}") from error


def render_size_filter(sizes: SizeFilter | None) -> dict[str, str]:
    """Return the query that selects the files of a size filter."""
    return {"only" if sizes.include else "without": sizes.sizes} if sizes else {}


def parse_size_filter(query: str) -> SizeFilter | None:
    """Parse what `render_size_filter` returns."""
    for name, sizes in parse_qsl(query):
        if name in {"only", "without"}:
            return SizeFilter(sizes, include=name == "only")
    return None


def refuse_unless_signed(
    verifier: InternalVerifier,
    signature: str | None,
    *,
    method: str,
    path: str,
    digest: str,
    now_seconds: float,
) -> None:
    """Raise `InvalidSignature` unless a machine of this cluster signed the request for this one.

    The error names the receiver, so that an operator sees which process an address leads to.
    """
    try:
        verifier.verify_request(
            signature or "", method=method, path=path, digest=digest, now_seconds=now_seconds
        )
    except Forbidden as error:
        reason = "made for another receiver, or with another key"
        raise errors.InvalidSignature(
            f"{verifier.receiver} refused the signature of {method} {path}: "
            f"{reason if isinstance(error, BadMac) else error.reason}"
        ) from error


def render_trailer(signature: str) -> bytes:
    """Return the closing signature, padded to the length of the trailer."""
    return signature.encode("ascii").ljust(TRAILER_BYTES)


def parse_trailer(trailer: bytes) -> str:
    """Parse what `render_trailer` returns."""
    return trailer.decode("ascii", "replace").rstrip(" ")


def render_bundle(files: Iterable[BundledFile]) -> bytes:
    """Return the files of a bundle as a frame."""
    bundled = tuple(files)
    return render_frame(
        ({"path": f.path, "bytes": len(f.data), "sha256": f.digest} for f in bundled),
        (file.data for file in bundled),
    )


def parse_bundle(body: bytes) -> tuple[BundledFile, ...]:
    """Parse what `render_bundle` returns.

    Raises:
        BadRequest: The body is not a bundle.
    """
    try:
        return tuple(
            BundledFile(str(row["path"]), str(row["sha256"]), data)
            for row, data in parse_frame(body)
        )
    except KeyError as error:
        raise errors.BadRequest(f"invalid bundle: a file has no {error}") from error


def render_pull(pull: Pull) -> bytes:
    """Return a pull as JSON."""
    return json.dumps(
        {
            "place": render_place(pull.place),
            "source_node": pull.source_node,
            "source": pull.source,
            "source_place": render_place(pull.source_place),
            "sha256": pull.digest,
            "replaces": pull.replaces,
            "move_bytes": pull.move_bytes,
        }
    ).encode()


def parse_pull(body: bytes) -> Pull:
    """Parse what `render_pull` returns.

    Raises:
        BadRequest: The body is not a pull.
    """
    try:
        fields = parse_json(body)
        return Pull(
            place=parse_place(fields["place"]),
            source_node=NodeId(str(fields["source_node"])),
            source=str(fields["source"]),
            source_place=parse_place(fields["source_place"]),
            digest=str(fields["sha256"]),
            replaces=str(fields.get("replaces", "")),
            move_bytes=int(fields.get("move_bytes", 0)),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise errors.BadRequest(f"invalid pull: {error}") from error


def render_place(place: Place) -> dict[str, str]:
    """Return a place as JSON."""
    return {"path": render_path(place.file), "hint_for": place.hint_for or ""}


def parse_place(fields: dict[str, str]) -> Place:
    """Parse what `render_place` returns.

    Raises:
        ValueError, KeyError, BadRequest: The fields are not a place.
    """
    return Place(parse_path(str(fields["path"])), _parse_hint_for(str(fields["hint_for"])))


def render_paths(files: Iterable[PhotoFile]) -> bytes:
    """Return the paths of requested files as JSON."""
    return json.dumps([render_path(file) for file in files]).encode()


def parse_paths(body: bytes, *, count_max: int) -> tuple[PhotoFile, ...]:
    """Parse what `render_paths` returns.

    Raises:
        BadRequest: The body is not a list of at most `count_max` paths.
    """
    try:
        paths = parse_json(body)
    except ValueError as error:
        raise errors.BadRequest(f"invalid list of paths: {error}") from error
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise errors.BadRequest("invalid list of paths: must be a list of strings")
    if len(paths) > count_max:
        raise errors.BadRequest(f"too many paths: {len(paths)}; must be at most {count_max}")
    return tuple(parse_path(path) for path in paths)


_TUPLES = ("volumes", "fenced", "fallen", "settled", "fsync_counts")


def parse_status(fields: dict[str, Any]) -> NodeStatus:
    """Parse a `NodeStatus` from its fields in JSON."""
    tuples = {name: tuple(fields[name]) for name in _TUPLES}
    return NodeStatus(**{**fields, **tuples})


def render_listing(files: Iterable[ListedFile]) -> list[list[Any]]:
    """Return the files of a shard as JSON."""
    return [[file.name, file.bytes, file.digest] for file in files]


def parse_listing(rows: list[list[Any]]) -> tuple[ListedFile, ...]:
    """Parse what `render_listing` returns."""
    return tuple(ListedFile(str(name), int(size), str(digest)) for name, size, digest in rows)


def render_hints(hints: Iterable[HintFile]) -> list[dict[str, Any]]:
    """Return hints as JSON."""
    return [
        {**render_place(hint.place), "bytes": hint.bytes, "sha256": hint.digest} for hint in hints
    ]


def parse_hints(rows: list[dict[str, Any]]) -> list[HintFile]:
    """Parse what `render_hints` returns."""
    return [HintFile(parse_place(row), int(row["bytes"]), str(row["sha256"])) for row in rows]


def render_trashed(files: Iterable[TrashedFile]) -> list[dict[str, Any]]:
    """Return the files of a trash as JSON."""
    return [
        {"path": render_path(f.file), "day": f.day, "bytes": f.bytes, "sha256": f.digest}
        for f in files
    ]


def parse_trashed(rows: list[dict[str, Any]]) -> list[TrashedFile]:
    """Parse what `render_trashed` returns."""
    return [
        TrashedFile(parse_path(row["path"]), str(row["day"]), int(row["bytes"]), row["sha256"])
        for row in rows
    ]


def _parse_hint_for(text: str) -> NodeId | None:
    # The id becomes the name of a directory.
    if text and not _NODE_ID.fullmatch(text):
        raise errors.BadRequest(f"invalid node id {text!r}")
    return NodeId(text) if text else None
