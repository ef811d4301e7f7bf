"""A scenario: its faults with their times, and the criteria of the run."""

from dataclasses import dataclass, field

from drill.cluster.drill_cluster import Buckets
from drill.faults.evidence import Fault
from drill.load.load import Pace

EAST_EDGES = ("east-nginx", "varnish")
WEST_EDGES = ("west-nginx",)
ALL_EDGES = EAST_EDGES + WEST_EDGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One fault, with its begin and end as shares of the load time."""

    fault: Fault
    begins: float = 0.25
    ends: float = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario of faults under load."""

    name: str
    description: str
    """The faults, in one sentence."""
    steps: tuple[Step, ...]
    unaffected_edges: tuple[str, ...] = ()
    """Edges through which reads must succeed while the faults last."""
    read_success_min: float = 0.99
    partitions_colos: bool = False
    """True if the colos cannot reach each other's photos while the faults last."""
    pace: Pace = field(default_factory=Pace)
    needs: tuple[str, ...] = ()
    """Requirements on the machine: "root", or the name of a program."""
    buckets: Buckets = Buckets.NONE
    changes_maps: bool = False
    """True if the volume map changes. All processes then use its addresses, past all links."""
    cuts_networks: bool = False
    """True if each colo has a network of its own, which a fault can cut. It needs root."""
    is_representative: bool = False
    """True if `make drill` runs it, as one of a few for its kind of fault."""
    converge_seconds_max: float = 60.0


def steps(*faults: Fault, begins: float = 0.25, ends: float = 0.7) -> tuple[Step, ...]:
    """Return steps for faults that last for the same interval."""
    return tuple(Step(fault=fault, begins=begins, ends=ends) for fault in faults)
