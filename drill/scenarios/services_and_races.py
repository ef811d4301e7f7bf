"""Scenarios of services, of deletes in the middle of everything, of colos, and two at once."""

from drill.faults.disks import Damage, Damaged, Emptied
from drill.faults.links import ColosCut
from drill.faults.processes import Down, Killed, Paused
from drill.faults.services import CacheLies, LateDuplicates, Poisoned, QueueFlushed
from drill.load.load import Pace
from drill.scenarios.scenario import ALL_EDGES, EAST_EDGES, Scenario, Step, steps

MANY_DELETES = Pace(deletes=4.0, uploads=5.0, deletes_newest=True)

SERVICES = (
    Scenario(
        name="queue-killed",
        story="Valkey is killed and starts again with nothing.",
        steps=steps(Killed(("valkey",))),
        edges_spared=ALL_EDGES,
    ),
    Scenario(
        name="queue-paused",
        story="Valkey takes connections and never answers.",
        steps=steps(Paused(("valkey",))),
        edges_spared=ALL_EDGES,
    ),
    Scenario(
        name="queue-flushed",
        story="Valkey forgets all jobs while the workers stand still.",
        steps=steps(Paused(("*-worker-*",), with_children=True), QueueFlushed()),
        edges_spared=ALL_EDGES,
        is_representative=True,
    ),
    Scenario(
        name="memcached-killed",
        story="Memcached is away for a while.",
        steps=steps(Down(("memcached-1",))),
        edges_spared=ALL_EDGES,
        needs=("memcached",),
    ),
    Scenario(
        name="memcached-lies",
        story="Memcached answers with other photos' documents, and with nonsense.",
        steps=steps(CacheLies()),
        edges_spared=ALL_EDGES,
        needs=("memcached",),
        is_representative=True,
    ),
    Scenario(
        name="photos-poisoned",
        story="Photos that nobody can decode are uploaded among good ones.",
        steps=steps(Poisoned()),
        edges_spared=ALL_EDGES,
        converge_seconds_max=90.0,
    ),
)

RACES = (
    Scenario(
        name="delete-while-sizes-are-made",
        story="The newest photos are deleted, when their sizes are just being made.",
        steps=steps(Killed(("east-worker-1",), times=2)),
        pace=MANY_DELETES,
        edges_spared=ALL_EDGES,
    ),
    Scenario(
        name="delete-while-a-mirror-is-paused",
        story="The newest photos are deleted, when one of their mirrors stands still.",
        steps=steps(Paused(("east-1",))),
        pace=MANY_DELETES,
        is_representative=True,
    ),
    Scenario(
        name="delete-while-colos-are-cut",
        story="Photos are deleted in either colo, when they do not reach each other.",
        steps=steps(ColosCut()),
        pace=MANY_DELETES,
    ),
    Scenario(
        name="delete-while-a-node-is-rebuilt",
        story="Photos are deleted, when an emptied node is being filled again.",
        steps=steps(Emptied("east-1"), begins=0.4),
        pace=MANY_DELETES,
        edges_spared=ALL_EDGES,
    ),
    Scenario(
        name="delete-then-a-late-upload",
        story="Uploads arrive a second time when their photos are deleted already.",
        steps=steps(LateDuplicates()),
        pace=Pace(deletes=2.0, uploads=4.0),
        edges_spared=ALL_EDGES,
    ),
)

COLOS = (
    Scenario(
        name="colo-lost",
        story="Everything in one colo is killed, and comes back later.",
        steps=steps(Down(("west-?", "west-master", "west-worker-*", "west-nginx"))),
        edges_spared=EAST_EDGES,
        reads_ok_min=0.98,
        is_representative=True,
    ),
    Scenario(
        name="colo-lost-while-repairing",
        story="A node is emptied, and while it is filled again the other colo is cut off.",
        steps=(
            Step(fault=Emptied("west-1"), begins=0.2, ends=0.25),
            Step(fault=ColosCut(), begins=0.35, ends=0.7),
        ),
    ),
    Scenario(
        name="node-down-and-queue-flushed",
        story="A node is away, and the queue forgets everything.",
        steps=steps(Down(("east-2",)), QueueFlushed(after_seconds=3.0)),
        edges_spared=ALL_EDGES,
    ),
    Scenario(
        name="node-paused-and-bits-flipped",
        story="A node stands still, and on another the bits flip.",
        steps=steps(Paused(("west-2",)), Damaged("east-1", Damage.FLIPPED, 3)),
    ),
)
