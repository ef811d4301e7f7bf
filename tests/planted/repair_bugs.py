"""Bugs in what makes mirrors equal again."""

import contextlib

from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.repair import hinted_handoff, plan, reconcile
from storagemaster.repair.hinted_handoff import HintedHandoff
from storagemaster.repair.reconcile import Reconciler
from storagemaster.repair.steps import Plan, WriteTombstone
from storagenode.protocol.errors import NodeError
from tests.planted.finders import Simulation, Tests
from tests.planted.planted_bug import PlantedBug
from volumes.photo_path import PhotoTombstone, Variant, VersionTombstone, parse_name


def takes_absence_for_a_delete(patch):
    """What one mirror lacks, all are to lose."""
    plan_shard = reconcile.plan_shard

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
            WriteTombstone(node, each)
            for each in sorted(gone, key=repr)
            for node in sorted(listings)
        ]
        return Plan((*steps, *found.steps), found.conflicts)

    patch.setattr(reconcile, "plan_shard", plan)


def copies_what_is_gone(patch):
    """A tombstone covers nothing."""
    patch.setattr(plan, "_is_covered", lambda _file, _gone: False)


def brings_no_tombstones(patch):
    """Mirrors that were away keep what was deleted."""
    patch.setattr(plan, "_plan_tombstone", lambda *_: [])


def copies_nothing(patch):
    """What a mirror has lost stays lost there."""

    async def apply(_, plan, *, unthrottled=False):
        del unthrottled
        return reconcile.RepairReport(done=len(plan.steps) * 0)

    patch.setattr(Reconciler, "apply", apply)


def chooses_between_originals(patch):
    """By the least digest, as with sizes."""
    patch.setattr(Variant, "is_original", property(lambda _: False))


def mixes_sizes_of_two_libraries(patch):
    """Each file from whichever node comes first."""
    patch.setattr(
        plan,
        "_source",
        lambda file, holders, held: min(
            (node for node in holders if holders[node].digest and held),
            key=lambda node: (holders[node].digest, repr(file)),
        ),
    )


def replaces_sizes_before_they_are_known_to_be_sound(patch):
    """One that cannot be sent stays as it was, of another library than the rest."""

    async def replace(repairs, sizes):
        for step in sizes.steps:
            pull = repairs._pull(step)
            await repairs._nodes[sizes.node].pull(pull, timeout_seconds=10)

    patch.setattr(Reconciler, "_replace_sizes", replace)


def believes_bytes_that_lost_their_digest(patch):
    """Without asking who else has them."""

    async def nothing(*_):
        return ""

    patch.setattr(reconcile, "digest_elsewhere", nothing)


def brings_owed_sizes_home_one_by_one(patch):
    """Those of two libraries as they come."""
    patch.setattr(hinted_handoff, "_bundle_sizes", lambda files: [(file,) for file in files])


def leaves_owed_work(patch):
    """Reconcile will do."""

    async def nothing(_):
        return 0

    patch.setattr(HintedHandoff, "deliver_all", nothing)


def settles_before_it_is_at_home(patch):
    """As soon as it was tried."""
    bring_home = HintedHandoff._deliver_file

    async def bring(work, each):
        with contextlib.suppress(NodeError):
            await bring_home(work, each)

    patch.setattr(HintedHandoff, "_deliver_file", bring)


def purges_nothing_that_comes_late(patch):
    """What a mirror served that had not heard stays in the caches."""

    async def none(*_):
        return []

    patch.setattr(TombstoneDelivery, "_versions_on", none)


def keeps_owed_sizes_for_ever(patch):
    """Where the home has other ones."""

    class OfNoKind(NodeError):
        pass

    patch.setattr(hinted_handoff, "Conflict", OfNoKind)


def gives_up_what_it_cannot_reach(patch):
    """As if it were the fault of the file."""

    class OfNoKind(NodeError):
        pass

    for module in (reconcile, hinted_handoff):
        patch.setattr(module, "SourceUnreachable", OfNoKind)


def leaves_tombstones_without_digest(patch):
    """They are there, and their shards are never equal again."""
    bury = plan._plan_tombstone

    def only_where_it_lacks(tombstone, held, listings):
        has_it = set(held[tombstone])
        covered = {
            node
            for file, nodes in held.items()
            if file != tombstone and not isinstance(file, PhotoTombstone | VersionTombstone)
            for node in nodes
        }
        return [
            step
            for step in bury(tombstone, held, listings)
            if step.node not in has_it or step.node in covered
        ]

    patch.setattr(plan, "_plan_tombstone", only_where_it_lacks)


BUGS_OF_REPAIRS = (
    PlantedBug(
        what="absence on one mirror deletes on the other",
        plant=takes_absence_for_a_delete,
        found_by=Simulation("C4"),
    ),
    PlantedBug(
        what="a plan copies what a tombstone covers",
        plant=copies_what_is_gone,
        found_by=Tests("tests/storagemaster/repair/test_plan.py"),
    ),
    PlantedBug(
        what="a plan brings no tombstones to mirrors that lack them",
        plant=brings_no_tombstones,
        found_by=Simulation("C5"),
    ),
    PlantedBug(
        what="reconcile plans and does nothing",
        plant=copies_nothing,
        found_by=Simulation("C6"),
    ),
    PlantedBug(
        what="reconcile chooses between two originals of one name",
        plant=chooses_between_originals,
        found_by=Tests("tests/storagemaster/repair/test_plan.py"),
    ),
    PlantedBug(
        what="sizes of one version are taken from two mirrors",
        plant=mixes_sizes_of_two_libraries,
        found_by=Tests("tests/storagemaster/repair/test_plan.py"),
    ),
    PlantedBug(
        what="sizes are replaced before all that replace them are known to be sound",
        plant=replaces_sizes_before_they_are_known_to_be_sound,
        found_by=Tests("tests/probes/test_sizes_made_twice.py"),
    ),
    PlantedBug(
        what="bytes that lost their digest are believed, whatever is noted of other copies",
        plant=believes_bytes_that_lost_their_digest,
        found_by=Tests("tests/probes/test_sizes_made_twice.py"),
    ),
    PlantedBug(
        what="owed sizes of two libraries are brought home file by file",
        plant=brings_owed_sizes_home_one_by_one,
        found_by=Tests("tests/storagemaster/repair/test_hinted_handoff.py"),
    ),
    PlantedBug(
        what="owed work is never brought home",
        plant=leaves_owed_work,
        found_by=Simulation("C7"),
    ),
    PlantedBug(
        what="owed work is let go of before it is at home",
        plant=settles_before_it_is_at_home,
        found_by=Tests("tests/storagemaster/repair/test_hinted_handoff.py"),
    ),
    PlantedBug(
        what="what a mirror still served when a tombstone reached it late is not purged",
        plant=purges_nothing_that_comes_late,
        found_by=Tests("tests/storagemaster/caches/test_purging.py"),
    ),
    PlantedBug(
        what="owed sizes whose name is taken at home are kept for ever",
        plant=keeps_owed_sizes_for_ever,
        found_by=Simulation("C7"),
    ),
    PlantedBug(
        what="a file is given up because the node that has it was not reached",
        plant=gives_up_what_it_cannot_reach,
        found_by=Tests("tests/storagemaster/repair/test_hinted_handoff.py"),
    ),
    PlantedBug(
        what="a tombstone that has lost its digest is left without",
        plant=leaves_tombstones_without_digest,
        found_by=Simulation("C8", first_seed=125),
    ),
)
