"""Bugs in the summaries of shards."""

from storagemaster.repair.fence_lifting import FenceLifter
from storagemaster.repair.volume_comparison import VolumeComparison
from storagenode.disk.summaries import shard_summary, summaries
from storagenode.disk.summaries.summaries import Summaries
from tests.planted.finders import CrashStates, Simulation, Tests
from tests.planted.planted_bug import PlantedBug


def compares_names_only(patch):
    """Compute the digest of a shard without the digests of its files."""
    patch.setattr(
        shard_summary,
        "listing_digest",
        lambda files: "".join(sorted(file.name for file in files)),
    )


def caches_shard_digests_permanently(patch):
    """Return the first summary of each shard."""
    summary = Summaries._summary

    def remembered(self, volume, shard, sizes):
        known = self.__dict__.setdefault("planted", {})
        if (volume, shard, sizes) not in known and (found := summary(self, volume, shard, sizes)):
            known[volume, shard, sizes] = found
        return known.get((volume, shard, sizes))

    patch.setattr(Summaries, "_summary", remembered)


def believes_stale_summaries(patch):
    """Use a saved summary whatever has happened to its directory since."""
    patch.setattr(summaries, "stamp_of", lambda _stat: shard_summary.Stamp(1, -1, 1))


def summarizes_before_the_change(patch):
    """Look at the stamp of a directory after its listing."""
    summary = Summaries._summary

    def listed_first(self, volume, shard, sizes):
        list_shard = self._list_shard
        files = list_shard(volume, shard)
        self._list_shard = lambda *_: files
        try:
            return summary(self, volume, shard, sizes)
        finally:
            self._list_shard = list_shard

    patch.setattr(Summaries, "_summary", listed_first)


def saves_before_names_are_durable(patch):
    """Save a summary whose directory a power failure can still change."""
    patch.setattr(Summaries, "_sync", lambda *_: None)


def leaves_out_tombstone_digests(patch):
    """Give all shards the same digest of tombstones."""
    patch.setattr(shard_summary, "names_digest", lambda names: "some" if list(names) else "")


def saves_unsound_summaries(patch):
    """Save the summary of a shard that reconcile has to look into as if it were sound."""
    summarize = summaries.summarize

    def always_sound(*arguments, **options):
        found = summarize(*arguments, **options)
        return shard_summary.replace(found, is_sound=True)

    patch.setattr(summaries, "summarize", always_sound)


def digests_the_shards_of_a_volume_by_name(patch):
    """Compute the digest of a volume without the digests of its shards."""
    patch.setattr(summaries, "volume_digest", " ".join)


def forgets_pending_originals(patch):
    """Summarize a shard as if every original had its sizes."""
    summarize = summaries.summarize

    def nothing_pending(*arguments, **options):
        return shard_summary.replace(summarize(*arguments, **options), pending=())

    patch.setattr(summaries, "summarize", nothing_pending)


def counts_silent_mirrors_as_equal(patch):
    """Leave out the mirrors that did not report a volume when its digests are compared."""
    is_equal = VolumeComparison._is_equal

    def without_silent(self, volume, reported):
        (digest, *_) = [found[volume] for found in reported.values() if volume in found] or [None]
        filled = {node: {volume: digest} | found for node, found in reported.items()}
        return is_equal(self, volume, filled)

    patch.setattr(VolumeComparison, "_is_equal", without_silent)


def lifts_without_the_missed_tombstones(patch):
    """Count the tombstones that a mirror has and the fenced node lacks as delivered."""

    async def delivered(_self, _node, volumes, *_):
        return set(volumes)

    patch.setattr(FenceLifter, "_deliver_missed", delivered)


def lifts_without_silent_mirrors(patch):
    """Lift a fence when the mirrors that are up have reported their tombstones."""
    others = FenceLifter._others

    def those_up(self, node, volume):
        mirrors = self._mirrors.cluster.volumes[volume].mirrors
        up = tuple(each for each in mirrors if each != node and self._fleet.is_up(each))
        return others(self, node, volume) or up or (node,)

    patch.setattr(FenceLifter, "_others", those_up)


BUGS_OF_SUMMARIES = (
    PlantedBug(
        what="a fence is lifted before the node has the tombstones that it missed",
        plant=lifts_without_the_missed_tombstones,
        found_by=Tests("tests/probes/test_returning_nodes.py"),
    ),
    PlantedBug(
        what="a fence is lifted although another mirror did not report its tombstones",
        plant=lifts_without_silent_mirrors,
        found_by=Tests("tests/storagemaster/repair/test_fence_lifting.py"),
    ),
    PlantedBug(
        what="the digest of a volume does not depend on the digests of its shards",
        plant=digests_the_shards_of_a_volume_by_name,
        found_by=Simulation("C6"),
    ),
    PlantedBug(
        what="a shard with originals without sizes counts as done",
        plant=forgets_pending_originals,
        found_by=Simulation("C11"),
    ),
    PlantedBug(
        what="a mirror that did not report a volume counts as equal to the others",
        plant=counts_silent_mirrors_as_equal,
        found_by=Tests("tests/storagemaster/repair/test_volume_comparison.py"),
    ),
    PlantedBug(
        what="mirrors are compared by names, not by digests",
        plant=compares_names_only,
        found_by=Simulation("C6"),
    ),
    PlantedBug(
        what="the summary of a shard outlives its changes",
        plant=caches_shard_digests_permanently,
        found_by=Simulation("C6"),
    ),
    PlantedBug(
        what="a stale summary is used",
        plant=believes_stale_summaries,
        found_by=Tests("tests/storagenode/disk/test_summaries.py"),
    ),
    PlantedBug(
        what="a summary is made of a listing before a change",
        plant=summarizes_before_the_change,
        found_by=Tests("tests/storagenode/disk/test_summaries.py"),
    ),
    PlantedBug(
        what="a summary is saved before the names that it describes are durable",
        plant=saves_before_names_are_durable,
        found_by=CrashStates("save summaries between changes"),
    ),
    PlantedBug(
        what="the digest of tombstones does not depend on their names",
        plant=leaves_out_tombstone_digests,
        found_by=Tests("tests/probes/test_returning_nodes.py"),
    ),
    PlantedBug(
        what="a shard with an unverified file counts as sound",
        plant=saves_unsound_summaries,
        found_by=Tests("tests/storagenode/disk/test_summaries.py"),
    ),
)
