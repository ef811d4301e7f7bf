"""Cluster as values: colos, nodes, volumes, storagemasters, edges, applications, and limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePath
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
"""Names of colos, nodes, masters, and edges: valid in file names, host names, and metrics."""


class NodeState(Enum):
    """State of a node in the volume map."""

    OPEN = "open"
    DRAINING = "draining"
    """Its volumes move to other nodes."""

    @property
    def accepts_volumes(self) -> bool:
        """True if volumes can move to the node."""
        return self is NodeState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A storage node: one process over one disk or bucket, in one colo."""

    id: NodeId
    colo: Colo
    read: Address
    write: Address
    store: str
    state: NodeState = NodeState.OPEN
    weight: float = 1.0
    """Factor of its share of volumes and new photos; at 1, the share is that of its disk."""
    uuid: str = ""
    """Required uuid of the `.node` marker; empty accepts any."""
    read_tls: Address | None = None
    """Address of the reads of nginx edges over TLS, or None."""
    syncfs: str = "auto"
    """Disk only: when to sync the whole disk for a batch of files: `auto`, `always`, `never`."""
    endpoint: str = ""
    """Bucket only: URL of the S3 server; empty means Amazon's."""
    region: str = ""
    """Bucket only: its region; empty means the environment's."""
    bucket_replicas: int = 1
    """Bucket only: number of devices that hold each object, as its operator guarantees."""

    @property
    def bucket(self) -> BucketLocation | None:
        """Location of the bucket, or None for a disk."""
        return parse_location(self.store) if self.store.startswith(S3_SCHEME) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A virtual volume and the nodes that mirror it."""

    number: VolumeId
    mirrors: tuple[NodeId, ...]
    joining: tuple[NodeId, ...] = ()
    """Nodes that are filled from the mirrors. They get every tombstone, and no edge reads them."""
    leaving: tuple[NodeId, ...] = ()
    """Mirrors that leave once the joining nodes are mirrors."""
    state: VolumeState = VolumeState.OPEN
    since: int = 1
    """The version of the map that last changed the mirrors, or the joining or leaving nodes."""

    @property
    def homes(self) -> tuple[NodeId, ...]:
        """The nodes that hold the volume, or are being filled."""
        return (*self.mirrors, *self.joining)

    @property
    def mirrors_after(self) -> tuple[NodeId, ...]:
        """The mirrors when the moves of the volume have ended."""
        return tuple(node for node in self.homes if node not in self.leaving)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS between the machines of the cluster."""

    internal: bool = False
    """True if storagemasters, nodes, workers, and memcached use it."""
    folder: str = "tls"
    """Folder of the certificates."""

    @property
    def mode(self) -> str:
        """The value of `internal` in the config."""
        return "on" if self.internal else "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Master:
    """A storagemaster. It is stateless; all of them are equivalent."""

    id: str
    colo: Colo
    address: Address
    internal: Address | None = None
    """Address for workers only; required with TLS."""

    @property
    def for_workers(self) -> Address:
        """Address for workers, which deliver sizes."""
        return self.internal or self.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An nginx or Varnish edge: the address for viewers, and the address for purges."""

    id: str
    colo: Colo
    kind: str
    listen: Address
    purge: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """An nginx in front of the storagemasters, for clients that are not machines of the cluster."""

    id: str
    colo: Colo
    listen: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A program that uses the cluster, and what restricts all of its tokens and tickets."""

    name: str
    volumes: tuple[tuple[int, int], ...] | None = None
    """First and last volume of each range that it may use, or None for all."""
    upload_bytes_max: int | None = None
    formats: tuple[str, ...] | None = None
    """The formats that it may upload, by their extension, or None for all."""
    origins: tuple[str, ...] = ()
    """Web sites whose pages may send its requests."""
    webhook_urls: tuple[str, ...] = ()
    """Receivers of the events of its volumes."""
    uploads_per_minute: int | None = None
    """Limit of all of its tokens and tickets together at each storagemaster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of uploads and of background work. The file of any camera fits."""

    upload_bytes_max: int = 200 * 1024 * 1024
    pixels_max: int = 110_000_000
    scrub_bytes_per_second: int = 8 * 1024 * 1024
    """Rate at which a node verifies its files; a terabyte takes a day and a half."""
    repair_bytes_per_second: int = 32 * 1024 * 1024
    """Rate of copies between nodes that one storagemaster starts; reads have priority."""
    trash_days: int = 30
    """Retention of deleted photos in the trash, in days."""
    audit_days: int = 400
    """Retention of the audit log, in days."""
    fence_seconds: int = 10
    """Time without progress after which a fence falls, unless deletes are strict."""
    cached_info_seconds: int = 30
    """Greatest age of an entry in memcached that counts without a query to a node."""
    move_bytes_per_second: int = 32 * 1024 * 1024
    """The rate at which each node receives files of volumes that move to it."""
    volume_bytes_max: int = 0
    """Bytes at which a volume closes for new photos by itself; 0 for no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Settings that all processes of a cluster share: `cluster.toml`, parsed and checked."""

    name: str
    public_url: str
    keys_file: str
    queue_url: str
    queue_password_file: str = ""
    """Path of the file with the password of the queue server, if it is not in the URL."""
    memcached: tuple[Address, ...] = ()
    strict: bool = False
    """True to reject an upload that cannot reach two colos, instead of storing it degraded."""
    strict_deletes: bool = False
    """True to keep a returning node fenced until it has all tombstones, however long that takes."""
    limits: Limits = field(default_factory=Limits)
    tls: Tls = field(default_factory=Tls)
    sizes: tuple[Size, ...] = DEFAULT_SIZES
    variant_formats: VariantFormats = field(default_factory=VariantFormats)
    nodes: Mapping[NodeId, Node]
    volumes: Mapping[VolumeId, Volume]
    gone_nodes: Mapping[NodeId, Node] = field(default_factory=dict)
    """The removed nodes, as they were. No other node can have their ids."""
    masters: Mapping[str, Master]
    edges: Mapping[str, Edge]
    ingests: Mapping[str, Ingest] = field(default_factory=dict)
    webhook_urls: tuple[str, ...] = ()
    """Receivers of all events."""
    applications: Mapping[str, Application] = field(default_factory=dict)
    map_version: int = 1
    """The version of the map that the nodes, volumes, and other processes are from."""
    map_after: str = ""
    """The digest of the version before it; empty for `cluster.toml`."""
    first: "Cluster | None" = field(default=None, compare=False)
    """The cluster by `cluster.toml`, or None if this is it."""

    @property
    def tokens_file(self) -> str:
        """Path of the token file, which is beside the key file."""
        return str(PurePath(self.keys_file).with_name("tokens.toml"))

    @property
    def colos(self) -> tuple[Colo, ...]:
        """Colos that have nodes, in alphabetical order."""
        return tuple(sorted({node.colo for node in self.nodes.values()}))

    def node(self, id_: NodeId) -> Node:
        """Return a node of this map or of an earlier one.

        An id is never used again, and a node never changes its colo. What a request has found out
        about a node is therefore true after it has left the map.

        Raises:
            KeyError: No map up to this one has the node.
        """
        return self.nodes[id_] if id_ in self.nodes else self.gone_nodes[id_]

    def mirrors_of(self, volume: VolumeId) -> tuple[Node, ...]:
        """Return the mirrors of a volume.

        Raises:
            KeyError: The volume is not in the config.
        """
        return tuple(self.nodes[id_] for id_ in self.volumes[volume].mirrors)

    def volumes_on(self, node: NodeId) -> tuple[VolumeId, ...]:
        """Return the volumes that a node mirrors or joins."""
        return tuple(n for n, volume in self.volumes.items() if node in volume.homes)
