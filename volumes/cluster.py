"""The cluster as values: colos, nodes, the volume map, storagemasters, edges and their limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

from volumes.address import Address
from volumes.bucket_location import S3_SCHEME, BucketLocation, parse_location
from volumes.photo_path import VolumeId
from volumes.sizes import DEFAULT_SIZES, Size
from volumes.variant_formats import VariantFormats
from volumes.volume_state import VolumeState

Colo = NewType("Colo", str)
NodeId = NewType("NodeId", str)

NAME_PATTERN = "[a-z][a-z0-9-]{0,31}"
"""What colos, nodes, masters and edges may be called: fit for files, host names and metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A storage node: one process over one disk or bucket, in one colo."""

    id: NodeId
    colo: Colo
    read: Address
    write: Address
    store: str
    uuid: str = ""
    """The uuid its `.node` marker must carry; empty means that any will do."""
    endpoint: str = ""
    """Of a bucket: the URL of the S3 server; empty means that of Amazon."""
    region: str = ""
    """Of a bucket: its region; empty means what the environment says."""
    bucket_replicas: int = 1
    """Of a bucket: on how many devices it keeps each object, as its operator vouches."""

    @property
    def bucket(self) -> BucketLocation | None:
        """Where its bucket is, or None for a disk."""
        return parse_location(self.store) if self.store.startswith(S3_SCHEME) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A virtual volume and the nodes that mirror it."""

    number: VolumeId
    mirrors: tuple[NodeId, ...]
    state: VolumeState = VolumeState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Master:
    """A storagemaster: stateless, so that any of them will do."""

    id: str
    colo: Colo
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An nginx or a Varnish in front: where people reach it, and where masters purge it."""

    id: str
    colo: Colo
    kind: str
    listen: Address
    purge: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an upload may be, and what upkeep may cost. Any camera's file is taken, and no film."""

    upload_bytes_max: int = 200 * 1024 * 1024
    pixels_max: int = 110_000_000
    scrub_bytes_per_second: int = 8 * 1024 * 1024
    """How fast a node reads its bytes again to check them: a terabyte in a day and a half."""
    repair_bytes_per_second: int = 32 * 1024 * 1024
    """How much a storagemaster has nodes copy from each other, because reads come first."""
    trash_days: int = 30
    """How long the bytes of deleted photos are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Everything the parts of one cluster must agree on: `cluster.toml`, parsed and checked."""

    name: str
    public_url: str
    keys_file: str
    queue_url: str
    memcached: tuple[Address, ...] = ()
    strict: bool = False
    """Whether an upload that cannot reach two colos is refused instead of degraded."""
    limits: Limits = field(default_factory=Limits)
    sizes: tuple[Size, ...] = DEFAULT_SIZES
    variant_formats: VariantFormats = field(default_factory=VariantFormats)
    nodes: Mapping[NodeId, Node]
    volumes: Mapping[VolumeId, Volume]
    masters: Mapping[str, Master]
    edges: Mapping[str, Edge]
    webhook_urls: tuple[str, ...] = ()
    """Who is told of what becomes of photos."""

    @property
    def colos(self) -> tuple[Colo, ...]:
        """The colos that have nodes, in alphabetical order."""
        return tuple(sorted({node.colo for node in self.nodes.values()}))

    def mirrors_of(self, volume: VolumeId) -> tuple[Node, ...]:
        """The nodes a volume is mirrored on.

        Raises:
            KeyError: There is no such volume.
        """
        return tuple(self.nodes[id_] for id_ in self.volumes[volume].mirrors)

    def volumes_on(self, node: NodeId) -> tuple[VolumeId, ...]:
        """The volumes a node is a home of."""
        return tuple(n for n, volume in self.volumes.items() if node in volume.mirrors)
