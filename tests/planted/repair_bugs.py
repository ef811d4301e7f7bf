"""Bugs in repair and hinted handoff."""

import contextlib

from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.volume_owners import VolumeOwners, rendezvous_order
from storagemaster.repair import hinted_handoff, plan, reconcile, settlement, volume_plan
from storagemaster.repair.hinted_handoff import HintedHandoff
from storagemaster.repair.steps import Plan, WriteTombstone
from storagemaster.repair.task_runs import TaskRuns
from storagenode.protocol.errors import NodeError
from tests.planted.finders import Simulation, Tests
from tests.planted.planted_bug import PlantedBug
from volumes.photo_path import PhotoTombstone, VersionTombstone, parse_name


def deletes_what_a_mirror_lacks(patch):
    """Plan a tombstone for each file that a mirror lacks."""
    plan_shard = volume_plan.plan_shard

    def plan(volume, listings, **known):
        found = plan_shard(volume, listings, **known)
        names = [{each.name for each in files} for files in listings.values()]
        lacking = set.union(*names) - set.intersection(*names)
        gone = {
            VersionTombstone(file.photo_version)
            for file in (parse_name(volume, name) for name in lacking)
            if not isinstance(file, PhotoTombstone | VersionTombstone)
        }
        steps = [
            WriteTombstone(node, each, node)
            for each in sorted(gone, key=repr)
            for node in sorted(listings)
        ]
        return Plan((*steps, *found.steps), found.conflicts)

    async def seconds_of(*_):
        return 0

    patch.setattr(volume_plan, "plan_shard", plan)
    patch.setattr(TombstoneDelivery, "seconds_of", seconds_of)


def settles_by_view(patch):
    """Keep the original of the node whose name is first, whatever other nodes have."""
    patch.setattr(
        settlement,
        "original_that_stays",
        lambda originals, mirrors: min(originals, key=lambda each: (each.node, mirrors)),
    )


def mixes_sizes_of_two_libraries(patch):
    """Choose the source of each size independently."""
    patch.setattr(
        plan,
        "_source",
        lambda file, holders, held: min(
            (node for node in holders if holders[node].digest and held),
            key=lambda node: (holders[node].digest, repr(file)),
        ),
    )


def replaces_sizes_one_by_one(patch):
    """Replace each size before the others are fetched."""

    async def replace(repairs, sizes):
        for step in sizes.steps:
            pull = repairs._pull(step)
            await repairs._nodes[sizes.node].pull(pull, timeout_seconds=10)

    patch.setattr(TaskRuns, "_replace_sizes", replace)


def delivers_hinted_sizes_one_by_one(patch):
    """Deliver each hinted size independently of its info document."""
    patch.setattr(hinted_handoff, "_bundle_sizes", lambda files: [(file,) for file in files])


def removes_hints_before_delivery(patch):
    """Remove a hint also if its delivery failed."""
    deliver_file = HintedHandoff._deliver_file

    async def deliver(work, each):
        with contextlib.suppress(NodeError):
            await deliver_file(work, each)

    patch.setattr(HintedHandoff, "_deliver_file", deliver)


def keeps_conflicting_hints(patch):
    """Treat a conflict on the mirror as a temporary error."""

    class NeverRaised(NodeError):
        pass

    patch.setattr(hinted_handoff, "Conflict", NeverRaised)


def counts_an_unreachable_source_as_a_failure(patch):
    """Treat an unreachable source as an error of the file."""

    class NeverRaised(NodeError):
        pass

    for module in (reconcile, hinted_handoff):
        patch.setattr(module, "SourceUnreachable", NeverRaised)


def leaves_volumes_to_the_dead(patch):
    """Own only the volumes whose order begins with this storagemaster."""
    patch.setattr(
        VolumeOwners,
        "is_own",
        lambda self, volume: rendezvous_order(self._masters, volume)[0] == self._own,
    )


BUGS_OF_REPAIRS = (
    PlantedBug(
        what="the volumes of a dead storagemaster are not taken over",
        plant=leaves_volumes_to_the_dead,
        found_by=Tests("tests/storagemaster/repair/test_shared_volumes.py"),
    ),
    PlantedBug(
        what="settlement ignores how many nodes have an original",
        plant=settles_by_view,
        found_by=Tests("tests/storagemaster/repair/test_settlement.py"),
    ),
    PlantedBug(
        what="absence on one mirror deletes on the other",
        plant=deletes_what_a_mirror_lacks,
        found_by=Simulation("C4"),
    ),
    PlantedBug(
        what="sizes of one version come from two mirrors",
        plant=mixes_sizes_of_two_libraries,
        found_by=Tests("tests/storagemaster/repair/test_plan.py"),
    ),
    PlantedBug(
        what="sizes are replaced one by one",
        plant=replaces_sizes_one_by_one,
        found_by=Tests("tests/probes/test_sizes_made_twice.py"),
    ),
    PlantedBug(
        what="hinted sizes of two libraries are delivered one by one",
        plant=delivers_hinted_sizes_one_by_one,
        found_by=Tests("tests/storagemaster/repair/test_hinted_handoff.py"),
    ),
    PlantedBug(
        what="a hint is removed before its delivery",
        plant=removes_hints_before_delivery,
        found_by=Tests("tests/storagemaster/repair/test_hinted_handoff.py"),
    ),
    PlantedBug(
        what="hinted sizes that conflict on the mirror are kept permanently",
        plant=keeps_conflicting_hints,
        found_by=Simulation("C7"),
    ),
    PlantedBug(
        what="an unreachable source counts as a failure of the file",
        plant=counts_an_unreachable_source_as_a_failure,
        found_by=Tests("tests/storagemaster/repair/test_hinted_handoff.py"),
    ),
)
