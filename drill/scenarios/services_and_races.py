"""Scenarios of shared services, deletes during other work, lost colos, and two faults."""

from drill.faults.clients import FetchOutlivesDelete, HalfOpenFlood
from drill.faults.disks import Damage, Damaged, DiskReplaced
from drill.faults.links import ColosCut
from drill.faults.processes import Down, Killed, Paused
from drill.faults.races import KeysRaced
from drill.faults.services import CacheCorrupts, LateDuplicates, QueueFlushed, UndecodableUploads
from drill.load.load import Pace
from drill.scenarios.scenario import ALL_EDGES, EAST_EDGES, Scenario, Step, steps

MANY_DELETES = Pace(deletes=4.0, uploads=5.0, deletes_newest=True)

SERVICES = (
    Scenario(
        name="queue-killed",
        description="Valkey is killed, and restarts empty.",
        steps=steps(Killed(("valkey",))),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="queue-paused",
        description="Valkey accepts connections and never responds.",
        steps=steps(Paused(("valkey",))),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="queue-flushed",
        description="Valkey loses all jobs while the workers are stopped.",
        steps=steps(Paused(("*-worker-*",), with_children=True), QueueFlushed()),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="memcached-killed",
        description="Memcached is down.",
        steps=steps(Down(("memcached-1",))),
        unaffected_edges=ALL_EDGES,
        needs=("memcached",),
    ),
    Scenario(
        name="memcached-corrupt",
        description="Memcached returns the documents of other photos, and garbage.",
        steps=steps(CacheCorrupts()),
        unaffected_edges=ALL_EDGES,
        needs=("memcached",),
        is_representative=True,
    ),
    Scenario(
        name="half-open-flood",
        description="Clients hold many half-sent requests open at every port during uploads.",
        steps=steps(HalfOpenFlood()),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="undecodable-photos",
        description="Clients upload photos that no worker can decode.",
        steps=steps(UndecodableUploads()),
        unaffected_edges=ALL_EDGES,
        converge_seconds_max=90.0,
    ),
)

RACES = (
    Scenario(
        name="delete-while-sizes-are-made",
        description="The newest photos are deleted while workers make their sizes.",
        steps=steps(Killed(("east-worker-1",), times=2)),
        pace=MANY_DELETES,
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="delete-while-a-mirror-is-paused",
        description="The newest photos are deleted while one mirror is stopped.",
        steps=steps(Paused(("east-1",))),
        pace=MANY_DELETES,
        is_representative=True,
    ),
    Scenario(
        name="delete-while-colos-are-cut",
        description="Photos are deleted in both colos while these cannot reach each other.",
        steps=steps(ColosCut()),
        pace=MANY_DELETES,
    ),
    Scenario(
        name="delete-while-a-node-is-rebuilt",
        description="Photos are deleted while the cluster refills an empty node.",
        steps=steps(DiskReplaced("east-1"), begins=0.4),
        pace=MANY_DELETES,
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="key-raced-through-a-cut",
        description="One key is uploaded in both colos at once, during a cut and afterwards.",
        steps=steps(ColosCut(), KeysRaced()),
        is_representative=True,
    ),
    Scenario(
        name="fetch-outlives-delete",
        description="A photo is deleted while every edge fetches it over a thin link.",
        steps=steps(FetchOutlivesDelete()),
        is_representative=True,
    ),
    Scenario(
        name="delete-then-a-late-upload",
        description="Uploads arrive a second time after their photos were deleted.",
        steps=steps(LateDuplicates()),
        pace=Pace(deletes=2.0, uploads=4.0),
        unaffected_edges=ALL_EDGES,
    ),
)

COLOS = (
    Scenario(
        name="colo-lost",
        description="All processes of one colo are killed, and restart later.",
        steps=steps(Down(("west-?", "west-master", "west-worker-*", "west-nginx"))),
        unaffected_edges=EAST_EDGES,
        read_success_min=0.98,
        is_representative=True,
    ),
    Scenario(
        name="colo-lost-while-repairing",
        description="The colos are partitioned while the cluster refills an empty node.",
        steps=(
            Step(fault=DiskReplaced("west-1"), begins=0.2, ends=0.25),
            Step(fault=ColosCut(), begins=0.35, ends=0.7),
        ),
    ),
    Scenario(
        name="node-down-and-queue-flushed",
        description="A node is down, and the queue loses all jobs.",
        steps=steps(Down(("east-2",)), QueueFlushed(after_seconds=3.0)),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="node-paused-and-bits-flipped",
        description="A node is stopped, and bits flip on another.",
        steps=steps(Paused(("west-2",)), Damaged("east-1", Damage.FLIPPED, 3)),
    ),
)
