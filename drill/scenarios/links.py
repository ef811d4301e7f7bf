"""Scenarios of links that are cut, slow, lossy, or corrupt."""

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
        description="The two colos cannot reach each other: connections are reset.",
        steps=steps(ColosCut()),
        unaffected_edges=ALL_EDGES,
        read_success_min=0.95,
        partitions_colos=True,
        is_representative=True,
    ),
    Scenario(
        name="colos-cut-silently",
        description="The two colos cannot reach each other: connections hang.",
        steps=steps(ColosCut(FailureMode.HANGING)),
    ),
    Scenario(
        name="colo-cut-one-way",
        description="Bytes from east to west are lost; bytes from west to east arrive.",
        steps=steps(ColoOneWayLoss("east", "west")),
    ),
    Scenario(
        name="colo-cut-the-other-way",
        description="Bytes from west to east are lost; bytes from east to west arrive.",
        steps=steps(ColoOneWayLoss("west", "east")),
    ),
    Scenario(
        name="node-cut-off",
        description="A healthy node is unreachable.",
        steps=steps(Failing("*", "east-1.*")),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="node-hangs",
        description="One node accepts connections and never responds.",
        steps=steps(Failing("*", "west-1.*", FailureMode.HANGING)),
    ),
    Scenario(
        name="master-without-nodes",
        description="The storagemaster of a colo reaches its clients, but no node.",
        steps=steps(Failing("east", "*.write")),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="links-flapping",
        description="The links to the nodes of one colo are cut and reconnected every second.",
        steps=steps(Flapping("*", "west-?.*")),
        unaffected_edges=EAST_EDGES,
        read_success_min=0.97,
    ),
    Scenario(
        name="links-slow",
        description="Traffic between the colos is delayed by 200 to 300 ms.",
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
        description="Each connection to the nodes of one colo carries 64 KiB per second.",
        steps=steps(
            DegradedLinks("*", "west-?.*", LinkConditions(bytes_per_second=65536), "delayed")
        ),
        unaffected_edges=EAST_EDGES,
    ),
    Scenario(
        name="links-lossy",
        description="One chunk in twenty stalls, and one in a hundred resets its connection.",
        steps=steps(
            DegradedLinks(
                "*",
                "*-?.*",
                LinkConditions(stall_probability=0.05, stall_seconds=0.5, reset_probability=0.01),
                "stalled",
            )
        ),
        unaffected_edges=ALL_EDGES,
        read_success_min=0.9,
    ),
    Scenario(
        name="links-reset-in-the-body",
        description="Read connections to one colo's nodes are reset after 20,000 bytes.",
        steps=steps(
            DegradedLinks("*", "east-?.read", LinkConditions(reset_after_bytes=20_000), "reset")
        ),
    ),
    Scenario(
        name="links-corrupt",
        description="One chunk in fifty between storagemasters and nodes has a flipped bit.",
        steps=steps(
            DegradedLinks("*", "*.write", LinkConditions(flip_probability=0.02), "flipped")
        ),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
)
