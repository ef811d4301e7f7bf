"""Offload plan of a shard: a pure function of the listings of its mirrors.

A move has three steps. Every cold node gets a copy, every cold node reads its copy back, and only
then do the other mirrors drop their copies. A photo without sizes is skipped until they are made.
A file that differs between mirrors is skipped as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.quantities import quantity
from storagemaster.repair.plan import Listings, group_by_file
from storagenode.protocol.files import ListedFile
from volumes.cluster import Cluster, NodeId, Volume
from volumes.cold_tier import ColdTier
from volumes.photo_path import PhotoFile, Variant, VolumeId
from volumes.version_files import UNFINISHED_STATES, VersionFiles, VersionState


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Move of one file from the mirrors that are not cold nodes."""

    file: Variant
    digest: str
    size_bytes: int
    source: NodeId
    """The mirror that the cold nodes copy from."""
    copy_to: tuple[NodeId, ...]
    """The cold nodes that lack the file."""
    verify_on: tuple[NodeId, ...]
    """All cold nodes."""
    drop_from: tuple[NodeId, ...]
    """The mirrors that drop their copies last."""


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that is not moved now, and the reason."""

    file: Variant
    reason: str


@dataclass(frozen=True, slots=True)
class TieringPlan:
    """The moves and the skipped files of a shard."""

    moves: tuple[Move, ...] = ()
    skipped: tuple[SkippedFile, ...] = ()


def plan_offload(volume: VolumeId, cold_tier: ColdTier, listings: Listings) -> TieringPlan:
    """Return the moves of one shard. Every mirror of the volume must be in the listings."""
    held = group_by_file(volume, listings)
    moves: list[Move] = []
    skipped: list[SkippedFile] = []
    for file, holders in held.items():
        if (
            isinstance(file, Variant)
            and cold_tier.covers(file)
            and set(holders) - set(cold_tier.cold_nodes)
        ):
            reason = _reason_to_skip(file, holders, held)
            if reason is None:
                moves.append(_move(file, holders, cold_tier))
            elif reason:
                skipped.append(SkippedFile(file, reason))
    return TieringPlan(tuple(moves), tuple(skipped))


def refusal_reason(cluster: Cluster, volume: Volume, cold_tier: ColdTier) -> str:
    """Return why a volume cannot be offloaded to this cold tier, or "" if it can.

    The copies on the cold nodes must survive as many faults as the copies that are dropped.
    """
    unknown = [node for node in cold_tier.cold_nodes if node not in volume.mirrors]
    if unknown:
        return (
            f"not a mirror of volume {volume.number}: {', '.join(unknown)}; add it to `mirrors` in "
            "cluster.toml, and restart nodes, storagemasters, and edges"
        )
    others = [node for node in volume.mirrors if node not in cold_tier.cold_nodes]
    if not others:
        return f"nothing to offload: every mirror of volume {volume.number} is a cold node"
    copies = sum(cluster.node(node).bucket_replicas for node in cold_tier.cold_nodes)
    if copies < len(others):
        return (
            f"{quantity(len(others), 'copy', 'copies')} would be dropped, but "
            f"{', '.join(cold_tier.cold_nodes)} stores {copies}: set `bucket_replicas = N` in "
            "cluster.toml if its bucket stores every object on N devices, or offload to more nodes"
        )
    return ""


def _reason_to_skip(
    file: Variant,
    holders: Mapping[NodeId, ListedFile],
    held: Mapping[PhotoFile, object],
) -> str | None:
    """Return why a file is skipped: "" for a deleted file, None for a file that is moved."""
    state = VersionFiles(file.photo_version, held).state
    if state is VersionState.GONE:
        return ""
    digests = {listed.digest for listed in holders.values()}
    if len(digests) > 1 or "" in digests:
        return "its copies differ; repair the volume first"
    if state in UNFINISHED_STATES:
        return "its sizes are not made yet"
    return None


def _move(file: Variant, holders: Mapping[NodeId, ListedFile], cold_tier: ColdTier) -> Move:
    others = tuple(sorted(set(holders) - set(cold_tier.cold_nodes)))
    source = others[0]
    return Move(
        file=file,
        digest=holders[source].digest,
        size_bytes=holders[source].bytes,
        source=source,
        copy_to=tuple(node for node in cold_tier.cold_nodes if node not in holders),
        verify_on=cold_tier.cold_nodes,
        drop_from=others,
    )
