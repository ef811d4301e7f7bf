"""What is to be moved so that a shard is chilled, and in which order: a pure function of listings.

A file is moved in three steps: every keeper has a copy, every keeper has read all of its copy back,
and only then do the other mirrors let go of theirs. A photo whose sizes are still being made stays
where it is until they are; so does a file that mirrors do not agree on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from storagemaster.repair.plan import Listings
from storagenode.disk.shard_listing import ListedFile
from volumes.cluster import Cluster, NodeId, Volume
from volumes.cold_tier import ColdTier
from volumes.photo_path import PhotoFile, Variant, VolumeId, parse_name
from volumes.version_files import UNFINISHED_STATES, VersionFiles, VersionState


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One file that others than its keepers have."""

    file: Variant
    digest: str
    size_bytes: int
    source: NodeId
    """Who has it, for the keepers to copy from."""
    copy_to: tuple[NodeId, ...]
    """The keepers that lack it."""
    verify_on: tuple[NodeId, ...]
    """All keepers."""
    drop_from: tuple[NodeId, ...]
    """The mirrors that let go of it, last of all."""


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """One file that is not moved now, and why."""

    file: Variant
    reason: str


@dataclass(frozen=True, slots=True)
class TieringPlan:
    """What is to be done in a shard, and what stays."""

    moves: tuple[Move, ...] = ()
    skipped: tuple[SkippedFile, ...] = ()


def plan_offload(volume: VolumeId, cold_tier: ColdTier, listings: Listings) -> TieringPlan:
    """The moves of one shard. Every mirror of the volume must be in the listings."""
    held: dict[PhotoFile, dict[NodeId, ListedFile]] = {}
    for node, files in listings.items():
        for listed in files:
            held.setdefault(parse_name(volume, listed.name), {})[node] = listed
    moves: list[Move] = []
    skipped: list[SkippedFile] = []
    for file, holders in held.items():
        if (
            isinstance(file, Variant)
            and cold_tier.covers(file)
            and set(holders) - set(cold_tier.cold_nodes)
        ):
            reason = _reason_to_stay(file, holders, held)
            if reason is None:
                moves.append(_move(file, holders, cold_tier))
            elif reason:
                skipped.append(SkippedFile(file, reason))
    return TieringPlan(tuple(moves), tuple(skipped))


def refusal_reason(cluster: Cluster, volume: Volume, cold_tier: ColdTier) -> str:
    """Why a volume cannot be chilled in this way; empty if it can.

    What the keepers have must survive as many faults as what the others let go of.
    """
    strangers = [node for node in cold_tier.cold_nodes if node not in volume.mirrors]
    if strangers:
        names = ", ".join(strangers)
        return (
            f"{names} is no mirror of volume {volume.number}: add it to `mirrors` in cluster.toml, "
            "and restart nodes, storagemasters and edges with that; nothing else is to be done"
        )
    others = [node for node in volume.mirrors if node not in cold_tier.cold_nodes]
    if not others:
        return f"every mirror of volume {volume.number} would keep everything"
    copies = sum(cluster.nodes[node].bucket_replicas for node in cold_tier.cold_nodes)
    if copies < len(others):
        return (
            f"{len(others)} copies would be dropped, but {', '.join(cold_tier.cold_nodes)} "
            f"stores {copies}: set `bucket_replicas = N` in cluster.toml if its bucket stores "
            "every object on N devices, or offload to more nodes"
        )
    return ""


def _reason_to_stay(
    file: Variant,
    holders: Mapping[NodeId, ListedFile],
    held: Mapping[PhotoFile, object],
) -> str | None:
    """Why a file is not moved now; empty if that goes without saying, None if it is moved."""
    state = VersionFiles(file.photo_version, held).state
    if state is VersionState.GONE:
        return ""
    digests = {listed.digest for listed in holders.values()}
    if len(digests) > 1 or "" in digests:
        return "its copies are not alike; repair the volume first"
    if state in UNFINISHED_STATES:
        return "its sizes are not made yet"
    return None


def _move(file: Variant, holders: Mapping[NodeId, ListedFile], cold_tier: ColdTier) -> Move:
    kept = [node for node in cold_tier.cold_nodes if node in holders]
    others = tuple(sorted(set(holders) - set(cold_tier.cold_nodes)))
    source = others[0]
    return Move(
        file=file,
        digest=holders[source].digest,
        size_bytes=holders[source].bytes,
        source=source,
        copy_to=tuple(node for node in cold_tier.cold_nodes if node not in kept),
        verify_on=cold_tier.cold_nodes,
        drop_from=others,
    )
