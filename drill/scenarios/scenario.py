"""A scenario: which faults happen when, and what the cluster is held to meanwhile."""

from dataclasses import dataclass, field

from drill.faults.evidence import Fault
from drill.load.load import Pace

EAST_EDGES = ("east-nginx", "varnish")
WEST_EDGES = ("west-nginx",)
ALL_EDGES = EAST_EDGES + WEST_EDGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One fault, and when: in parts of the time that the load lasts."""

    fault: Fault
    begins: float = 0.25
    ends: float = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A replication-failure test."""

    name: str
    description: str
    """What happens, in one sentence."""
    steps: tuple[Step, ...]
    unaffected_edges: tuple[str, ...] = ()
    """Edges through which reads must succeed while the faults last."""
    read_success_min: float = 0.99
    partitions_colos: bool = False
    """Whether what one colo takes meanwhile is out of the other's reach."""
    pace: Pace = field(default_factory=Pace)
    needs: tuple[str, ...] = ()
    """What the machine must have: "root", or a program."""
    has_bucket: bool = False
    """Whether every volume has a third mirror, in S3."""
    is_representative: bool = False
    """Whether it is one of the few that stand for all."""
    converge_seconds_max: float = 60.0


def steps(*faults: Fault, begins: float = 0.25, ends: float = 0.7) -> tuple[Step, ...]:
    """Faults that happen in the same time."""
    return tuple(Step(fault=fault, begins=begins, ends=ends) for fault in faults)
