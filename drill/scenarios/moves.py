"""Scenarios of volumes that move, and of maps that change under load."""

from drill.cluster.drill_cluster import SMALL_DISK
from drill.faults.evidence import Fault
from drill.faults.links import PacketsLost
from drill.faults.moves import (
    ColoReplaced,
    Drained,
    EdgeLeftBehind,
    MapsChanged,
    MapsRaced,
    NodeReplaced,
)
from drill.faults.processes import Down, Paused
from drill.load.load import Pace
from drill.scenarios.scenario import ALL_EDGES, EAST_EDGES, WEST_EDGES, Scenario, Step, steps

OTHER = "east-1"
"""The other node of the colo: the small disk has no space for volumes of others."""
CONVERGE_SECONDS_MAX = 120.0
REPRESENTATIVE = ("node-drained", "edge-left-behind")


def _scenario(
    name: str,
    description: str,
    *timeline: Step,
    unaffected_edges: tuple[str, ...] = ALL_EDGES,
    reads_per_second: float = 25.0,
    cuts_networks: bool = False,
) -> Scenario:
    return Scenario(
        name=name,
        description=description,
        steps=timeline,
        unaffected_edges=unaffected_edges,
        pace=Pace(deletes=2.0, uploads=4.0, reads=reads_per_second),
        changes_maps=True,
        cuts_networks=cuts_networks,
        partitions_colos=cuts_networks,
        needs=("root", "ip", "nsenter") if cuts_networks else (),
        is_representative=name in REPRESENTATIVE,
        converge_seconds_max=CONVERGE_SECONDS_MAX,
    )


def _drain_while(what: str, fault: Fault, unaffected_edges: tuple[str, ...] = ()) -> Scenario:
    return _scenario(
        f"drain-while-{what.replace(' ', '-')}",
        f"All volumes of a node move to another one, and meanwhile {what}.",
        Step(fault=Drained(SMALL_DISK), begins=0.1, ends=0.9),
        Step(fault=fault, begins=0.4, ends=0.8),
        unaffected_edges=unaffected_edges,
    )


MOVES = (
    _scenario(
        "node-drained",
        "All volumes of a node move to another one.",
        *steps(Drained(SMALL_DISK)),
    ),
    _drain_while(
        "the other colo is down",
        Down(("west-*",)),
        unaffected_edges=EAST_EDGES,
    ),
    _drain_while(
        "the other colo hangs",
        Paused(("west-*",), with_children=True),
    ),
    _drain_while(
        "its own colo is down",
        Down(("east-*",)),
        unaffected_edges=WEST_EDGES,
    ),
    _scenario(
        "drain-while-the-colos-are-cut",
        "All volumes of a node move to another one, and meanwhile no packet passes between colos.",
        Step(fault=Drained(SMALL_DISK), begins=0.1, ends=0.9),
        Step(fault=PacketsLost("east", "west"), begins=0.4, ends=0.8),
        unaffected_edges=(),
        cuts_networks=True,
    ),
    _scenario(
        "node-replaced",
        "A node is killed for good, and another one gets its volumes.",
        *steps(NodeReplaced(SMALL_DISK, OTHER)),
    ),
    _scenario(
        "colo-replaced",
        "A colo is added, and all volumes of another colo move to it.",
        Step(fault=ColoReplaced("west", "north"), begins=0.1, ends=0.9),
    ),
    _scenario(
        "maps-changed",
        "The volume map changes several times a second.",
        *steps(MapsChanged(), begins=0.05, ends=0.95),
        reads_per_second=300.0,
    ),
    _scenario(
        "maps-raced",
        "Operators in both colos put different maps in force at once.",
        *steps(MapsRaced()),
    ),
    _scenario(
        "maps-raced-while-the-colos-are-cut",
        "Operators put different maps in force in both colos, and no packet passes between these.",
        Step(fault=PacketsLost("east", "west"), begins=0.2, ends=0.8),
        Step(fault=MapsRaced(), begins=0.3, ends=0.9),
        unaffected_edges=(),
        cuts_networks=True,
    ),
    _scenario(
        "edge-left-behind",
        "A node is drained, and an edge keeps the map from before.",
        Step(fault=EdgeLeftBehind("west-nginx", drained="west-1"), begins=0.1, ends=0.95),
        Step(fault=Drained("west-1"), begins=0.2, ends=0.9),
    ),
)
