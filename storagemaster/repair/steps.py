"""Steps of a repair: the action that one mirror takes, and the source that it copies from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from volumes.cluster import NodeId
from volumes.photo_path import (
    Info,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
)


@dataclass(frozen=True, slots=True)
class WriteTombstone:
    """Write a tombstone on a mirror, or finish an unfinished delete there."""

    node: NodeId
    file: PhotoTombstone | VersionTombstone
    source: NodeId
    """A mirror that has the tombstone, with the second of the delete."""
    size_bytes: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Copy:
    """Pull a missing file from another mirror."""

    node: NodeId
    file: PhotoFile
    source: NodeId
    digest: str
    size_bytes: int
    copies: int = field(default=1, compare=False)
    """Good copies of the version's file that has the fewest."""


@dataclass(frozen=True, slots=True)
class RestoreDigest:
    """Check the bytes of a file that has no digest, and record their digest."""

    node: NodeId
    file: PhotoFile
    digest: str
    """The digest that another mirror recorded, or "" if no mirror recorded one."""
    is_sole_copy: bool = False
    """True if no other mirror has the file, so that no other copy can contradict its bytes."""
    size_bytes: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Replace:
    """Pull the file of another mirror, then quarantine the mirror's own file."""

    node: NodeId
    file: PhotoFile
    source: NodeId
    digest: str
    size_bytes: int
    old_digest: str
    """The digest of the file that goes to quarantine."""


@dataclass(frozen=True, slots=True)
class ReplaceSizes:
    """Replace the sizes of a version with the sizes of another mirror, if all of them verify."""

    node: NodeId
    file: Info
    """The info of the version."""
    source: NodeId
    steps: tuple[Copy | Replace, ...]
    """The pulls in their order: the info last."""

    @property
    def size_bytes(self) -> int:
        """The bytes that all pulls copy."""
        return sum(step.size_bytes for step in self.steps)


@dataclass(frozen=True, slots=True)
class QuarantineInfo:
    """Quarantine an info that does not describe all sizes, so that a worker makes them again."""

    node: NodeId
    file: Info
    digest: str
    size_bytes: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class HeldOriginal:
    """An original on one node, or its hint for a mirror."""

    node: NodeId
    file: Variant
    digest: str
    size_bytes: int
    hint_for: NodeId | None = None

    @property
    def content(self) -> tuple[Variant, str]:
        """Name and digest: what makes two originals different."""
        return self.file, self.digest


@dataclass(frozen=True, slots=True)
class Conflict:
    """A version with different originals on its mirrors, and where each of them is."""

    photo_version: PhotoVersion
    originals: tuple[HeldOriginal, ...]


Step = WriteTombstone | Copy | RestoreDigest | Replace | ReplaceSizes | QuarantineInfo


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in execution order, and the conflicts, which are settled after them."""

    steps: tuple[Step, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    @property
    def in_danger(self) -> tuple[Step, ...]:
        """The steps of versions with one copy left, and all steps that do more than copy."""
        return tuple(step for step in self.steps if _is_in_danger(step))

    @property
    def not_in_danger(self) -> tuple[Step, ...]:
        """The other steps."""
        return tuple(step for step in self.steps if not _is_in_danger(step))

    @property
    def copy_bytes(self) -> int:
        """The bytes that all steps copy."""
        return sum(step.size_bytes for step in self.steps)


def _is_in_danger(step: Step) -> bool:
    return not isinstance(step, Copy) or step.copies == 1


def _is_info(step: Step) -> bool:
    return isinstance(step.file, Info) and not isinstance(step, ReplaceSizes)


PHASES: tuple[Callable[[Step], bool], ...] = (
    lambda step: isinstance(step, WriteTombstone),
    lambda step: not isinstance(step, WriteTombstone) and not _is_info(step),
    _is_info,
)
"""The steps of a later phase are executed after all steps of the earlier ones."""
