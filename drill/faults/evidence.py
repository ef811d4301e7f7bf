"""Evidence that faults fired: what was seen of each, and whether it is proof."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from drill.cluster.drill_cluster import DrillCluster


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that was seen of a fault; one that did not fire proves a drill worthless."""

    fired: bool
    what: str


@dataclass(slots=True)
class Evidence:
    """All that was seen of the faults of one drill."""

    proofs: list[Proof] = field(default_factory=list)
    damaged_files: int = 0
    """How many files the faults made corrupt, which nodes may then have set aside."""

    @property
    def is_complete(self) -> bool:
        """Whether there is any, and all of it proves what it should."""
        return bool(self.proofs) and all(proof.fired for proof in self.proofs)

    def add(self, fired: object, what: str) -> None:
        """Note what was seen; what it proves is whether it is true, or not nothing."""
        self.proofs.append(Proof(bool(fired), what))

    def missing(self) -> Iterator[str]:
        """What was not seen, though it was to be."""
        return (proof.what for proof in self.proofs if not proof.fired)


class Fault(Protocol):
    """Something that goes wrong for a while."""

    def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AbstractAsyncContextManager[None]:
        """Inject it; and at the end of the block take it back, with proof that it fired."""
