"""Scenarios of services, of deletes in the middle of everything, of colos, and two at once."""

from drill.faults.disks import Damage, Damaged, DiskReplaced
from drill.faults.links import ColosCut
from drill.faults.processes import Down, Killed, Paused
from drill.faults.services import CacheCorrupts, LateDuplicates, QueueFlushed, UndecodableUploads
from drill.load.load import Pace
from drill.scenarios.scenario import ALL_EDGES, EAST_EDGES, Scenario, Step, steps

MANY_DELETES = Pace(deletes=4.0, uploads=5.0, deletes_newest=True)

SERVICES = (
    Scenario(
        name="queue-killed",
        description="Valkey is killed and starts again with nothing.",
        steps=steps(Killed(("valkey",))),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="queue-paused",
        description="Valkey takes connections and never answers.",
        steps=steps(Paused(("valkey",))),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="queue-flushed",
        description="Valkey forgets all jobs while the workers stand still.",
        steps=steps(Paused(("*-worker-*",), with_children=True), QueueFlushed()),
        unaffected_edges=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="memcached-killed",
        description="Memcached is away for a while.",
        steps=steps(Down(("memcached-1",))),
        unaffected_edges=ALL_EDGES,
        needs=("memcached",),
    ),
    Scenario(
        name="memcached-corrupt",
        description="Memcached answers with other photos' documents, and with nonsense.",
        steps=steps(CacheCorrupts()),
        unaffected_edges=ALL_EDGES,
        needs=("memcached",),
        is_representative=True,
    ),
    Scenario(
        name="undecodable-photos",
        description="Photos that nobody can decode are uploaded among good ones.",
        steps=steps(UndecodableUploads()),
        unaffected_edges=ALL_EDGES,
        converge_seconds_max=90.0,
    ),
)

RACES = (
    Scenario(
        name="delete-while-sizes-are-made",
        description="The newest photos are deleted, when their sizes are just being made.",
        steps=steps(Killed(("east-worker-1",), times=2)),
        pace=MANY_DELETES,
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="delete-while-a-mirror-is-paused",
        description="The newest photos are deleted, when one of their mirrors stands still.",
        steps=steps(Paused(("east-1",))),
        pace=MANY_DELETES,
        is_representative=True,
    ),
    Scenario(
        name="delete-while-colos-are-cut",
        description="Photos are deleted in either colo, when they do not reach each other.",
        steps=steps(ColosCut()),
        pace=MANY_DELETES,
    ),
    Scenario(
        name="delete-while-a-node-is-rebuilt",
        description="Photos are deleted, when an emptied node is being filled again.",
        steps=steps(DiskReplaced("east-1"), begins=0.4),
        pace=MANY_DELETES,
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="delete-then-a-late-upload",
        description="Uploads arrive a second time when their photos are deleted already.",
        steps=steps(LateDuplicates()),
        pace=Pace(deletes=2.0, uploads=4.0),
        unaffected_edges=ALL_EDGES,
    ),
)

COLOS = (
    Scenario(
        name="colo-lost",
        description="Everything in one colo is killed, and comes back later.",
        steps=steps(Down(("west-?", "west-master", "west-worker-*", "west-nginx"))),
        unaffected_edges=EAST_EDGES,
        read_success_min=0.98,
        is_representative=True,
    ),
    Scenario(
        name="colo-lost-while-repairing",
        description="A node is emptied, and while it is filled again the other colo is cut off.",
        steps=(
            Step(fault=DiskReplaced("west-1"), begins=0.2, ends=0.25),
            Step(fault=ColosCut(), begins=0.35, ends=0.7),
        ),
    ),
    Scenario(
        name="node-down-and-queue-flushed",
        description="A node is away, and the queue forgets everything.",
        steps=steps(Down(("east-2",)), QueueFlushed(after_seconds=3.0)),
        unaffected_edges=ALL_EDGES,
    ),
    Scenario(
        name="node-paused-and-bits-flipped",
        description="A node stands still, and on another the bits flip.",
        steps=steps(Paused(("west-2",)), Damaged("east-1", Damage.FLIPPED, 3)),
    ),
)
