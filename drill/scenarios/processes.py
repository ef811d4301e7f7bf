"""Scenarios of killed, paused, and restarted processes, and of wrong clocks."""

from drill.faults.processes import ChildrenKilled, ClockSkewed, Down, Killed, Paused, Restarted
from drill.load.load import Pace
from drill.scenarios.scenario import ALL_EDGES, EAST_EDGES, WEST_EDGES, Scenario, steps

NODES = ("east-?", "west-?")

PROCESSES = (
    Scenario(
        name="node-killed",
        description="A node is killed three times, and restarts each time.",
        steps=steps(Killed(("west-1",), times=3)),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="node-paused",
        description="A node is stopped with all its connections open.",
        steps=steps(Paused(("west-2",))),
        unaffected_edges=EAST_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="node-down-in-each-colo",
        description="One node of each colo is down; volumes without a mirror get 503.",
        steps=steps(Down(("east-1", "west-1"))),
    ),
    Scenario(
        name="node-crash-loop",
        description="A node is killed eight times, once a second.",
        steps=steps(Killed(("east-1",), times=8, every_seconds=1.0)),
        unaffected_edges=WEST_EDGES,
    ),
    Scenario(
        name="master-killed",
        description="A storagemaster is killed three times under load.",
        steps=steps(Killed(("east-master",), times=3)),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="master-paused",
        description="A storagemaster is stopped during uploads.",
        steps=steps(Paused(("west-master",))),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="workers-killed",
        description="Both image workers are killed three times during jobs.",
        steps=steps(Killed(("*-worker-*",), times=3)),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="worker-children-killed",
        description="The child processes that decode photos are killed.",
        steps=steps(ChildrenKilled("east-worker-1"), ChildrenKilled("west-worker-1")),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="workers-paused",
        description="Both workers are stopped during jobs, and continue later.",
        steps=steps(Paused(("*-worker-*",), with_children=True)),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="nginx-killed",
        description="The nginx master process of a colo is killed twice.",
        steps=steps(Killed(("east-nginx",), times=2, every_seconds=3.0)),
        unaffected_edges=("west-nginx", "varnish"),
        needs=("nginx",),
    ),
    Scenario(
        name="nginx-workers-killed",
        description="The worker processes of an nginx are killed; its master replaces them.",
        steps=steps(ChildrenKilled("west-nginx")),
        unaffected_edges=("east-nginx", "varnish"),
        needs=("nginx",),
    ),
    Scenario(
        name="nginx-paused",
        description="An nginx is stopped; deletes cannot purge its cache until it continues.",
        steps=steps(Paused(("east-nginx",), with_children=True)),
        unaffected_edges=("west-nginx", "varnish"),
        pace=Pace(deletes=2.0),
        needs=("nginx",),
    ),
    Scenario(
        name="varnish-killed",
        description="Varnish is killed, and restarts with a cold cache under load.",
        steps=steps(Killed(("varnish",), times=2, every_seconds=3.0)),
        unaffected_edges=("east-nginx", "west-nginx"),
        needs=("varnishd",),
    ),
    Scenario(
        name="varnish-child-killed",
        description="The child process of Varnish, which serves requests, is killed.",
        steps=steps(ChildrenKilled("varnish")),
        unaffected_edges=("east-nginx", "west-nginx"),
        needs=("varnishd",),
    ),
    Scenario(
        name="rolling-restart",
        description="All processes are restarted one after the other, as for a new release.",
        steps=steps(
            Restarted(("valkey", "memcached-*", *NODES, "*-master", "*-worker-*", "*nginx")),
            begins=0.15,
            ends=0.8,
        ),
        read_success_min=0.97,
        unaffected_edges=("varnish",),
    ),
    Scenario(
        name="clock-an-hour-ahead",
        description="The clock of a node is an hour ahead.",
        steps=steps(ClockSkewed("west-1", 3600)),
        unaffected_edges=ALL_EDGES,
        needs=("libfaketime",),
        is_representative=True,
    ),
    Scenario(
        name="clock-an-hour-behind",
        description="The clock of a storagemaster is an hour behind.",
        steps=steps(ClockSkewed("east-master", -3600)),
        unaffected_edges=ALL_EDGES,
        needs=("libfaketime",),
    ),
)
