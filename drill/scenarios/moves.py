"""Scenarios of volumes that move, and of maps that change under load."""

from drill.faults.moves import Drained, EdgeLeftBehind, MapsChanged, MapsRaced, NodeReplaced
from drill.load.load import Pace
from drill.scenarios.scenario import ALL_EDGES, Scenario, Step, steps

CONVERGE_SECONDS_MAX = 120.0
REPRESENTATIVE = ("node-drained", "edge-left-behind")


def _scenario(
    name: str,
    description: str,
    *timeline: Step,
    unaffected_edges: tuple[str, ...] = ALL_EDGES,
) -> Scenario:
    return Scenario(
        name=name,
        description=description,
        steps=timeline,
        unaffected_edges=unaffected_edges,
        pace=Pace(deletes=2.0, uploads=4.0),
        changes_maps=True,
        is_representative=name in REPRESENTATIVE,
        converge_seconds_max=CONVERGE_SECONDS_MAX,
    )


MOVES = (
    _scenario(
        "node-drained",
        "All volumes of a node move to another one.",
        *steps(Drained("east-1")),
    ),
    _scenario(
        "node-replaced",
        "A node is killed for good, and another one gets its volumes.",
        *steps(NodeReplaced("east-1", "east-2")),
    ),
    _scenario(
        "maps-changed",
        "The volume map changes every 0.6 s.",
        *steps(MapsChanged(), begins=0.05, ends=0.95),
    ),
    _scenario(
        "maps-raced",
        "Operators in both colos put different maps in force at once.",
        *steps(MapsRaced()),
    ),
    _scenario(
        "edge-left-behind",
        "A node is drained, and an edge keeps the map from before.",
        Step(fault=EdgeLeftBehind("west-nginx", drained="west-1"), begins=0.1, ends=0.95),
        Step(fault=Drained("west-1"), begins=0.2, ends=0.9),
    ),
)
