"""Repair plan of a shard: a pure function of the listings of its mirrors.

Mirrors converge by union. A tombstone on any mirror wins over every file that it covers. A file
that one mirror has and another lacks is pulled. Absence never deletes. An unreachable mirror is not
in the listings, and the plan concludes nothing from its absence.

Two workers with different libraries can make the same sizes with different bytes. Then all sizes of
the version come from one mirror, in one step, so that an info always describes the sizes beside it.
If no mirror has all of them under its info, every info of the version goes to quarantine, and a
worker makes all sizes again. A version whose originals differ is a conflict, which `settlement.py`
settles. It has no steps.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from storagemaster.repair.steps import (
    Conflict,
    Copy,
    HeldOriginal,
    Plan,
    QuarantineInfo,
    Replace,
    ReplaceSizes,
    RestoreDigest,
    Step,
    WriteTombstone,
)
from storagenode.protocol.files import ListedFile
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
from volumes.version_files import VersionFiles, originals_in

LiveFile = Variant | Info | Attempt | Failure
Listings = Mapping[NodeId, Iterable[ListedFile]]
Holders = Mapping[NodeId, ListedFile]
"""The nodes that have a file, each with its listing entry."""


def plan_shard(
    volume: VolumeId, listings: Listings, *, complete: bool, cold_tier: ColdTier | None = None
) -> Plan:
    """Return the steps that make the mirrors of one shard equal: tombstones first, infos last.

    `complete` is True if every mirror of the volume is in the listings. With a cold tier, a mirror
    that is not a cold node does not need the files that belong on the cold nodes.
    """
    held = group_by_file(volume, listings)
    tombstones = [file for file in held if isinstance(file, PhotoTombstone | VersionTombstone)]
    tombstone_steps = [
        step for tombstone in tombstones for step in _plan_tombstone(tombstone, held, listings)
    ]
    conflicts: list[Conflict] = []
    steps: list[Step] = []
    for photo_version, version in _live_versions(held, set(tombstones)).items():
        if conflict := _conflict_in(photo_version, version):
            conflicts.append(conflict)
        else:
            steps += _with_fewest_copies(
                _plan_version(
                    Info(photo_version),
                    version,
                    set(listings),
                    complete=complete,
                    cold_tier=cold_tier,
                )
            )
    steps.sort(key=lambda step: isinstance(step.file, Info))
    return Plan((*tombstone_steps, *steps), tuple(conflicts))


def group_by_file(
    volume: VolumeId, listings: Listings
) -> dict[PhotoFile, dict[NodeId, ListedFile]]:
    """Return the holders of each file in the listings."""
    held: dict[PhotoFile, dict[NodeId, ListedFile]] = {}
    for node, files in listings.items():
        for listed in files:
            held.setdefault(parse_name(volume, listed.name), {})[node] = listed
    return held


def sized_version(file: PhotoFile) -> PhotoVersion | None:
    """Return the version that a size or an info belongs to, or None for any other file."""
    if isinstance(file, Info) or (isinstance(file, Variant) and not file.is_original):
        return file.photo_version
    return None


def _live_versions(
    held: Mapping[PhotoFile, Holders], gone: set[PhotoTombstone | VersionTombstone]
) -> dict[PhotoVersion, dict[LiveFile, Holders]]:
    """Return the files of each version that no tombstone covers, the info last."""
    versions: dict[PhotoVersion, dict[LiveFile, Holders]] = {}
    for file in sorted(held, key=lambda file: isinstance(file, Info)):
        if isinstance(file, LiveFile) and not _is_covered(file, gone):
            versions.setdefault(file.photo_version, {})[file] = held[file]
    return versions


def _is_covered(file: LiveFile, gone: set[PhotoTombstone | VersionTombstone]) -> bool:
    return VersionFiles(file.photo_version, gone).is_gone


def _plan_tombstone(
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
    # Listings leave out tombstones without a proof, so that they are written again.
    missing = set(listings) - held[tombstone].keys()
    source = min(held[tombstone])
    return [WriteTombstone(node, tombstone, source) for node in sorted(unfinished | missing)]


def _conflict_in(
    photo_version: PhotoVersion, version: Mapping[LiveFile, Holders]
) -> Conflict | None:
    """Return the originals of a version if they differ in digest or format."""
    originals = [
        HeldOriginal(node, file, listed.digest, listed.bytes)
        for file in originals_in(version)
        for node, listed in version[file].items()
        if listed.digest
    ]
    if len({each.content for each in originals}) < 2:
        return None
    return Conflict(photo_version, tuple(originals))


def _plan_version(
    info: Info,
    version: Mapping[LiveFile, Holders],
    nodes: set[NodeId],
    *,
    complete: bool,
    cold_tier: ColdTier | None,
) -> Iterator[Step]:
    """Return the steps of a version. If a size is replaced, all pulls on its link are one step."""
    if complete and cold_tier is None and _has_undescribed_sizes(version, info):
        holders = version[info]
        yield from (QuarantineInfo(node, info, holders[node].digest) for node in sorted(holders))
        return
    pulled: dict[tuple[NodeId, NodeId], list[Copy | Replace]] = {}
    for file, holders in version.items():
        for step in _plan_file(
            file, holders, version, nodes, complete=complete, cold_tier=cold_tier
        ):
            if isinstance(step, Copy | Replace) and sized_version(file):
                pulled.setdefault((step.node, step.source), []).append(step)
            else:
                yield step
    for (node, source), pulls in pulled.items():
        copies = [step for step in pulls if isinstance(step, Copy)]
        if len(copies) == len(pulls):
            yield from copies
        else:
            yield ReplaceSizes(node, info, source, tuple(pulls))


def _with_fewest_copies(steps: Iterable[Step]) -> list[Step]:
    """Return the steps of a version, which is in danger as a whole: an info comes after sizes."""
    steps = list(steps)
    fewest = min((step.copies if isinstance(step, Copy) else 1 for step in steps), default=1)
    return [replace(step, copies=fewest) if isinstance(step, Copy) else step for step in steps]


def _has_undescribed_sizes(version: Mapping[LiveFile, Holders], info: Info) -> bool:
    """Return True if a size is only on mirrors without the info that all mirrors will have."""
    infos = version.get(info, {})
    if not infos or not all(listed.digest for listed in infos.values()):
        return False
    chosen = infos[_source(info, infos, version)].digest
    describing = {node for node, listed in infos.items() if listed.digest == chosen}
    return any(
        describing.isdisjoint(holders) for file, holders in version.items() if sized_version(file)
    )


def _plan_file(
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
            # No mirror has recorded a digest: each records its own, and the next pass compares.
            is_sole_copy = len(holders) == 1
            yield from (
                RestoreDigest(node, file, "", is_sole_copy=is_sole_copy) for node in sorted(holders)
            )
        return
    source = _source(file, holders, version)
    expected = holders[source]
    copies = sum(listed.digest == expected.digest for listed in holders.values())
    for node in sorted(nodes):
        listed = holders.get(node)
        if listed is None:
            if cold_tier is None or cold_tier.belongs_on(node, file):
                yield Copy(node, file, source, expected.digest, expected.bytes, copies)
        elif not listed.digest:
            yield RestoreDigest(node, file, expected.digest)
        elif listed.digest != expected.digest:
            yield Replace(node, file, source, expected.digest, expected.bytes, listed.digest)


def _source(file: LiveFile, holders: Holders, version: Mapping[LiveFile, Holders]) -> NodeId:
    """Return the mirror to copy from: one mirror for all sizes of a version, so that they match.

    The order is: mirrors with an info, the fewest missing sizes, the lowest digest of the info.
    Masters with the same listings therefore choose the same mirror.
    """
    infos = version.get(Info(file.photo_version), {})
    sizes = [by_node for each, by_node in version.items() if sized_version(each)]

    def rank(node: NodeId) -> tuple[bool, int, str, NodeId]:
        digest = infos[node].digest if node in infos else ""
        missing = sum(node not in by_node or not by_node[node].digest for by_node in sizes)
        return (not digest, missing, digest, node)

    return min((node for node, listed in holders.items() if listed.digest), key=rank)
