"""The documents of the API that are rendered as dictionaries. `wire.py` has the others."""

from typing import Annotated, Literal, NotRequired, TypedDict

from runtime.request_scope import ID_PATTERN
from storagemaster.wire import BATCH_PHOTOS_MAX, PhotoStatus
from volumes.photo_id import CHARACTER_PATTERN, PHOTO_ID_LENGTH, VERSION_LENGTH
from volumes.photo_path import VOLUME_MAX

Volume = Annotated[int, {"minimum": 1, "maximum": VOLUME_MAX, "examples": [3]}]
Photo = Annotated[
    str,
    {"pattern": f"^{CHARACTER_PATTERN}{{{PHOTO_ID_LENGTH}}}$", "examples": ["01jd3x8m2c9qp4k7"]},
]
Version = Annotated[
    str, {"pattern": f"^{CHARACTER_PATTERN}{{{VERSION_LENGTH}}}$", "examples": ["3fz8qd"]}
]
Shard = Annotated[str, {"pattern": f"^{CHARACTER_PATTERN}{{2}}$", "examples": ["k7"]}]
REFERENCE_PATTERN = (
    f"[1-9][0-9]{{0,3}}/{CHARACTER_PATTERN}{{{PHOTO_ID_LENGTH}}}"
    f"/{CHARACTER_PATTERN}{{{VERSION_LENGTH}}}"
)
Reference = Annotated[
    str,
    {
        "pattern": f"^{REFERENCE_PATTERN}$",
        "examples": ["3/01jd3x8m2c9qp4k7/3fz8qd"],
    },
]


RequestId = Annotated[
    str, {"pattern": f"^{ID_PATTERN}$", "examples": ["7f1a2b3c4d5e6f708192a3b4c5d6e7f8"]}
]


class Problem(TypedDict):
    """An error, as a problem of RFC 9457."""

    type: str
    """A URI that identifies the error. Compare it as text; nothing is there."""
    title: str
    status: int
    detail: str
    """A sentence for people: the event, its reason, and a remedy."""
    request_id: RequestId


class BatchRequest(TypedDict):
    """The photos to look up."""

    photos: Annotated[list[Reference], {"maxItems": BATCH_PHOTOS_MAX}]


class Batch(TypedDict):
    """The status of photos, in the order of the request."""

    photos: list[PhotoStatus]


class RegenerateRequest(TypedDict):
    """The photo to regenerate."""

    photo: Reference
    recipe: NotRequired[Annotated[str | None, {"minLength": 1, "maxLength": 32}]]
    """Regenerate only if its sizes have another recipe."""


class Regenerated(TypedDict):
    """A regeneration that is enqueued."""

    photo: Reference
    regenerated: Reference
    """The version that gets the new sizes."""


class FoundFile(TypedDict):
    """One file of a photo on a node."""

    node: str
    colo: str
    location: Literal["live", "hint", "trash", "quarantine"]
    hint_for: str
    """The mirror that a hint is for, or empty."""
    path: str


class Found(TypedDict):
    """All files of a photo, on all nodes."""

    photo: Photo
    files: list[FoundFile]
    unreachable: dict[str, str]
    """The reason of each unreachable node."""


class ExplainedCopy(FoundFile):
    """One file of a photo on a node, with what the node recorded about it."""

    bytes: int | None
    sha256: str
    """Empty if unknown."""


class ExplainedVersion(TypedDict):
    """One version of a photo."""

    version: Version
    state: str
    reason: str
    job: str
    """The state of its job in the queue, or empty."""
    position: int | None
    """Number of jobs before its own."""
    stored_seconds: int | None
    """The second of its upload, or null if no node has its original."""


class ViewerResponse(TypedDict):
    """The response to a GET of the photo; the status is null without one."""

    status: int | None
    reason: str


class ExplainedEdge(ViewerResponse):
    """The response of one edge."""

    edge: str


