"""The document of the cluster's status, as `GET /status` returns it."""

from typing import Literal, TypedDict

from storagemaster.documents import Conflict, FailedStep, Volume

DisagreesOn = list[Literal["map", "keys", "tls"]]


class NodeState(TypedDict):
    """The state of a node; values are null while it is unreachable."""

    id: str
    colo: str
    up: bool
    read_up: bool
    reason: str
    free_bytes: int | None
    total_bytes: int | None
    photos: int | None
    """Photos that it stores, as it reported for its volumes; null until it has for all."""
    bytes: int | None
    """Bytes of all files of these volumes."""
    reserve_bytes: int | None
    """Free space that only deletes use. New photos need twice as much."""
    fill_share: float | None
    """The used share of its disk, from 0 to 1; null for a bucket."""
    days_to_full: float | None
    """Days until the disk takes no new photos at the rate of the last week; null without a day of
    history."""
    fsync_p99_seconds: float | None
    """The time that 99 % of its fsyncs in the last five minutes took at most; null without any."""
    accepts_new_photos: bool
    pending_hints: int | None
    hints_age_seconds: float | None
    """Time since the node last held no hint; 0 without hints."""
    unverified_seconds: float | None
    """An age that no file exceeds since its node read and compared it; 0 before the first scrub."""
    fenced_volumes: list[int]
    fallen_fences: list[int]
    """The volumes among them that the node serves although it may have missed deletes."""
    stray_volumes: list[int]
    """Volumes that it holds although the volume map does not give them to it."""
    lacking_volumes: list[int]
    """Volumes that the volume map gives to it and that it does not hold."""
    clock_difference_seconds: float | None
    disagrees_on: DisagreesOn
    """Differences from the storagemaster: the volume map, the URL keys, or `[tls] internal`."""


class ColoState(TypedDict):
    """The space of a colo: the sums of its disks that have reported."""

    id: str
    free_bytes: int
    total_bytes: int
    fill_share: float | None
    days_to_full: float | None
    """Days of its nodes together; null if one has less than a day of history."""


class VolumeStatus(TypedDict):
    """The state of a volume."""

    number: Volume
    state: Literal["new", "open", "closed"]
    mirrors: list[str]
    joining: list[str]
    """Nodes that are filled from the mirrors, and are mirrors then."""
    leaving: list[str]
    """Mirrors that leave when the joining nodes are mirrors."""
    mirrors_up: list[str]
    mirrors_readable: list[str]
    cold_nodes: list[str]
    photos: int | None
    """Originals on the mirror with most of them; null before the first comparison."""
    bytes: int | None
    """Bytes of all files on the mirror with most of them."""
    mirrors_equal: bool | None
    """True if all mirrors have as many photos and bytes; null until all have reported."""


# `for` is a keyword.
Wait = TypedDict("Wait", {"volumes": list[int], "for": str})
Wait.__doc__ = "Volumes that wait after a fault, and the reason."


class RepairState(TypedDict):
    """The state of the background repair."""

    volumes_left: int
    """Volumes that wait for their repair, and the one that is repaired."""
    steps_left: int
    """Steps left of the volume that is repaired."""
    bytes_left: int
    """Bytes left to copy of all these volumes."""
    seconds_left: float | None
    """Time left at the rate so far; null before the first step ends."""
    failed_total: int
    failed: list[FailedStep]
    conflicts: list[Conflict]


class MoveState(TypedDict):
    """A volume that moves between nodes."""

    volume: Volume
    state: Literal["joining", "leaving"]
    joining: list[str]
    leaving: list[str]
    bytes: int | None
    """Bytes of the volume; null before the first comparison."""
    copied_bytes: int
    """Bytes that the joining node with the fewest has."""
    bytes_per_second: float | None
    """The rate of its last minute; null before the second look."""
    seconds_left: float | None
    """Time left to copy at this rate."""
    waits_for: str


class EdgeState(TypedDict):
    """The state of an edge."""

    id: str
    colo: str
    kind: str
    up: bool
    purge_up: bool
    reads_per_second: float | None
    """Reads in the last five minutes; null if unknown, as it is for Varnish."""
    hit_rate: float | None
    """The share of these reads that its cache answered."""
    read_p99_seconds: float | None
    """The time that 99 % of these reads took at most."""
    clock_difference_seconds: float | None
    disagrees_on: DisagreesOn


class MasterState(TypedDict):
    """The state of a storagemaster."""

    id: str
    colo: str
    up: bool
    disagrees_on: DisagreesOn


class CertificateState(TypedDict):
    """The certificate of a machine, as its last connection showed it."""

    role: str
    id: str
    days_left: int
    """Whole days until it ends; negative after its end."""


class TlsState(TypedDict):
    """Encryption between the machines of the cluster."""

    internal: bool
    """True if storagemasters, nodes, and workers use TLS with each other."""
    certificates: list[CertificateState]


class ClusterState(TypedDict):
    """The state of the cluster, as this storagemaster sees it."""

    cluster: str
    master: str
    masters: list[MasterState]
    nodes: list[NodeState]
    colos: list[ColoState]
    volumes: list[VolumeStatus]
    moves: list[MoveState]
    waits: list[Wait]
    pending_hints: int
    queues: dict[str, int] | None
    """Number of jobs in each queue, or null if the queue server is unreachable."""
    workers_alive: int | None
    oldest_job_seconds: float | None
    upload_p99_seconds: float | None
    """The time that 99 % of the last five minutes' uploads to this storagemaster took at most."""
    repair: RepairState
    tls: TlsState
    alerts: list[str]
    edges: list[EdgeState]
