"""Evidence that the faults of a drill fired."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from drill.cluster.drill_cluster import DrillCluster

WAIT_SECONDS_MAX = 30.0
WAIT_POLL_SECONDS = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Proof:
    """One observation of a fault. A drill with a fault that did not fire is invalid."""

    fired: bool
    what: str


@dataclass(slots=True)
class Evidence:
    """All observations of the faults of one drill."""

    proofs: list[Proof] = field(default_factory=list)
    damaged_files: int = 0
    """Number of files that the faults damaged. Nodes may have quarantined them."""

    @property
    def is_complete(self) -> bool:
        """True if there are proofs, and every fault fired."""
        return bool(self.proofs) and all(proof.fired for proof in self.proofs)

    def add(self, fired: object, what: str) -> None:
        """Record an observation; a true `fired` proves that the fault fired."""
        self.proofs.append(Proof(bool(fired), what))

    def missing(self) -> Iterator[str]:
        """Yield the observations that do not show their fault."""
        return (proof.what for proof in self.proofs if not proof.fired)


async def wait_until(condition: Callable[[], T]) -> T:
    """Wait until a fault has something to affect; return the last value of the condition.

    On a busy machine, a fault at its planned time can meet a cluster that has done nothing yet.
    """
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not (found := condition()) and time.monotonic() < deadline:  # noqa: ASYNC110  # files
        await asyncio.sleep(WAIT_POLL_SECONDS)
    return found


class Fault(Protocol):
    """A temporary fault."""

    def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AbstractAsyncContextManager[None]:
        """Inject the fault until the block exits, and add evidence that it fired."""