class ExplainedMirror(TypedDict):
    """One mirror of the photo's volume, and the response of its read port."""

    node: str
    colo: str
    up: bool
    response: ViewerResponse | None


class Explanation(TypedDict):
    """The location of a photo's files, and its state."""

    volume: Volume
    volume_state: Literal["new", "open", "closed"]
    photo: Photo
    mirrors: list[ExplainedMirror]
    edges: list[ExplainedEdge]
    copies: list[ExplainedCopy]
    unreachable: dict[str, str]
    versions: list[ExplainedVersion]


class NodeScrub(TypedDict):
    """Progress of one node's scrub."""

    node: str
    colo: str
    files: int
    bytes: int
    corrupt: list[str]
    unverified: int
    volume: int
    """The volume that the pass is reading."""
    shard: str
    """The last completed shard of that volume."""
    shards: int
    shards_total: int
    started_seconds: float
    completed_seconds: float
    """End of the last complete pass; 0 before the first."""
    verified_since_seconds: float
    """Start of the last complete pass: each file that is older was verified since."""


class ScrubProgress(TypedDict):
    """Progress of the scrubs."""

    nodes: list[NodeScrub]
    unreachable: dict[str, str]


class Step(TypedDict):
    """One step of a repair."""

    action: str
    node: str
    path: str
    source: str
    """The node that the bytes come from, or empty."""
    bytes: int


class FailedStep(Step):
    """A step that failed."""

    reason: str


class ConflictOriginal(TypedDict):
    """One of the originals that exclude each other."""

    node: str
    path: str
    sha256: str


class Conflict(TypedDict):
    """Different originals of one version."""

    reference: Reference
    originals: list[ConflictOriginal]


class MirrorsState(TypedDict):
    """The comparison of a volume's mirrors."""

    volume: Volume
    equal: bool
    """True if all mirrors responded and are equal."""
    unreachable: list[str]
    conflicts: list[Conflict]


class RepairPlan(MirrorsState):
    """The steps that would make the mirrors of a volume equal."""

    strays: list[str]
    """Nodes that hold the volume without being its mirrors."""
    copy_bytes: int
    steps: list[Step]


class RepairResult(MirrorsState):
    """The result of a repair."""

    done: int
    copied_bytes: int
    failed: list[FailedStep]


class Shards(TypedDict):
    """Shards of a volume."""

    shards: list[Shard]


class References(TypedDict):
    """Photos of a shard."""

    photos: list[Reference]


class OffloadPlan(TypedDict):
    """The files that offloading a shard would move."""

    files: int
    bytes: int
    copy_bytes: int
    freed_bytes: int
    skipped: dict[str, str]
    """The paths that would not be moved, each with the reason."""


class Nothing(TypedDict):
    """An empty document."""


class SizeRow(TypedDict):
    """One row of the size table."""

    letter: str
    edge_pixels: int
    """The longest edge or, of a square, both edges."""
    square: bool
    size_class: Literal["web", "large", "original"]
    """The class that one permission opens."""


class LimitsOfRequests(TypedDict):
    """The greatest values that requests can have."""

    upload_bytes: int
    pixels: int
    wait_seconds: int
    lookup_photos: int
    known_photos: int
    page_photos: int
    idempotency_key_characters: int
    ticket_photos: int
    ticket_seconds: int
    """Lifetime of a ticket."""
    trash_days: int
    """Days after a delete in which an undelete is possible."""


class TusSupport(TypedDict):
    """The supported part of the tus protocol."""

    version: str
    extensions: list[str]
    checksum_algorithms: list[str]


class Capabilities(TypedDict):
    """The settings of the cluster that its clients depend on."""

    version: str
    sizes: list[SizeRow]
    upload_formats: list[str]
    """The formats of photos, by their extension."""
    size_formats: list[str]
    """The formats that sizes are made in."""
    limits: LimitsOfRequests
    tus: TusSupport
    url_keys: list[str]
    """Ids of the keys whose URLs are accepted."""
