"""What any store of a node promises, as tests for a subclass to run over its own stores.

A subclass has a fixture `trial`, which gives a `StoreOnTrial`: one store that is a home of VOLUME,
and what the tests need beside it. See `test_disk_store_contract.py` for how little that is.
"""

from typing import Protocol

import pytest

from storagenode.disk_store import TOMBSTONE_BYTES, DiskStore
from storagenode.errors import Conflict, DigestMismatch, Gone, NotHome, NotThere
from storagenode.layout import Place
from storagenode.publishing import Published
from tests.storagenode.photo_samples import (
    MTIME,
    OTHER_VOLUME,
    SIZES,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from volumes.photo_path import (
    EXTENSIONS,
    Failure,
    Info,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    render_path,
)

OF = version_of(7)
OTHER_VERSION = version_of(7, version=1)
OTHER_PHOTO = version_of(8)


class StoreOnTrial(Protocol):
    """A store, and what a test may do to it that a store itself does not offer."""

    store: DiskStore

    def restart(self) -> None:
        """Put a new store in the place of `store`, over the same bytes."""

    def another_store(self) -> DiskStore:
        """A new and empty store of its own, a home of VOLUME too."""

    def read(self, path: str) -> bytes:
        """The bytes at any path below the root, verified; `NotThere` if there is none."""

    def mtime_of(self, path: str) -> float:
        """The time a file says that it was written at."""

    def unfinished(self) -> list[str]:
        """The names of writes that have begun and not ended."""


def put(store, place, data, *, mtime_seconds=MTIME):
    """Write one file, as a streamed upload does."""
    with store.staging(bytes_expected=len(data)) as file:
        for start in range(0, len(data), 40):
            file.write(data[start : start + 40])
        return store.publish(file, place, mtime_seconds=mtime_seconds, digest=digest_of(data))


def names_of(store, of=OF):
    """What the shard of a photo lists."""
    return [file.name for file in store.list_shard(of.volume, of.shard)]


class StoreContract:
    """The promises, in the order in which a photo meets them."""

    def test_a_published_file_is_read_back(self, trial):
        """Name, bytes, digest and length are what was given."""
        data = bytes_of("photo")
        published = put(trial.store, variant_of(OF), data)
        path = render_path(Variant(OF, "o", "jpg"))
        assert published == Published(path, digest_of(data), len(data), was_there=False)
        assert trial.read(path) == data

    @pytest.mark.parametrize("ext", EXTENSIONS)
    def test_every_format_is_kept(self, trial, ext):
        """A store does not look into files."""
        put(trial.store, Place(Variant(OF, "o", ext)), bytes_of(ext))
        assert trial.read(render_path(Variant(OF, "o", ext))) == bytes_of(ext)

    @pytest.mark.parametrize("kind", [Info, Failure])
    def test_notes_are_files_like_others(self, trial, kind):
        """An info and a failure may come alone."""
        put(trial.store, Place(kind(OF)), b"{}")
        assert trial.read(render_path(kind(OF))) == b"{}"

    def test_publishing_the_same_bytes_again_is_no_error(self, trial):
        """A sender that was not told must be able to ask again."""
        first = put(trial.store, variant_of(OF), bytes_of("photo"))
        second = put(trial.store, variant_of(OF), bytes_of("photo"))
        assert (first.was_there, second.was_there) == (False, True)
        assert second.digest == first.digest
        assert names_of(trial.store) == [f"{OF.photo}_{OF.version}_o.jpg"]

    def test_publishing_other_bytes_is_a_conflict_and_changes_nothing(self, trial):
        """Files are written once."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        with pytest.raises(Conflict):
            put(trial.store, variant_of(OF), bytes_of("another"))
        assert trial.read(variant_of(OF).path) == bytes_of("photo")

    def test_a_first_note_stays(self, trial):
        """Two infos of one photo are as good as each other."""
        first = put(trial.store, Place(Info(OF)), b'{"made": 1}')
        second = put(trial.store, Place(Info(OF)), b'{"made": 2}')
        assert second.was_there
        assert second.digest == first.digest
        assert trial.read(render_path(Info(OF))) == b'{"made": 1}'

    def test_bytes_with_another_digest_leave_nothing(self, trial):
        """Neither a name nor an unfinished write."""
        with trial.store.staging(bytes_expected=5) as file:
            file.write(b"bytes")
            with pytest.raises(DigestMismatch):
                trial.store.publish(
                    file, variant_of(OF), mtime_seconds=MTIME, digest=digest_of(b"other")
                )
        assert names_of(trial.store) == []
        assert trial.store.find(OF.photo) == []
        assert trial.unfinished() == []

    def test_a_file_that_is_not_published_was_never_there(self, trial):
        """A sender may give up at any time."""
        with trial.store.staging(bytes_expected=5) as file:
            file.write(b"bytes")
            assert len(trial.unfinished()) == 1
            assert trial.store.shard_digests(VOLUME) == {}
        assert trial.unfinished() == []
        with pytest.raises(NotThere):
            trial.read(variant_of(OF).path)

    def test_a_volume_that_is_not_here_takes_nothing(self, trial):
        """A sender with another map must be told."""
        of = PhotoVersion(OTHER_VOLUME, OF.photo, OF.version)
        with pytest.raises(NotHome):
            put(trial.store, variant_of(of), b"photo")
        with pytest.raises(NotHome):
            trial.store.publish_bundle(bundle_of(of), mtime_seconds=MTIME)
        with pytest.raises(NotHome):
            trial.store.bury(Place(PhotoTombstone(of.volume, of.photo)), mtime_seconds=MTIME)
        with pytest.raises(NotHome):
            trial.store.relink(of, OTHER_VERSION.version)
        assert trial.store.find(OF.photo) == []
        assert trial.unfinished() == []

    def test_a_volume_that_is_not_here_is_unknown_and_not_empty(self, trial):
        """Absence is never evidence."""
        with pytest.raises(NotHome):
            trial.store.list_shard(OTHER_VOLUME, OF.shard)
        with pytest.raises(NotHome):
            trial.store.list_photo(OTHER_VOLUME, OF.photo)
        with pytest.raises(NotHome):
            trial.store.shard_digests(OTHER_VOLUME)

    def test_a_volume_is_opened_for_good(self, trial):
        """Twice is as once, and a restart changes nothing."""
        for _ in range(2):
            trial.store.open_volume(OTHER_VOLUME)
            assert trial.store.volumes == (VOLUME, OTHER_VOLUME)
        trial.restart()
        assert trial.store.volumes == (VOLUME, OTHER_VOLUME)
        assert trial.store.shard_digests(OTHER_VOLUME) == {}

    def test_times_are_whole_seconds_and_equal_on_both_mirrors(self, trial):
        """So that both give the same ETag."""
        there = trial.another_store()
        for store in (trial.store, there):
            put(store, variant_of(OF), bytes_of("photo"), mtime_seconds=1_234_567_890)
            store.publish_bundle(bundle_of(OF, sizes="m"), mtime_seconds=1_234_567_891)
            store.bury(Place(VersionTombstone(OTHER_VERSION)), mtime_seconds=1_234_567_892)
        assert trial.mtime_of(variant_of(OF).path) == 1_234_567_890.0
        assert trial.mtime_of(variant_of(OF, "m").path) == 1_234_567_891.0
        assert trial.mtime_of(render_path(VersionTombstone(OTHER_VERSION))) == 1_234_567_892.0

    def test_a_bundle_is_published_whole(self, trial):
        """Every size and the info."""
        published = trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        assert [file.was_there for file in published] == [False] * 13
        for place, data, _ in bundle_of(OF):
            assert trial.read(place.path) == data

    def test_a_bundle_may_be_in_any_order(self, trial):
        """The info is last on the disk even if it is first in the bundle."""
        published = trial.store.publish_bundle(bundle_of(OF)[::-1], mtime_seconds=MTIME)
        assert published[-1].path == render_path(Info(OF))
        assert len(names_of(trial.store)) == len(SIZES) + 1

    def test_a_bundle_may_come_twice(self, trial):
        """A worker that was not told does its job again."""
        first = trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        second = trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        assert {file.was_there for file in second} == {True}
        assert [file.digest for file in second] == [file.digest for file in first]

    def test_a_bundle_with_one_wrong_digest_leaves_nothing(self, trial):
        """Not even the files that were right."""
        bundle = bundle_of(OF)
        place, data, _ = bundle[6]
        bundle[6] = (place, data, digest_of(b"other"))
        with pytest.raises(DigestMismatch):
            trial.store.publish_bundle(bundle, mtime_seconds=MTIME)
        assert names_of(trial.store) == []
        assert trial.unfinished() == []

    def test_a_bundle_that_conflicts_leaves_no_info(self, trial):
        """An info says that all sizes are there, and are these."""
        put(trial.store, variant_of(OF, "m"), bytes_of("another m"))
        with pytest.raises(Conflict):
            trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        with pytest.raises(NotThere):
            trial.read(render_path(Info(OF)))
        assert trial.unfinished() == []

    @pytest.mark.parametrize(
        "tombstone", [VersionTombstone(OF), PhotoTombstone(OF.volume, OF.photo)], ids=["v", "p"]
    )
    def test_a_tombstone_moves_what_it_covers_to_the_trash(self, trial, tombstone):
        """The names are free of it, the bytes are kept."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        published = trial.store.bury(Place(tombstone), mtime_seconds=MTIME)
        path = render_path(tombstone)
        assert published == Published(
            path, digest_of(TOMBSTONE_BYTES), len(TOMBSTONE_BYTES), was_there=False
        )
        assert names_of(trial.store) == [path.rpartition("/")[2]]
        kept = {p.rpartition("/")[2]: p for p in trial.store.find(OF.photo) if p != path}
        assert all(p.startswith(".trash/") for p in kept.values())
        assert trial.read(kept[f"{OF.photo}_{OF.version}_o.jpg"]) == bytes_of("photo")
        assert len(kept) == len(SIZES) + 2

    def test_a_version_s_tombstone_covers_no_other_version(self, trial):
        """Nor another photo of the shard."""
        put(trial.store, variant_of(OTHER_VERSION), bytes_of("photo"))
        trial.store.bury(Place(VersionTombstone(OF)), mtime_seconds=MTIME)
        assert trial.read(variant_of(OTHER_VERSION).path) == bytes_of("photo")
        put(trial.store, variant_of(OTHER_VERSION, "m"), bytes_of("m"))
        trial.store.refuse_if_gone(Variant(OTHER_VERSION, "o", "jpg"))

    def test_a_photo_s_tombstone_covers_every_version_and_no_other_photo(self, trial):
        """Those there are, and those to come."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        put(trial.store, variant_of(OTHER_PHOTO), bytes_of("other"))
        trial.store.bury(Place(PhotoTombstone(OF.volume, OF.photo)), mtime_seconds=MTIME)
        for of in (OF, OTHER_VERSION):
            with pytest.raises(Gone):
                put(trial.store, variant_of(of), bytes_of("photo"))
            with pytest.raises(Gone):
                trial.store.refuse_if_gone(Info(of))
        assert trial.read(variant_of(OTHER_PHOTO).path) == bytes_of("other")

    def test_a_tombstone_wins_though_it_comes_first(self, trial):
        """A copy that was long on its way does not bring a photo back."""
        trial.store.bury(Place(VersionTombstone(OF)), mtime_seconds=MTIME)
        with pytest.raises(Gone):
            put(trial.store, variant_of(OF), bytes_of("photo"))
        with pytest.raises(Gone):
            trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        with pytest.raises(Gone):
            put(trial.store, Place(Failure(OF)), b"why")
        assert names_of(trial.store) == [f"{OF.photo}_{OF.version}.gone"]
        assert trial.unfinished() == []

    def test_burying_again_is_no_error_and_finishes_what_was_begun(self, trial):
        """The trash of a first delete may not have been reached."""
        first = trial.store.bury(Place(VersionTombstone(OF)), mtime_seconds=MTIME)
        second = trial.store.bury(Place(VersionTombstone(OF)), mtime_seconds=MTIME + 5)
        assert (first.was_there, second.was_there) == (False, True)
        assert trial.mtime_of(render_path(VersionTombstone(OF))) == MTIME

    def test_a_tombstone_that_comes_as_a_file_buries_too(self, trial):
        """It may be pulled from a mirror like anything else, and its bytes say nothing."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        put(trial.store, Place(VersionTombstone(OF)), b"gone, says a mirror\n")
        assert names_of(trial.store) == [f"{OF.photo}_{OF.version}.gone"]
        assert trial.store.bury(Place(VersionTombstone(OF)), mtime_seconds=MTIME).was_there

    def test_a_listing_has_names_lengths_and_digests_in_order(self, trial):
        """Whatever the order they came in."""
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

    def test_a_photo_s_listing_has_nothing_else(self, trial):
        """All versions of it, its tombstones, and no neighbour in the shard."""
        neighbour = PhotoVersion(VOLUME, f"0{OF.photo[1:-3]}0{OF.shard}", OF.version)
        for of in (OF, OTHER_VERSION, neighbour):
            put(trial.store, variant_of(of), bytes_of(of))
        trial.store.bury(Place(VersionTombstone(version_of(7, version=2))), mtime_seconds=MTIME)
        assert len(trial.store.list_shard(VOLUME, OF.shard)) == 4
        assert [file.name for file in trial.store.list_photo(VOLUME, OF.photo)] == [
            f"{OF.photo}_000000_o.jpg",
            f"{OF.photo}_000001_o.jpg",
            f"{OF.photo}_000002.gone",
        ]

    def test_a_shard_s_digest_changes_exactly_when_its_files_do(self, trial):
        """Not when asked again, not when the same comes again, not for another shard."""
        store = trial.store
        seen = [store.shard_digests(VOLUME)]
        assert seen == [{}]
        for change in (
            lambda: put(store, variant_of(OF), bytes_of("photo")),
            lambda: store.publish_bundle(bundle_of(OF, sizes="sm"), mtime_seconds=MTIME),
            lambda: store.bury(Place(VersionTombstone(OTHER_VERSION)), mtime_seconds=MTIME),
            lambda: store.bury(Place(VersionTombstone(OF)), mtime_seconds=MTIME),
            lambda: store.bury(Place(PhotoTombstone(VOLUME, OF.photo)), mtime_seconds=MTIME),
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
        """In whatever order and at whatever time they got them; and otherwise not."""
        here, there = trial.store, trial.another_store()
        bundle = bundle_of(OF, sizes="smo")
        here.publish_bundle(bundle, mtime_seconds=MTIME)
        for place, data, _ in bundle[::-1]:
            put(there, place, data, mtime_seconds=MTIME + 1)
        assert here.shard_digests(VOLUME) == there.shard_digests(VOLUME) != {}
        put(there, variant_of(OF, "z"), b"z")
        put(here, variant_of(OF, "z"), b"not z")
        assert here.shard_digests(VOLUME) != there.shard_digests(VOLUME)

    def test_what_is_owed_is_held_apart_until_it_is_settled(self, trial):
        """It is not listed as the node's own, and needs no home here."""
        of = PhotoVersion(OTHER_VOLUME, OF.photo, OF.version)
        held = variant_of(of, owed_to="west-1")
        published = put(trial.store, held, bytes_of("photo"))
        assert published.path == f".owed/west-1/{render_path(held.file)}"
        (owed,) = trial.store.owed(10)
        assert (owed.place, owed.bytes, owed.digest) == (held, 100, digest_of(bytes_of("photo")))
        assert trial.store.count_owed(10) == 1
        assert trial.store.shard_digests(VOLUME) == {}
        trial.store.settle(held)
        trial.store.settle(held)
        assert trial.store.owed(10) == []
        assert trial.store.count_owed(10) == 0
        assert trial.store.find(OF.photo) == []

    def test_owed_files_are_counted_and_listed_up_to_a_limit(self, trial):
        """Of all homes together."""
        for number in range(5):
            for node in ("west-1", "west-2"):
                put(trial.store, variant_of(version_of(number), owed_to=node), bytes_of(number))
        assert len(trial.store.owed(100)) == trial.store.count_owed(100) == 10
        assert len(trial.store.owed(3)) == trial.store.count_owed(3) == 3
        for owed in trial.store.owed(100):
            trial.store.settle(owed.place)
        assert trial.store.owed(100) == []

    def test_an_owed_bundle_is_held_whole(self, trial):
        """Info last, as at home."""
        trial.store.publish_bundle(bundle_of(OF, owed_to="west-1"), mtime_seconds=MTIME)
        assert len(trial.store.owed(100)) == 13
        assert trial.store.list_photo(VOLUME, OF.photo) == ()

    def test_an_owed_tombstone_covers_what_is_owed_to_the_same_node(self, trial):
        """And says nothing of what this node has at home."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        held = Place(VersionTombstone(OF), "west-1")
        trial.store.bury(held, mtime_seconds=MTIME)
        assert trial.read(held.path) == TOMBSTONE_BYTES
        with pytest.raises(Gone):
            put(trial.store, variant_of(OF, owed_to="west-1"), bytes_of("photo"))
        put(trial.store, variant_of(OF, owed_to="west-2"), bytes_of("photo"))
        assert trial.read(variant_of(OF).path) == bytes_of("photo")

    def test_what_is_gone_at_home_is_not_taken_for_others_either(self, trial):
        """A tombstone here is known to be one everywhere."""
        trial.store.bury(Place(PhotoTombstone(VOLUME, OF.photo)), mtime_seconds=MTIME)
        with pytest.raises(Gone):
            put(trial.store, variant_of(OF, owed_to="west-1"), bytes_of("photo"))

    def test_an_owed_file_goes_home_and_is_let_go_of(self, trial):
        """Copied, and only then removed."""
        home = trial.another_store()
        held = variant_of(OF, owed_to="west-1")
        put(trial.store, held, bytes_of("photo"))
        (owed,) = trial.store.owed(1)
        published = put(home, Place(owed.place.file), trial.read(owed.place.path))
        assert published.digest == owed.digest
        trial.store.settle(held)
        assert home.list_photo(VOLUME, OF.photo)[0].digest == owed.digest

    def test_a_photo_is_found_wherever_it_is_kept(self, trial):
        """At home, owed, deleted and quarantined."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        put(trial.store, variant_of(OTHER_VERSION), bytes_of("photo"))
        put(trial.store, variant_of(OF, owed_to="west-1"), bytes_of("photo"))
        put(trial.store, variant_of(OTHER_PHOTO), bytes_of("other"))
        aside = trial.store.quarantine(variant_of(OF))
        trial.store.bury(Place(VersionTombstone(OTHER_VERSION)), mtime_seconds=MTIME)
        found = trial.store.find(OF.photo)
        assert found == sorted(found)
        assert aside in found
        assert variant_of(OF, owed_to="west-1").path in found
        assert render_path(VersionTombstone(OTHER_VERSION)) in found
        assert [path.split("/")[0] for path in found] == [".owed", ".quarantine", ".trash", "42"]

    def test_what_is_quarantined_is_kept_and_out_of_the_way(self, trial):
        """The name is free for the right bytes; what was there is never deleted."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        before = trial.store.shard_digests(VOLUME)
        aside = trial.store.quarantine(variant_of(OF))
        assert trial.read(aside) == bytes_of("photo")
        assert trial.store.shard_digests(VOLUME) == {}
        assert not put(trial.store, variant_of(OF), bytes_of("photo")).was_there
        assert trial.store.shard_digests(VOLUME) == before

    def test_quarantining_twice_is_no_error(self, trial):
        """Two readers may find the same file corrupt."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        assert trial.store.quarantine(variant_of(OF)) is not None
        assert trial.store.quarantine(variant_of(OF)) is None

    def test_a_version_is_linked_under_another_one(self, trial):
        """Every file of it, and none of others; doing it again changes nothing."""
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

    def test_a_revoked_version_leaves_its_relinked_one(self, trial):
        """One name goes to the trash, the other stays."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        trial.store.relink(OF, OTHER_VERSION.version)
        trial.store.bury(Place(VersionTombstone(OF)), mtime_seconds=MTIME)
        assert trial.read(variant_of(OTHER_VERSION).path) == bytes_of("photo")
        with pytest.raises(Gone):
            trial.store.relink(OF, "000009")
        with pytest.raises(Gone):
            trial.store.relink(OTHER_VERSION, OF.version)

    def test_a_version_without_its_original_is_not_relinked(self, trial):
        """Half a photo would be made to look whole."""
        put(trial.store, variant_of(OF, "m"), bytes_of("m"))
        with pytest.raises(NotThere):
            trial.store.relink(OF, OTHER_VERSION.version)

    def test_all_is_there_after_a_restart(self, trial):
        """The disk is the only truth."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        put(trial.store, variant_of(OF, owed_to="west-1"), bytes_of("photo"))
        trial.store.publish_bundle(bundle_of(OF, sizes="sm"), mtime_seconds=MTIME)
        trial.store.bury(Place(PhotoTombstone(VOLUME, OTHER_PHOTO.photo)), mtime_seconds=MTIME)
        before = (
            trial.store.volumes,
            trial.store.shard_digests(VOLUME),
            trial.store.owed(10),
            trial.store.find(OF.photo),
        )
        trial.restart()
        assert before == (
            trial.store.volumes,
            trial.store.shard_digests(VOLUME),
            trial.store.owed(10),
            trial.store.find(OF.photo),
        )
        with pytest.raises(Gone):
            put(trial.store, variant_of(OTHER_PHOTO), bytes_of("other"))

    def test_a_restart_removes_what_was_never_finished(self, trial):
        """And nothing else."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        with trial.store.staging(bytes_expected=5) as file:
            file.write(b"bytes")
            trial.restart()
            assert trial.unfinished() == []
        assert trial.read(variant_of(OF).path) == bytes_of("photo")

    def test_the_room_that_is_told_is_that_of_the_disk(self, trial):
        """Free is not more than there is."""
        space = trial.store.space()
        assert 0 < space.free_bytes <= space.total_bytes
