"""The store contract for offloaded volumes: cold tiers, dropped copies, and size filters."""

import pytest

from storagenode.protocol.errors import Conflict, NotAMirror
from tests.storagenode.photo_samples import (
    OTHER_VOLUME,
    VOLUME,
    bytes_of,
    digest_of,
    variant_of,
)
from tests.storagenode.store_under_test import OF, OTHER_PHOTO, OTHER_VERSION, names_of, put
from volumes.cold_tier import ColdTier, SizeFilter

COLD_TIER = ColdTier(sizes="hko", cold_nodes=("cold-1",))


class TieringContract:
    """The promises about offloaded volumes."""

    def test_a_cold_tier_is_recorded_until_it_is_removed(self, trial):
        """It survives the process, and needs a mirror here."""
        trial.store.set_cold_tier(VOLUME, COLD_TIER)
        trial.store.set_cold_tier(VOLUME, COLD_TIER)
        trial.restart()
        assert trial.store.cold_tiers == {VOLUME: COLD_TIER}
        with pytest.raises(NotAMirror):
            trial.store.set_cold_tier(OTHER_VOLUME, COLD_TIER)
        for _ in range(2):
            trial.store.set_cold_tier(VOLUME, None)
        trial.restart()
        assert trial.store.cold_tiers == {}

    def test_only_offloaded_files_with_the_same_digest_are_dropped(self, trial):
        """Nothing else is removed without a tombstone; a missing file is not an error."""
        large, small = variant_of(OF), variant_of(OF, "m")
        for place in (large, small):
            put(trial.store, place, bytes_of("photo"))
        digest = digest_of(bytes_of("photo"))
        with pytest.raises(Conflict):
            trial.store.drop_copy(large, digest, node="east-1")
        trial.store.set_cold_tier(VOLUME, COLD_TIER)
        for place, wanted in ((small, digest), (large, digest_of(b"other")), (large, "")):
            with pytest.raises(Conflict):
                trial.store.drop_copy(place, wanted, node="east-1")
        assert len(names_of(trial.store)) == 2
        before = trial.store.shard_digests(VOLUME)
        for _ in range(2):
            trial.store.drop_copy(large, digest, node="east-1")
        assert names_of(trial.store) == [small.path.rpartition("/")[2]]
        assert trial.store.shard_digests(VOLUME) != before

    def test_a_dropped_copy_goes_to_the_trash(self, trial):
        """A drop by mistake can be undone until the retention ends."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        trial.store.set_cold_tier(VOLUME, COLD_TIER)
        trial.store.drop_copy(variant_of(OF), digest_of(bytes_of("photo")), node="east-1")
        (trashed,) = trial.store.list_trash(VOLUME, OF.photo)
        assert trashed.digest == digest_of(bytes_of("photo"))

    def test_a_cold_node_drops_no_copy(self, trial):
        """It can have the only one."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        trial.store.set_cold_tier(VOLUME, COLD_TIER)
        (cold_node,) = COLD_TIER.cold_nodes
        with pytest.raises(Conflict, match="is a cold node"):
            trial.store.drop_copy(variant_of(OF), digest_of(bytes_of("photo")), node=cold_node)
        assert len(names_of(trial.store)) == 1

    def test_a_size_filter_has_digests_of_its_own(self, trial):
        """Mirrors of an offloaded volume are compared by the files that both must have."""
        here, there = trial.store, trial.another_store()
        small, large = SizeFilter("ko", include=False), SizeFilter("ko", include=True)
        for store, sizes in ((here, "smko"), (there, "sm")):
            for size in sizes:
                put(store, variant_of(OF, size), bytes_of(size))
        put(there, variant_of(OTHER_PHOTO, "k"), bytes_of("k"))
        assert here.shard_digests(VOLUME, small) == there.shard_digests(VOLUME, small)
        assert here.shard_digests(VOLUME, small).keys() == {OF.shard}
        assert here.shard_digests(VOLUME, large).keys() == {OF.shard}
        assert there.shard_digests(VOLUME, large).keys() == {OTHER_PHOTO.shard}
        assert here.shard_digests(VOLUME) != there.shard_digests(VOLUME)
        before = here.shard_digests(VOLUME, small)
        put(here, variant_of(OF, "h"), bytes_of("h"))
        assert here.shard_digests(VOLUME, small) != before
        assert here.shard_digests(VOLUME, large).keys() == {OF.shard}

    def test_an_offloaded_version_is_relinked_without_its_original(self, trial):
        """The cold nodes relink the original."""
        put(trial.store, variant_of(OF, "m"), bytes_of("m"))
        trial.store.set_cold_tier(VOLUME, COLD_TIER)
        assert trial.store.relink(OF, OTHER_VERSION.version) == (
            variant_of(OTHER_VERSION, "m").path,
        )
