"""The copies of a written file, as receipts list them."""

from collections.abc import Sequence
from dataclasses import dataclass

from storagemaster.mirrors.placement import Target, synchronous_mirrors
from storagemaster.wire import Copy
from volumes.cluster import Cluster, NodeId, Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """The nodes on which a written file is fsynced."""

    targets: tuple[Target, ...]
    spans_colos: bool
    digest: str = ""
    size_bytes: int = 0
    existed: bool = False
    """True if every copy existed before."""
    pending_mirrors: tuple[NodeId, ...] = ()
    """The mirrors without a copy of their own, as `pending_mirrors` returns them."""

    @property
    def durability(self) -> str:
        """`mirrored` for copies in two colos, `degraded` for copies in one."""
        return "mirrored" if self.spans_colos else "degraded"


def pending_mirrors(
    cluster: Cluster, volume: Volume, targets: Sequence[Target]
) -> tuple[NodeId, ...]:
    """Return the mirrors that a write waited for and that have no copy of their own.

    Handoff nodes have hints for the first of them. The others have none, because no node could
    store it: a comparison of the mirrors finds what they lack.
    """
    hinted = [target.hint_for for target in targets if target.hint_for is not None]
    stored = {target.node for target in targets if target.hint_for is None}
    missing = synchronous_mirrors(cluster, volume)
    return (*hinted, *(node for node in missing if node not in stored and node not in hinted))


def copies_of(cluster: Cluster, copies: Copies) -> tuple[Copy, ...]:
    """Return the copies as an API document lists them."""
    return tuple(
        Copy(
            node=target.node,
            colo=cluster.node(target.node).colo,
            hint_for=target.hint_for or "",
        )
        for target in copies.targets
    )
