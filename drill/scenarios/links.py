"""Scenarios of links that are cut, slow, lossy or lying."""

from drill.cluster.tcp_proxy import Weather
from drill.faults.links import BadWeather, ColoDeaf, ColosCut, Failing, Flapping, Ways
from drill.scenarios.scenario import ALL_EDGES, EAST_EDGES, Scenario, steps

LINKS = (
    Scenario(
        name="colos-cut",
        story="The two colos do not reach each other, and say so to whoever tries.",
        steps=steps(ColosCut()),
        edges_spared=ALL_EDGES,
        reads_ok_min=0.95,
        keeps_colos_apart=True,
        is_representative=True,
    ),
    Scenario(
        name="colos-cut-silently",
        story="Whatever goes from one colo to the other is swallowed, and nobody is told.",
        steps=steps(ColosCut(Ways.SWALLOWED)),
    ),
    Scenario(
        name="colo-cut-one-way",
        story="What east sends to west is lost, and what west sends to east arrives.",
        steps=steps(ColoDeaf("east", "west")),
    ),
    Scenario(
        name="colo-cut-the-other-way",
        story="What west sends to east is lost, and what east sends to west arrives.",
        steps=steps(ColoDeaf("west", "east")),
    ),
    Scenario(
        name="node-cut-off",
        story="Nobody reaches one node, which is well and knows nothing of it.",
        steps=steps(Failing("*", "east-1.*")),
        edges_spared=ALL_EDGES,
    ),
    Scenario(
        name="node-swallows",
        story="One node takes connections and never answers.",
        steps=steps(Failing("*", "west-1.*", Ways.SWALLOWED)),
    ),
    Scenario(
        name="master-without-nodes",
        story="The storagemaster of a colo reaches its clients, and no node at all.",
        steps=steps(Failing("east", "*.write")),
        edges_spared=ALL_EDGES,
    ),
    Scenario(
        name="links-flapping",
        story="The links to one colo's nodes break and heal once a second.",
        steps=steps(Flapping("*", "west-?.*")),
        edges_spared=EAST_EDGES,
        reads_ok_min=0.97,
    ),
    Scenario(
        name="links-slow",
        story="Everything between the colos takes 200 to 300 ms longer.",
        steps=steps(
            BadWeather("east", "west-*", Weather(delay_seconds=0.2, jitter_seconds=0.1), "delayed"),
            BadWeather("west", "east-*", Weather(delay_seconds=0.2, jitter_seconds=0.1), "delayed"),
        ),
        edges_spared=ALL_EDGES,
    ),
    Scenario(
        name="links-thin",
        story="64 KiB a second is all that a connection to the nodes of one colo carries.",
        steps=steps(BadWeather("*", "west-?.*", Weather(bytes_per_second=65536), "delayed")),
        edges_spared=EAST_EDGES,
    ),
    Scenario(
        name="links-lossy",
        story="One piece in twenty stalls, and one in a hundred ends its connection.",
        steps=steps(
            BadWeather(
                "*",
                "*-?.*",
                Weather(stall_chance=0.05, stall_seconds=0.5, reset_chance=0.01),
                "stalled",
            )
        ),
        edges_spared=ALL_EDGES,
        reads_ok_min=0.9,
    ),
    Scenario(
        name="links-reset-in-the-body",
        story="Every answer of a node's read port ends after 20,000 bytes.",
        steps=steps(BadWeather("*", "east-?.read", Weather(reset_after_bytes=20_000), "reset")),
    ),
    Scenario(
        name="links-corrupt",
        story="One piece in fifty between storagemasters and nodes has a bit flipped.",
        steps=steps(BadWeather("*", "*.write", Weather(flip_chance=0.02), "flipped")),
        edges_spared=ALL_EDGES,
        is_representative=True,
    ),
)
