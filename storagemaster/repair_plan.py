"""What to do so that the mirrors of a shard are equal: a pure function of their listings.

Mirrors are brought together by union. A tombstone on any of them wins over everything it covers;
a file that one has and another lacks is pulled; absence never deletes. A mirror that could not be
asked is not in the listings, and nothing is concluded from it.

Different bytes under one name cannot come from writing once, but sizes may be made twice, by
workers with different libraries: all of a version's are taken from one mirror then. Originals that
differ are reported, both kept, and left to a person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from storagenode.shard_listing import ListedFile
from volumes.chill import Chill
from volumes.cluster import NodeId
from volumes.photo_path import (
    Attempt,
    Failure,
    Info,
    PhotoFile,
    PhotoTombstone,
    Variant,
    VersionTombstone,
    VolumeId,
    parse_name,
    volume_of,
)

LiveFile = Variant | Info | Attempt | Failure
Listings = Mapping[NodeId, Iterable[ListedFile]]


@dataclass(frozen=True, slots=True)
class Bury:
    """Write a tombstone on a mirror, or finish what it began there."""

    node: NodeId
    tombstone: PhotoTombstone | VersionTombstone

    @property
    def volume(self) -> VolumeId:
        """The volume it is in."""
        return volume_of(self.tombstone)


@dataclass(frozen=True, slots=True)
class Copy:
    """Have a mirror pull a file that it lacks."""

    node: NodeId
    file: PhotoFile
    source: NodeId
    digest: str
    size_bytes: int

    @property
    def volume(self) -> VolumeId:
        """The volume it is in."""
        return volume_of(self.file)


@dataclass(frozen=True, slots=True)
class Adopt:
    """Have a mirror check bytes whose digest is missing against the digest another has noted."""

    node: NodeId
    file: PhotoFile
    digest: str

    @property
    def volume(self) -> VolumeId:
        """The volume it is in."""
        return volume_of(self.file)


@dataclass(frozen=True, slots=True)
class Replace:
    """Have a mirror pull another mirror's file, and set its own aside only when it has that."""

    node: NodeId
    file: PhotoFile
    source: NodeId
    digest: str
    size_bytes: int
    loses: str
    """The digest of what is set aside."""

    @property
    def volume(self) -> VolumeId:
        """The volume it is in."""
        return volume_of(self.file)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A name with different bytes, which only a person can settle."""

    file: PhotoFile
    digests: Mapping[NodeId, str] = field(hash=False)


Step = Bury | Copy | Adopt | Replace


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in the order they are to be done, and what cannot be done."""

    steps: tuple[Step, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    @property
    def copy_bytes(self) -> int:
        """How many bytes the plan copies."""
        return sum(s.size_bytes for s in self.steps if isinstance(s, Copy | Replace))


def plan_shard(
    volume: VolumeId, listings: Listings, *, complete: bool, chill: Chill | None = None
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
    gone = set(tombstones)
    steps: list[Step] = []
    for tombstone in tombstones:
        steps += _bury(tombstone, held, listings)
    conflicts: list[Conflict] = []
    live = [file for file in held if isinstance(file, LiveFile) and not _is_covered(file, gone)]
    for file in sorted(live, key=lambda file: isinstance(file, Info)):
        found = _settle(file, held, listings, complete=complete, chill=chill)
        if isinstance(found, Conflict):
            conflicts.append(found)
        else:
            steps += found
    return Plan(tuple(steps), tuple(conflicts))


def _is_covered(file: LiveFile, gone: set[PhotoTombstone | VersionTombstone]) -> bool:
    whole = PhotoTombstone(file.of.volume, file.of.photo)
    return whole in gone or VersionTombstone(file.of) in gone


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
    return [Bury(node, tombstone) for node in sorted(unfinished | lacking | unverified)]


def _settle(
    file: LiveFile,
    held: Mapping[PhotoFile, Mapping[NodeId, ListedFile]],
    listings: Listings,
    *,
    complete: bool,
    chill: Chill | None,
) -> list[Step] | Conflict:
    holders = held[file]
    digests = {listed.digest for listed in holders.values() if listed.digest}
    if not digests:
        # Nobody has noted a digest: each notes that of its bytes, and the next pass compares them.
        return [Adopt(node, file, "") for node in sorted(holders)] if complete else []
    if len(digests) > 1 and isinstance(file, Variant) and file.is_original:
        return Conflict(file, {node: listed.digest for node, listed in holders.items()})
    source = _source(file, holders, held)
    right = holders[source]
    steps: list[Step] = []
    for node in sorted(listings):
        listed = holders.get(node)
        if listed is None:
            if chill is not None and not chill.is_kept_by(node, file):
                continue
            steps.append(Copy(node, file, source, right.digest, right.bytes))
        elif not listed.digest:
            steps.append(Adopt(node, file, right.digest))
        elif listed.digest != right.digest:
            steps.append(Replace(node, file, source, right.digest, right.bytes, listed.digest))
    return steps


def _source(
    file: LiveFile,
    holders: Mapping[NodeId, ListedFile],
    held: Mapping[PhotoFile, Mapping[NodeId, ListedFile]],
) -> NodeId:
    """The mirror to copy from. For sizes it is one mirror for the whole version, so that they fit.

    That mirror is the one whose info has the least digest: any rule that all masters share will do.
    """
    infos = held.get(Info(file.of), {})

    def rank(node: NodeId) -> tuple[bool, str, NodeId]:
        info = infos.get(node)
        return (info is None or not info.digest, info.digest if info else "", node)

    return min((node for node, listed in holders.items() if listed.digest), key=rank)
