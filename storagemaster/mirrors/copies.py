"""The copies of a written file, as receipts list them."""

from dataclasses import dataclass

from storagemaster.mirrors.placement import Target
from storagemaster.wire import Copy
from volumes.cluster import Cluster, NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """The nodes on which a written file is fsynced."""

    targets: tuple[Target, ...]
    spans_colos: bool
    digest: str = ""
    size_bytes: int = 0
    existed: bool = False
    """True if every copy existed before."""

    @property
    def durability(self) -> str:
        """`mirrored` for copies in two colos, `degraded` for copies in one."""
        return "mirrored" if self.spans_colos else "degraded"

    @property
    def pending_mirrors(self) -> tuple[NodeId, ...]:
        """The mirrors whose copy a handoff node stores for now."""
        return tuple(target.hint_for for target in self.targets if target.hint_for)


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
