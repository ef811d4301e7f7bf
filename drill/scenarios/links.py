"""Scenarios of links that are cut, slow, lossy or lying."""

from drill.cluster.tcp_proxy import LinkConditions
from drill.faults.links import (
    ColoOneWayLoss,
    ColosCut,
    DegradedLinks,
    Failing,
    FailureMode,
    Flapping,
)
from drill.scenarios.scenario import ALL_EDGES, EAST_EDGES, Scenario, steps

LINKS = (
    Scenario(
        name="colos-cut",
        description="The two colos do not reach each other, and say so to whoever tries.",
        steps=steps(ColosCut()),
        unaffected_edges=ALL_EDGES,
        read_success_min=0.95,
        partitions_colos=True,
        is_representative=True,
    ),
    Scenario(
        name="colos-cut-silently",
        description="Whatever goes from one colo to the other is swallowed, and nobody is told.",
        steps=steps(ColosCut(FailureMode.HANGING)),
    ),
    Scenario(
        name="colo-cut-one-way",
        description="What east sends to west is lost, and what west sends to east arrives.",
        steps=steps(ColoOneWayLoss("east", "west")),
    ),
    Scenario(
        name="colo-cut-the-other-way",
        description="What west sends to east is lost, and what east sends to west arrives.",
        steps=steps(ColoOneWayLoss("west", "east")),
    ),
    Scenario(
        name="node-cut-off",
        description="Nobody reaches one node, which is well and knows nothing of it.",
        steps=steps(Failing("*", "east-1.*")),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="node-hangs",
        description="One node takes connections and never answers.",
        steps=steps(Failing("*", "west-1.*", FailureMode.HANGING)),
    ),
    Scenario(
        name="master-without-nodes",
        description="The storagemaster of a colo reaches its clients, and no node at all.",
        steps=steps(Failing("east", "*.write")),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="links-flapping",
        description="The links to one colo's nodes break and heal once a second.",
        steps=steps(Flapping("*", "west-?.*")),
        unaffected_edges=EAST_EDGES,
        read_success_min=0.97,
    ),
    Scenario(
        name="links-slow",
        description="Everything between the colos takes 200 to 300 ms longer.",
        steps=steps(
            DegradedLinks(
                "east", "west-*", LinkConditions(delay_seconds=0.2, jitter_seconds=0.1), "delayed"
            ),
            DegradedLinks(
                "west", "east-*", LinkConditions(delay_seconds=0.2, jitter_seconds=0.1), "delayed"
            ),
        ),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="links-low-bandwidth",
        description="64 KiB a second is all that a connection to the nodes of one colo carries.",
        steps=steps(
            DegradedLinks("*", "west-?.*", LinkConditions(bytes_per_second=65536), "delayed")
        ),
        unaffected_edges=EAST_EDGES,
    ),
    Scenario(
        name="links-lossy",
        description="One piece in twenty stalls, and one in a hundred ends its connection.",
        steps=steps(
            DegradedLinks(
                "*",
                "*-?.*",
                LinkConditions(stall_chance=0.05, stall_seconds=0.5, reset_chance=0.01),
                "stalled",
            )
        ),
        unaffected_edges=ALL_EDGES,
        read_success_min=0.9,
    ),
    Scenario(
        name="links-reset-in-the-body",
        description="Every answer of a node's read port ends after 20,000 bytes.",
        steps=steps(
            DegradedLinks("*", "east-?.read", LinkConditions(reset_after_bytes=20_000), "reset")
        ),
    ),
    Scenario(
        name="links-corrupt",
        description="One piece in fifty between storagemasters and nodes has a bit flipped.",
        steps=steps(DegradedLinks("*", "*.write", LinkConditions(flip_chance=0.02), "flipped")),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
)
