"""The other half of the store contract: listings, hints, quarantine, relinking, and restarts."""

import pytest

from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import BadRequest, Gone, InvalidSignature, NotAMirror, NotFound
from storagenode.protocol.files import VolumeSummary, names_digest
from storagenode.protocol.layout import Place
from tests.storagenode.photo_samples import (
    MTIME,
    OTHER_VOLUME,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.store_under_test import OF, OTHER_PHOTO, OTHER_VERSION, names_of, put
from tests.storagenode.tombstones import proof_of, write_tombstone
from volumes.photo_path import (
    Info,
    PhotoTombstone,
    PhotoVersion,
    VersionTombstone,
    render_path,
)


class KeepingContract:
    """The promises about stored files."""

    def test_a_listing_has_names_lengths_and_digests_in_order(self, trial):
        """In any order of arrival."""
        for size in "zam":
            put(trial.store, variant_of(OF, size), bytes_of(size, size=len(size) + 10))
        put(trial.store, variant_of(OTHER_PHOTO), bytes_of("other"))
        listed = trial.store.list_shard(VOLUME, OF.shard)
        assert [file.name[-5] for file in listed] == ["a", "m", "z"]
        assert {file.bytes for file in listed} == {11}
        assert [file.digest for file in listed] == [
            digest_of(bytes_of(size, size=11)) for size in "amz"
        ]
        assert trial.store.list_shard(VOLUME, "00") == ()

    def test_a_volume_that_the_map_gives_to_other_nodes_takes_tombstones_only(self, trial):
        """New files would be overlooked there. It takes them again if the map gives it back."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        trial.store.take_only([OTHER_VOLUME])
        late = variant_of(version_of(9))
        with pytest.raises(NotAMirror):
            put(trial.store, late, bytes_of("late"))
        with pytest.raises(NotAMirror):
            trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        file = InMemoryFile(late, bytes_of("late"), digest_of(bytes_of("late")), MTIME)
        (outcome,) = trial.store.publish_many([file])
        assert isinstance(outcome, NotAMirror)
        assert trial.read(variant_of(OF).path) == bytes_of("photo")
        write_tombstone(trial.store, Place(VersionTombstone(OF)))
        assert f"{OF.photo}_{OF.version}.gone" in names_of(trial.store)
        trial.store.take_only([VOLUME])
        put(trial.store, late, bytes_of("late"))

    def test_a_listing_of_a_photo_has_nothing_else(self, trial):
        """All its versions and tombstones, and no neighbor in the shard."""
        neighbour = PhotoVersion(VOLUME, f"0{OF.photo[1:-3]}0{OF.shard}", OF.version)
        for photo_version in (OF, OTHER_VERSION, neighbour):
            put(trial.store, variant_of(photo_version), bytes_of(photo_version))
        write_tombstone(trial.store, Place(VersionTombstone(version_of(7, version=2))))
        assert len(trial.store.list_shard(VOLUME, OF.shard)) == 4
        assert [file.name for file in trial.store.list_photo(VOLUME, OF.photo)] == [
            f"{OF.photo}_000000_o.jpg",
            f"{OF.photo}_000001_o.jpg",
            f"{OF.photo}_000002.gone",
        ]

    def test_tombstones_of_a_volume_are_listed_without_its_photos(self, trial):
        """For photos and versions of some shards; a volume without a mirror here is unknown."""
        put(trial.store, variant_of(OTHER_PHOTO), bytes_of("other"))
        shards = [OF.shard, OTHER_PHOTO.shard]
        assert trial.store.tombstones(VOLUME, shards) == []
        assert trial.store.tombstone_digests(VOLUME) == {}
        write_tombstone(trial.store, Place(PhotoTombstone(VOLUME, OF.photo)))
        write_tombstone(trial.store, Place(VersionTombstone(OTHER_PHOTO)))
        names = [f"{OF.photo}.gone", f"{OTHER_PHOTO.photo}_{OTHER_PHOTO.version}.gone"]
        assert trial.store.tombstones(VOLUME, shards) == names
        assert trial.store.tombstones(VOLUME, shards[:1]) == names[:1]
        digests = {shard: names_digest([name]) for shard, name in zip(shards, names, strict=True)}
        assert trial.store.tombstone_digests(VOLUME) == digests
        with pytest.raises(NotAMirror):
            trial.store.tombstones(OTHER_VOLUME, shards)
        with pytest.raises(NotAMirror):
            trial.store.tombstone_digests(OTHER_VOLUME)

    def test_an_unverified_file_keeps_a_recorded_digest(self, trial):
        """It is only looked up again."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        before = trial.store.shard_digests(VOLUME)
        trial.store.mark_unverified(variant_of(OF))
        assert trial.store.shard_digests(VOLUME) == before

    def test_digests_of_many_files_skip_missing_ones(self, trial):
        """A volume without a mirror here is not an empty one."""
        trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        write_tombstone(trial.store, Place(VersionTombstone(OTHER_VERSION)))
        files = [Info(OF), VersionTombstone(OF), Info(OTHER_PHOTO), VersionTombstone(OTHER_VERSION)]
        assert trial.store.digests(files) == {
            Info(OF): digest_of(bytes_of(Place(Info(OF)))),
            VersionTombstone(OTHER_VERSION): proof_of(Place(VersionTombstone(OTHER_VERSION))),
        }
        with pytest.raises(NotAMirror):
            trial.store.digests([Info(OF), Info(version_of(1, volume=OTHER_VOLUME))])

    def test_many_small_files_are_read_in_one_call(self, trial):
        """Missing files are skipped."""
        trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        data = bytes_of(Place(Info(OF)))
        found = trial.store.read_all([Info(OF), Info(OTHER_PHOTO)])
        assert found == {Info(OF): (data, digest_of(data))}

    def test_the_digest_of_a_shard_changes_exactly_with_its_files(self, trial):
        """Not with repeated calls, repeated puts, or another shard."""
        store = trial.store
        seen = [store.shard_digests(VOLUME)]
        assert seen == [{}]
        for change in (
            lambda: put(store, variant_of(OF), bytes_of("photo")),
            lambda: store.publish_bundle(bundle_of(OF, sizes="sm"), mtime_seconds=MTIME),
            lambda: write_tombstone(store, Place(VersionTombstone(OTHER_VERSION))),
            lambda: write_tombstone(store, Place(VersionTombstone(OF))),
            lambda: write_tombstone(store, Place(PhotoTombstone(VOLUME, OF.photo))),
        ):
            change()
            seen.append(store.shard_digests(VOLUME))
            assert seen[-1].keys() == {OF.shard}
            assert store.shard_digests(VOLUME) == seen[-1]
        assert len({str(digests) for digests in seen}) == len(seen)
        put(store, variant_of(OTHER_PHOTO), bytes_of("other"))
        digests = store.shard_digests(VOLUME)
        assert digests.keys() == {OF.shard, OTHER_PHOTO.shard}
        assert digests[OF.shard] == seen[-1][OF.shard]

    def test_mirrors_with_the_same_files_have_the_same_digests(self, trial):
        """In any order and at any time of arrival."""
        here, there = trial.store, trial.another_store()
        bundle = bundle_of(OF, sizes="smo")
        here.publish_bundle(bundle, mtime_seconds=MTIME)
        for place, data, _ in bundle[::-1]:
            put(there, place, data, mtime_seconds=MTIME + 1)
        assert here.shard_digests(VOLUME) == there.shard_digests(VOLUME) != {}
        assert here.volume_summary(VOLUME) == there.volume_summary(VOLUME)
        put(there, variant_of(OF, "z"), b"z")
        put(here, variant_of(OF, "z"), b"not z")
        assert here.shard_digests(VOLUME) != there.shard_digests(VOLUME)
        assert here.volume_summary(VOLUME).digest != there.volume_summary(VOLUME).digest

    def test_the_summary_of_a_volume_has_its_photos_and_bytes(self, trial):
        """Each original is a photo; each change of a file or a tombstone is another digest."""
        store = trial.store
        seen = [store.volume_summary(VOLUME)]
        assert seen == [VolumeSummary(digest="", photos=0, bytes=0)]
        put(store, variant_of(OF), bytes_of("photo"))
        put(store, variant_of(OF, "m"), bytes_of("m"))
        put(store, variant_of(OTHER_PHOTO), bytes_of("other"))
        seen.append(store.volume_summary(VOLUME))
        assert (seen[-1].photos, seen[-1].bytes) == (2, 300)
        assert store.volume_summary(VOLUME) == seen[-1]
        write_tombstone(store, Place(VersionTombstone(OF)))
        seen.append(store.volume_summary(VOLUME))
        assert (seen[-1].photos, seen[-1].bytes) == (1, 100)
        write_tombstone(store, Place(PhotoTombstone(VOLUME, OF.photo)))
        seen.append(store.volume_summary(VOLUME))
        assert len({each.digest for each in seen}) == len(seen)
        with pytest.raises(NotAMirror):
            store.volume_summary(OTHER_VOLUME)

    def test_hints_are_separate_until_they_are_removed(self, trial):
        """They are not listed as the node's own files and need no mirror here."""
        photo_version = PhotoVersion(OTHER_VOLUME, OF.photo, OF.version)
        hinted = variant_of(photo_version, hint_for="west-1")
        published = put(trial.store, hinted, bytes_of("photo"))
        assert published.path == f".hints/west-1/{render_path(hinted.file)}"
        (hint,) = trial.store.list_hints(10)
        assert (hint.place, hint.bytes, hint.digest) == (hinted, 100, digest_of(bytes_of("photo")))
        assert trial.store.count_hints(10) == 1
        assert trial.store.shard_digests(VOLUME) == {}
        trial.store.remove_hint(hinted)
        trial.store.remove_hint(hinted)
        assert trial.store.list_hints(10) == []
        assert trial.store.count_hints(10) == 0
        assert trial.store.find(OF.photo) == []

    def test_hints_are_counted_and_listed_up_to_a_limit(self, trial):
        """For all mirrors together."""
        for number in range(5):
            for node in ("west-1", "west-2"):
                put(trial.store, variant_of(version_of(number), hint_for=node), bytes_of(number))
        assert len(trial.store.list_hints(100)) == trial.store.count_hints(100) == 10
        assert len(trial.store.list_hints(3)) == trial.store.count_hints(3) == 3
        for hint in trial.store.list_hints(100):
            trial.store.remove_hint(hint.place)
        assert trial.store.list_hints(100) == []

    def test_the_hints_of_a_photo_are_listed_alone(self, trial):
        """For every mirror, with their digests, and without other photos and volumes."""
        for node in ("west-1", "west-2"):
            put(trial.store, variant_of(OF, hint_for=node), bytes_of("photo"))
            put(trial.store, variant_of(OTHER_PHOTO, hint_for=node), bytes_of("other"))
        put(trial.store, variant_of(OF), bytes_of("photo"))
        hints = trial.store.list_photo_hints(VOLUME, OF.photo)
        assert [hint.place for hint in hints] == [
            variant_of(OF, hint_for=node) for node in ("west-1", "west-2")
        ]
        assert {hint.digest for hint in hints} == {digest_of(bytes_of("photo"))}
        assert trial.store.list_photo_hints(OTHER_VOLUME, OF.photo) == []

    @pytest.mark.parametrize("hint_for", [None, "west-1"])
    def test_a_file_is_quarantined_only_with_its_digest(self, trial, hint_for):
        """Another file that has the name by now stays; the bytes are kept in the quarantine."""
        place = variant_of(OF, hint_for=hint_for)
        put(trial.store, place, bytes_of("photo"))
        assert trial.store.quarantine(place, digest=digest_of(b"another")) is None
        assert trial.store.find(OF.photo) == [place.path]
        path = trial.store.quarantine(place, digest=digest_of(bytes_of("photo")))
        assert trial.store.find(OF.photo) == [path]
        assert trial.read(path) == bytes_of("photo")
        assert trial.store.count_hints(10) == 0
        assert trial.store.settled() == (str(OF),)
        assert trial.store.quarantine(place, digest=digest_of(bytes_of("photo"))) is None

    def test_a_hinted_bundle_is_stored_whole(self, trial):
        """The info last, as on a mirror."""
        trial.store.publish_bundle(bundle_of(OF, hint_for="west-1"), mtime_seconds=MTIME)
        assert len(trial.store.list_hints(100)) == 13
        assert trial.store.list_photo(VOLUME, OF.photo) == ()

    def test_a_tombstone_needs_a_proof(self, trial):
        """No other write makes one, and a wrong proof is refused."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        place, other = Place(VersionTombstone(OF)), Place(VersionTombstone(OTHER_VERSION))
        with pytest.raises(BadRequest, match="needs a proof"):
            put(trial.store, place, b"gone, says a mirror\n")
        for proof in ("", proof_of(other)):
            with pytest.raises(InvalidSignature):
                trial.store.write_tombstone(place, mtime_seconds=MTIME, proof=proof)
        assert trial.read(variant_of(OF).path) == bytes_of("photo")

    def test_a_hinted_tombstone_covers_hints_for_the_same_mirror(self, trial):
        """And no file of this node."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        hinted = Place(VersionTombstone(OF), "west-1")
        write_tombstone(trial.store, hinted)
        (hint,) = trial.store.list_hints(10)
        assert (hint.place, hint.bytes, hint.digest) == (hinted, 0, proof_of(hinted))
        with pytest.raises(Gone):
            put(trial.store, variant_of(OF, hint_for="west-1"), bytes_of("photo"))
        put(trial.store, variant_of(OF, hint_for="west-2"), bytes_of("photo"))
        assert trial.read(variant_of(OF).path) == bytes_of("photo")

    def test_a_file_that_is_deleted_here_is_not_stored_as_a_hint(self, trial):
        """A tombstone here applies everywhere."""
        write_tombstone(trial.store, Place(PhotoTombstone(VOLUME, OF.photo)))
        with pytest.raises(Gone):
            put(trial.store, variant_of(OF, hint_for="west-1"), bytes_of("photo"))

    def test_a_hint_is_delivered_and_removed(self, trial):
        """Copied first, and then removed."""
        mirror = trial.another_store()
        hinted = variant_of(OF, hint_for="west-1")
        put(trial.store, hinted, bytes_of("photo"))
        (hint,) = trial.store.list_hints(1)
        published = put(mirror, Place(hint.place.file), trial.read(hint.place.path))
        assert published.digest == hint.digest
        trial.store.remove_hint(hinted)
        assert mirror.list_photo(VOLUME, OF.photo)[0].digest == hint.digest

    def test_a_photo_is_found_in_every_area(self, trial):
        """Live, as a hint, in the trash, and in the quarantine."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        put(trial.store, variant_of(OTHER_VERSION), bytes_of("photo"))
        put(trial.store, variant_of(OF, hint_for="west-1"), bytes_of("photo"))
        put(trial.store, variant_of(OTHER_PHOTO), bytes_of("other"))
        quarantined = trial.store.quarantine(variant_of(OF))
        write_tombstone(trial.store, Place(VersionTombstone(OTHER_VERSION)))
        found = trial.store.find(OF.photo)
        assert found == sorted(found)
        assert quarantined in found
        assert variant_of(OF, hint_for="west-1").path in found
        assert render_path(VersionTombstone(OTHER_VERSION)) in found
        assert [path.split("/")[0] for path in found] == [".hints", ".quarantine", ".trash", "42"]

    def test_a_quarantined_file_is_kept_and_frees_its_name(self, trial):
        """The name is free for the right bytes."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        before = trial.store.shard_digests(VOLUME)
        quarantined = trial.store.quarantine(variant_of(OF))
        assert trial.read(quarantined) == bytes_of("photo")
        assert trial.store.shard_digests(VOLUME) == {}
        assert not put(trial.store, variant_of(OF), bytes_of("photo")).existed
        assert trial.store.shard_digests(VOLUME) == before

    def test_quarantining_twice_is_no_error(self, trial):
        """Two readers can find the same file corrupt."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        assert trial.store.quarantine(variant_of(OF)) is not None
        assert trial.store.quarantine(variant_of(OF)) is None

    def test_a_version_is_linked_under_another_one(self, trial):
        """With all its files and no others; repeated calls change nothing."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        trial.store.publish_bundle(bundle_of(OF, sizes="sm"), mtime_seconds=MTIME)
        for _ in range(2):
            made = trial.store.relink(OF, OTHER_VERSION.version)
            assert made[-1] == render_path(Info(OTHER_VERSION))
            assert len(made) == 4
        assert trial.read(variant_of(OTHER_VERSION).path) == bytes_of("photo")
        assert trial.read(variant_of(OTHER_VERSION, "m").path) == trial.read(
            variant_of(OF, "m").path
        )
        assert len(names_of(trial.store)) == 8

    def test_a_relinked_name_takes_the_earlier_time_of_its_source(self, trial):
        """An upload was retried between two relinks, and every mirror must have the same time."""
        put(trial.store, variant_of(OF), bytes_of("photo"), mtime_seconds=MTIME + 1)
        trial.store.relink(OF, OTHER_VERSION.version)
        with trial.store.staging(bytes_expected=100) as file:
            file.write(bytes_of("photo"))
            file.replaces = digest_of(bytes_of("photo"))
            trial.store.publish(file, variant_of(OF), mtime_seconds=MTIME, digest=file.replaces)
        trial.store.relink(OF, OTHER_VERSION.version)
        assert trial.mtime_of(variant_of(OTHER_VERSION).path) == MTIME
        assert trial.read(variant_of(OTHER_VERSION).path) == bytes_of("photo")

    def test_a_deleted_version_leaves_its_relinked_one(self, trial):
        """One name goes to the trash, and the other stays."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        trial.store.relink(OF, OTHER_VERSION.version)
        write_tombstone(trial.store, Place(VersionTombstone(OF)))
        assert trial.read(variant_of(OTHER_VERSION).path) == bytes_of("photo")
        with pytest.raises(Gone):
            trial.store.relink(OF, "000009")
        with pytest.raises(Gone):
            trial.store.relink(OTHER_VERSION, OF.version)

    def test_a_version_without_its_original_is_not_relinked(self, trial):
        """It would make half a photo look complete."""
        put(trial.store, variant_of(OF, "m"), bytes_of("m"))
        with pytest.raises(NotFound):
            trial.store.relink(OF, OTHER_VERSION.version)

    def test_everything_survives_a_restart(self, trial):
        """The disk is the only state."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        put(trial.store, variant_of(OF, hint_for="west-1"), bytes_of("photo"))
        trial.store.publish_bundle(bundle_of(OF, sizes="sm"), mtime_seconds=MTIME)
        write_tombstone(trial.store, Place(PhotoTombstone(VOLUME, OTHER_PHOTO.photo)))
        before = (
            trial.store.volumes,
            trial.store.shard_digests(VOLUME),
            trial.store.list_hints(10),
            trial.store.find(OF.photo),
        )
        trial.restart()
        assert before == (
            trial.store.volumes,
            trial.store.shard_digests(VOLUME),
            trial.store.list_hints(10),
            trial.store.find(OF.photo),
        )
        with pytest.raises(Gone):
            put(trial.store, variant_of(OTHER_PHOTO), bytes_of("other"))

    def test_a_restart_removes_unfinished_files(self, trial):
        """And nothing else."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        with trial.store.staging(bytes_expected=5) as file:
            file.write(b"bytes")
            trial.restart()
            assert trial.unfinished() == []
        assert trial.read(variant_of(OF).path) == bytes_of("photo")

    def test_the_reported_space_is_that_of_the_disk(self, trial):
        """Free space is at most the total."""
        space = trial.store.space()
        assert 0 < space.free_bytes <= space.total_bytes
