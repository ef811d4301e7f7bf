"""What to do so that the mirrors of a shard are equal: a pure function of their listings.

Mirrors are brought together by union. A tombstone on any of them wins over everything it covers;
a file that one has and another lacks is pulled; absence never deletes. A mirror that could not be
asked is not in the listings, and nothing is concluded from it.

Different bytes under one name cannot come from writing once, but sizes may be made twice, by
workers with different libraries: all of a version's are taken from one mirror then, in one step, so
that an info stands beside the sizes it tells of. Originals that differ are reported, both kept, and
left to a person.
"""

from collections.abc import Iterable, Iterator, Mapping

from storagemaster.repair.steps import (
    Conflict,
    Copy,
    Plan,
    Replace,
    ReplaceSizes,
    RestoreDigest,
    Step,
    WriteTombstone,
)
from storagenode.disk.shard_listing import ListedFile
from volumes.cluster import NodeId
from volumes.cold_tier import ColdTier
from volumes.photo_path import (
    Attempt,
    Failure,
    Info,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    VolumeId,
    parse_name,
)
from volumes.version_files import VersionFiles

LiveFile = Variant | Info | Attempt | Failure
Listings = Mapping[NodeId, Iterable[ListedFile]]
Holders = Mapping[NodeId, ListedFile]
"""Who has a file, and how it is listed there."""


def plan_shard(
    volume: VolumeId, listings: Listings, *, complete: bool, cold_tier: ColdTier | None = None
) -> Plan:
    """The steps that make the mirrors of one shard equal: tombstones first, infos last.

    `complete` says that every mirror of the volume is in the listings. Of a chilled volume a mirror
    that is no keeper lacks nothing that the keepers alone are to have.
    """
    held: dict[PhotoFile, dict[NodeId, ListedFile]] = {}
    for node, files in listings.items():
        for listed in files:
            held.setdefault(parse_name(volume, listed.name), {})[node] = listed
    tombstones = [file for file in held if isinstance(file, PhotoTombstone | VersionTombstone)]
    buried = [step for tombstone in tombstones for step in _bury(tombstone, held, listings)]
    conflicts: list[Conflict] = []
    steps: list[Step] = []
    for version in _live_versions(held, set(tombstones)):
        for file, holders in version.items():
            if _is_conflict(file, holders):
                digests = {node: listed.digest for node, listed in holders.items()}
                conflicts.append(Conflict(file, digests))
        steps += _settle_version(version, set(listings), complete=complete, cold_tier=cold_tier)
    steps.sort(
        key=lambda step: not isinstance(step, WriteTombstone) and isinstance(step.file, Info)
    )
    return Plan((*buried, *steps), tuple(conflicts))


def _live_versions(
    held: Mapping[PhotoFile, Holders], gone: set[PhotoTombstone | VersionTombstone]
) -> Iterable[dict[LiveFile, Holders]]:
    """The files of each version that no tombstone covers, its info last."""
    versions: dict[PhotoVersion, dict[LiveFile, Holders]] = {}
    for file in sorted(held, key=lambda file: isinstance(file, Info)):
        if isinstance(file, LiveFile) and not _is_covered(file, gone):
            versions.setdefault(file.photo_version, {})[file] = held[file]
    return versions.values()


def _is_covered(file: LiveFile, gone: set[PhotoTombstone | VersionTombstone]) -> bool:
    return VersionFiles(file.photo_version, gone).is_gone


def _bury(
    tombstone: PhotoTombstone | VersionTombstone,
    held: Mapping[PhotoFile, Mapping[NodeId, ListedFile]],
    listings: Listings,
) -> list[Step]:
    unfinished = {
        node
        for file, holders in held.items()
        if isinstance(file, LiveFile) and _is_covered(file, {tombstone})
        for node in holders
    }
    lacking = set(listings) - held[tombstone].keys()
    # All tombstones have the same bytes, so that one without a digest is written anew.
    unverified = {node for node, listed in held[tombstone].items() if not listed.digest}
    return [WriteTombstone(node, tombstone) for node in sorted(unfinished | lacking | unverified)]


def _is_conflict(file: LiveFile, holders: Holders) -> bool:
    digests = {listed.digest for listed in holders.values() if listed.digest}
    return len(digests) > 1 and isinstance(file, Variant) and file.is_original


def _settle_version(
    version: Mapping[LiveFile, Holders],
    nodes: set[NodeId],
    *,
    complete: bool,
    cold_tier: ColdTier | None,
) -> Iterator[Step]:
    """The steps of a version. Where a size is replaced, all from its source are one step."""
    info = Info(next(iter(version)).photo_version)
    pulled: dict[tuple[NodeId, NodeId], list[Copy | Replace]] = {}
    for file, holders in version.items():
        if _is_conflict(file, holders):
            continue
        for step in _settle(file, holders, version, nodes, complete=complete, cold_tier=cold_tier):
            if isinstance(step, Copy | Replace) and _is_of_sizes(file):
                pulled.setdefault((step.node, step.source), []).append(step)
            else:
                yield step
    for (node, source), pulls in pulled.items():
        copies = [step for step in pulls if isinstance(step, Copy)]
        if len(copies) == len(pulls):
            yield from copies
        else:
            yield ReplaceSizes(node, info, source, tuple(pulls))


def _settle(
    file: LiveFile,
    holders: Holders,
    version: Mapping[LiveFile, Holders],
    nodes: set[NodeId],
    *,
    complete: bool,
    cold_tier: ColdTier | None,
) -> Iterator[RestoreDigest | Copy | Replace]:
    if not any(listed.digest for listed in holders.values()):
        if complete:
            # Nobody has noted a digest: each notes that of its bytes, and the next pass compares.
            is_sole_copy = len(holders) == 1
            yield from (
                RestoreDigest(node, file, "", is_sole_copy=is_sole_copy) for node in sorted(holders)
            )
        return
    source = _source(file, holders, version)
    right = holders[source]
    for node in sorted(nodes):
        listed = holders.get(node)
        if listed is None:
            if cold_tier is None or cold_tier.belongs_on(node, file):
                yield Copy(node, file, source, right.digest, right.bytes)
        elif not listed.digest:
            yield RestoreDigest(node, file, right.digest)
        elif listed.digest != right.digest:
            yield Replace(node, file, source, right.digest, right.bytes, listed.digest)


def _source(file: LiveFile, holders: Holders, version: Mapping[LiveFile, Holders]) -> NodeId:
    """The mirror to copy from. For sizes it is one mirror for the whole version, so that they fit.

    That mirror is the one with an info that lacks the fewest sizes, and of those the one whose info
    has the least digest, so that all masters who see the same choose the same.
    """
    infos = version.get(Info(file.photo_version), {})
    sizes = [by_node for each, by_node in version.items() if _is_of_sizes(each)]

    def rank(node: NodeId) -> tuple[bool, int, str, NodeId]:
        digest = infos[node].digest if node in infos else ""
        lacking = sum(node not in by_node or not by_node[node].digest for by_node in sizes)
        return (not digest, lacking, digest, node)

    return min((node for node, listed in holders.items() if listed.digest), key=rank)


def _is_of_sizes(file: LiveFile) -> bool:
    return isinstance(file, Info) or (isinstance(file, Variant) and not file.is_original)
