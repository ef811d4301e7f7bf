"""The steps of a repair: what one mirror is to do, and with whose help."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from volumes.cluster import NodeId
from volumes.photo_path import (
    Info,
    PhotoFile,
    PhotoTombstone,
    VersionTombstone,
    VolumeId,
    volume_of,
)


@dataclass(frozen=True, slots=True)
class WriteTombstone:
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
class RestoreDigest:
    """Have a mirror check bytes whose digest is missing against the digest another has noted."""

    node: NodeId
    file: PhotoFile
    digest: str
    """Empty if no mirror has noted it."""
    is_sole_copy: bool = False
    """No other mirror has the file, so that nothing there would contradict its bytes."""

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
    old_digest: str
    """The digest of what is set aside."""

    @property
    def volume(self) -> VolumeId:
        """The volume it is in."""
        return volume_of(self.file)


@dataclass(frozen=True, slots=True)
class ReplaceSizes:
    """Have a mirror take the sizes of a version from another one, if all of those are sound."""

    node: NodeId
    file: Info
    """The info of the sizes, which says what version they are of."""
    source: NodeId
    steps: tuple[Copy | Replace, ...]
    """What is pulled, in this order: the info last."""

    @property
    def volume(self) -> VolumeId:
        """The volume it is in."""
        return volume_of(self.file)

    @property
    def size_bytes(self) -> int:
        """How much it copies."""
        return sum(step.size_bytes for step in self.steps)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A name with different bytes, which only a person can settle."""

    file: PhotoFile
    digests: Mapping[NodeId, str] = field(hash=False)


Step = WriteTombstone | Copy | RestoreDigest | Replace | ReplaceSizes


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in the order they are to be done, and what cannot be done."""

    steps: tuple[Step, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    @property
    def copy_bytes(self) -> int:
        """How many bytes the plan copies."""
        return sum(
            step.size_bytes
            for step in self.steps
            if not isinstance(step, RestoreDigest | WriteTombstone)
        )
