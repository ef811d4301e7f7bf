"""The writing half of the store contract, as tests for subclasses to run on their own stores.

A subclass has a fixture `trial` with a `StoreUnderTest`: a store that mirrors VOLUME, and helpers.
`disk/test_store_contract.py` shows how little that takes. `store_keeping_contract.py` has the other
half, and `store_tiering_contract.py` what offloaded volumes add.
"""

import contextlib
import json

import pytest

from storagenode.protocol.batch_wire import InMemoryFile
from storagenode.protocol.errors import (
    Conflict,
    DigestMismatch,
    Gone,
    NotAMirror,
    NotFound,
)
from storagenode.protocol.files import Published
from storagenode.protocol.layout import TOMBSTONE_BYTES, Place
from tests.storagenode.photo_samples import (
    MTIME,
    OTHER_VOLUME,
    SIZES,
    VOLUME,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
)
from tests.storagenode.store_under_test import OF, OTHER_PHOTO, OTHER_VERSION, names_of, put
from tests.storagenode.tombstones import write_tombstone
from volumes.photo_path import (
    EXTENSIONS,
    Attempt,
    Failure,
    Info,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    render_path,
)


class WritingContract:
    """The promises of writes, in the order in which a photo meets them."""

    def test_a_published_file_is_read_back(self, trial):
        """Name, bytes, digest, and length are as given."""
        data = bytes_of("photo")
        published = put(trial.store, variant_of(OF), data)
        path = render_path(Variant(OF, "o", "jpg"))
        assert published == Published(path, digest_of(data), len(data), MTIME, existed=False)
        assert trial.read(path) == data

    @pytest.mark.parametrize("ext", EXTENSIONS)
    def test_every_format_is_kept(self, trial, ext):
        """A store does not parse files."""
        put(trial.store, Place(Variant(OF, "o", ext)), bytes_of(ext))
        assert trial.read(render_path(Variant(OF, "o", ext))) == bytes_of(ext)

    @pytest.mark.parametrize("note", [Info(OF), Failure(OF), Attempt(OF, 1), Attempt(OF, 2)])
    def test_infos_and_failures_are_files_like_others(self, trial, note):
        """They can be put alone."""
        put(trial.store, Place(note), b"{}")
        assert trial.read(render_path(note)) == b"{}"

    def test_publishing_the_same_bytes_again_is_no_error(self, trial):
        """A sender without a response must be able to retry."""
        first = put(trial.store, variant_of(OF), bytes_of("photo"))
        second = put(trial.store, variant_of(OF), bytes_of("photo"))
        assert (first.existed, second.existed) == (False, True)
        assert second.digest == first.digest
        assert names_of(trial.store) == [f"{OF.photo}_{OF.version}_o.jpg"]

    def test_publishing_other_bytes_is_a_conflict_and_changes_nothing(self, trial):
        """Files are written once."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        with pytest.raises(Conflict):
            put(trial.store, variant_of(OF), bytes_of("another"))
        assert trial.read(variant_of(OF).path) == bytes_of("photo")

    @pytest.mark.parametrize("hint_for", [None, "west-1"])
    def test_a_version_has_one_original_whatever_its_format(self, trial, hint_for):
        """An original of another format is a conflict, for a hint as well."""
        first, other = (Place(Variant(OF, "o", ext), hint_for) for ext in ("jpg", "png"))
        put(trial.store, first, bytes_of("photo"))
        with pytest.raises(Conflict):
            put(trial.store, other, bytes_of("another"))
        assert trial.store.find(OF.photo) == [first.path]
        assert put(trial.store, first, bytes_of("photo")).existed

    def test_sizes_have_any_format_beside_the_original(self, trial):
        """Only originals exclude each other."""
        put(trial.store, Place(Variant(OF, "o", "png")), bytes_of("photo"))
        put(trial.store, Place(Variant(OF, "m", "jpg")), bytes_of("m"))
        put(trial.store, Place(Variant(OF, "m", "avif")), bytes_of("m"))
        assert len(names_of(trial.store)) == 3

    def test_a_file_keeps_its_time_unless_it_replaces_itself(self, trial):
        """Two attempts of one upload have two times, and every copy gets the earlier one."""
        place, data = variant_of(OF), bytes_of("photo")
        put(trial.store, place, data)
        itself = digest_of(data)
        for replaces, mtime, expected in (
            ("", MTIME - 60, MTIME),
            (itself, MTIME + 60, MTIME),
            (itself, MTIME - 60, MTIME - 60),
        ):
            with trial.store.staging(bytes_expected=len(data)) as file:
                file.write(data)
                file.replaces = replaces
                trial.store.publish(file, place, mtime_seconds=mtime, digest=itself)
            with contextlib.closing(trial.store.open(place.path)) as opened:
                assert opened.stat.mtime_seconds == expected

    def test_a_batch_publishes_what_it_can(self, trial):
        """An error of one file does not affect the others."""
        put(trial.store, variant_of(OTHER_PHOTO), bytes_of("other"))
        files = [
            InMemoryFile(variant_of(OF), bytes_of("photo"), digest_of(bytes_of("photo")), MTIME),
            InMemoryFile(variant_of(OF, "m"), bytes_of("m"), digest_of(b"other bytes"), MTIME),
            InMemoryFile(variant_of(OTHER_PHOTO), b"taken", digest_of(b"taken"), MTIME),
            InMemoryFile(variant_of(OF, "s"), bytes_of("s"), digest_of(bytes_of("s")), MTIME),
        ]
        outcomes = trial.store.publish_many(files)
        kinds = [Published, DigestMismatch, Conflict, Published]
        assert [type(outcome) for outcome in outcomes] == kinds
        assert trial.read(variant_of(OF).path) == bytes_of("photo")
        assert trial.read(variant_of(OTHER_PHOTO).path) == bytes_of("other")
        assert trial.mtime_of(variant_of(OF, "s").path) == MTIME
        assert trial.unfinished() == []

    def test_the_first_info_stays(self, trial):
        """Two infos of one photo are equivalent."""
        first = put(trial.store, Place(Info(OF)), b'{"made": 1}')
        second = put(trial.store, Place(Info(OF)), b'{"made": 2}')
        assert second.existed
        assert second.digest == first.digest
        assert trial.read(render_path(Info(OF))) == b'{"made": 1}'

    def test_bytes_with_another_digest_leave_nothing(self, trial):
        """Neither a name nor a staged file."""
        with trial.store.staging(bytes_expected=5) as file:
            file.write(b"bytes")
            with pytest.raises(DigestMismatch):
                trial.store.publish(
                    file, variant_of(OF), mtime_seconds=MTIME, digest=digest_of(b"other")
                )
        assert names_of(trial.store) == []
        assert trial.store.find(OF.photo) == []
        assert trial.unfinished() == []

    def test_an_unpublished_file_does_not_exist(self, trial):
        """A sender can disconnect at any time."""
        with trial.store.staging(bytes_expected=5) as file:
            file.write(b"bytes")
            assert len(trial.unfinished()) == 1
            assert trial.store.shard_digests(VOLUME) == {}
        assert trial.unfinished() == []
        with pytest.raises(NotFound):
            trial.read(variant_of(OF).path)

    def test_a_volume_without_a_mirror_here_refuses_writes(self, trial):
        """The sender has another volume map."""
        photo_version = PhotoVersion(OTHER_VOLUME, OF.photo, OF.version)
        with pytest.raises(NotAMirror):
            put(trial.store, variant_of(photo_version), b"photo")
        with pytest.raises(NotAMirror):
            trial.store.publish_bundle(bundle_of(photo_version), mtime_seconds=MTIME)
        with pytest.raises(NotAMirror):
            write_tombstone(
                trial.store, Place(PhotoTombstone(photo_version.volume, photo_version.photo))
            )
        with pytest.raises(NotAMirror):
            trial.store.relink(photo_version, OTHER_VERSION.version)
        assert trial.store.find(OF.photo) == []
        assert trial.unfinished() == []

    def test_a_volume_without_a_mirror_here_is_unknown_and_not_empty(self, trial):
        """Absence is never evidence."""
        with pytest.raises(NotAMirror):
            trial.store.list_shard(OTHER_VOLUME, OF.shard)
        with pytest.raises(NotAMirror):
            trial.store.list_photo(OTHER_VOLUME, OF.photo)
        with pytest.raises(NotAMirror):
            trial.store.shard_digests(OTHER_VOLUME)

    def test_a_volume_is_created_permanently(self, trial):
        """A second call and a restart change nothing."""
        for _ in range(2):
            trial.store.create_volumes([OTHER_VOLUME])
            assert trial.store.volumes == (VOLUME, OTHER_VOLUME)
        trial.restart()
        assert trial.store.volumes == (VOLUME, OTHER_VOLUME)
        assert trial.store.shard_digests(OTHER_VOLUME) == {}

    def test_times_are_whole_seconds_and_equal_on_both_mirrors(self, trial):
        """Both mirrors then send the same ETag."""
        there = trial.another_store()
        for store in (trial.store, there):
            put(store, variant_of(OF), bytes_of("photo"), mtime_seconds=1_234_567_890)
            store.publish_bundle(bundle_of(OF, sizes="m"), mtime_seconds=1_234_567_891)
            write_tombstone(
                store, Place(VersionTombstone(OTHER_VERSION)), mtime_seconds=1_234_567_892
            )
        assert trial.mtime_of(variant_of(OF).path) == 1_234_567_890.0
        assert trial.mtime_of(variant_of(OF, "m").path) == 1_234_567_891.0
        assert trial.mtime_of(render_path(VersionTombstone(OTHER_VERSION))) == 1_234_567_892.0

    def test_a_bundle_is_published_whole(self, trial):
        """All sizes and the info."""
        published = trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        assert [file.existed for file in published] == [False] * 13
        for place, data, _ in bundle_of(OF):
            assert trial.read(place.path) == data

    def test_a_bundle_can_be_in_any_order(self, trial):
        """The info becomes durable last even if it comes first."""
        published = trial.store.publish_bundle(bundle_of(OF)[::-1], mtime_seconds=MTIME)
        assert published[-1].path == render_path(Info(OF))
        assert len(names_of(trial.store)) == len(SIZES) + 1

    def test_a_bundle_can_be_repeated(self, trial):
        """A worker without a response repeats its job."""
        first = trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        second = trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        assert {file.existed for file in second} == {True}
        assert [file.digest for file in second] == [file.digest for file in first]

    def test_a_bundle_with_one_wrong_digest_leaves_nothing(self, trial):
        """Not even its valid files."""
        bundle = bundle_of(OF)
        place, data, _ = bundle[6]
        bundle[6] = (place, data, digest_of(b"other"))
        with pytest.raises(DigestMismatch):
            trial.store.publish_bundle(bundle, mtime_seconds=MTIME)
        assert names_of(trial.store) == []
        assert trial.unfinished() == []

    @pytest.mark.parametrize("hint_for", [None, "west-1"], ids=["live", "hint"])
    def test_unfinished_sizes_are_replaced_by_a_bundle(self, trial, hint_for):
        """A node died while writing them, and new sizes have other bytes."""
        for size in "sm":
            put(trial.store, variant_of(OF, size, hint_for=hint_for), bytes_of(f"another {size}"))
        bundle = bundle_of(OF, hint_for=hint_for)
        published = trial.store.publish_bundle(bundle, mtime_seconds=MTIME)
        assert [file.existed for file in published] == [False] * 13
        for place, data, _ in bundle:
            assert trial.read(place.path) == data
        quarantined = [
            path for path in trial.store.find(OF.photo) if path.startswith(".quarantine/")
        ]
        assert len(quarantined) == 2
        assert trial.unfinished() == []

    def test_finished_sizes_are_never_replaced_by_a_bundle(self, trial):
        """Their info protects them, and nothing of the new bundle remains."""
        first = bundle_of(OF, sizes="m")
        trial.store.publish_bundle(first, mtime_seconds=MTIME)
        place, (info, data, _) = first[0][0], first[1]
        second = [(place, b"another m", digest_of(b"another m")), *bundle_of(OF, sizes="")]
        with pytest.raises(Conflict):
            trial.store.publish_bundle(second, mtime_seconds=MTIME)
        assert trial.read(place.path) == bytes_of(place)
        assert trial.read(info.path) == data
        assert trial.unfinished() == []

    def test_an_original_is_never_replaced_by_a_bundle(self, trial):
        """It needs no info."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        with pytest.raises(Conflict):
            trial.store.publish_bundle(bundle_of(OF, sizes="o"), mtime_seconds=MTIME)
        with pytest.raises(NotFound):
            trial.read(render_path(Info(OF)))
        assert trial.read(variant_of(OF).path) == bytes_of("photo")

    @pytest.mark.parametrize(
        "tombstone", [VersionTombstone(OF), PhotoTombstone(OF.volume, OF.photo)], ids=["v", "p"]
    )
    def test_a_tombstone_moves_what_it_covers_to_the_trash(self, trial, tombstone):
        """The names are free, and the bytes are in the trash."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        published = write_tombstone(trial.store, Place(tombstone))
        path = render_path(tombstone)
        assert published == Published(
            path, digest_of(TOMBSTONE_BYTES), len(TOMBSTONE_BYTES), MTIME, existed=False
        )
        assert names_of(trial.store) == [path.rpartition("/")[2]]
        kept = {p.rpartition("/")[2]: p for p in trial.store.find(OF.photo) if p != path}
        assert all(p.startswith(".trash/") for p in kept.values())
        assert trial.read(kept[f"{OF.photo}_{OF.version}_o.jpg"]) == bytes_of("photo")
        assert len(kept) == len(SIZES) + 2

    @pytest.mark.parametrize("hint_for", [None, "west-1"], ids=["live", "hint"])
    def test_the_first_of_two_deletes_gives_a_tombstone_its_second(self, trial, hint_for):
        """In any order of arrival, so that all mirrors agree."""
        place = Place(VersionTombstone(OF), hint_for)
        for seconds in (MTIME, MTIME - 5, MTIME + 5):
            write_tombstone(trial.store, place, mtime_seconds=seconds)
        assert trial.mtime_of(place.path) == MTIME - 5
        assert trial.unfinished() == []

    def test_a_version_s_tombstone_covers_no_other_version(self, trial):
        """Nor another photo of the shard."""
        put(trial.store, variant_of(OTHER_VERSION), bytes_of("photo"))
        write_tombstone(trial.store, Place(VersionTombstone(OF)))
        assert trial.read(variant_of(OTHER_VERSION).path) == bytes_of("photo")
        put(trial.store, variant_of(OTHER_VERSION, "m"), bytes_of("m"))
        trial.store.raise_if_deleted(Variant(OTHER_VERSION, "o", "jpg"))

    def test_a_photo_s_tombstone_covers_every_version_and_no_other_photo(self, trial):
        """Existing and future versions."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        put(trial.store, variant_of(OTHER_PHOTO), bytes_of("other"))
        write_tombstone(trial.store, Place(PhotoTombstone(OF.volume, OF.photo)))
        for photo_version in (OF, OTHER_VERSION):
            with pytest.raises(Gone):
                put(trial.store, variant_of(photo_version), bytes_of("photo"))
            with pytest.raises(Gone):
                trial.store.raise_if_deleted(Info(photo_version))
        assert trial.read(variant_of(OTHER_PHOTO).path) == bytes_of("other")

    def test_a_tombstone_wins_if_it_comes_first(self, trial):
        """A late copy does not restore a photo."""
        write_tombstone(trial.store, Place(VersionTombstone(OF)))
        with pytest.raises(Gone):
            put(trial.store, variant_of(OF), bytes_of("photo"))
        with pytest.raises(Gone):
            trial.store.publish_bundle(bundle_of(OF), mtime_seconds=MTIME)
        with pytest.raises(Gone):
            put(trial.store, Place(Failure(OF)), b"why")
        assert names_of(trial.store) == [f"{OF.photo}_{OF.version}.gone"]
        assert trial.unfinished() == []

    def test_a_repeated_tombstone_finishes_the_first(self, trial):
        """The first call may have died before the move to the trash."""
        first = write_tombstone(trial.store, Place(VersionTombstone(OF)))
        second = write_tombstone(trial.store, Place(VersionTombstone(OF)), mtime_seconds=MTIME + 5)
        assert (first.existed, second.existed) == (False, True)
        assert trial.mtime_of(render_path(VersionTombstone(OF))) == MTIME

    def test_only_the_named_file_is_replaced(self, trial):
        """For sizes made twice; the old one is quarantined."""
        place, old, new = variant_of(OF, "m"), bytes_of("old"), bytes_of("new")
        put(trial.store, place, old)
        put(trial.store, Place(Info(OF)), b"{}")
        for replaces in ("", digest_of(b"a third")):
            with pytest.raises(Conflict):
                self._replace(trial.store, place, new, replaces)
        self._replace(trial.store, place, new, digest_of(old))
        assert trial.read(place.path) == new
        assert any(path.startswith(".quarantine/") for path in trial.store.find(OF.photo))

    def test_a_bundle_beside_another_info_is_refused(self, trial):
        """Also if a size of the first bundle is missing, because the other mirror has it."""
        first = bundle_of(OF)
        trial.store.publish_bundle(first, mtime_seconds=MTIME)
        trial.store.quarantine(first[0][0])
        files = [(place, b"other" + data) for place, data, _ in first]
        second = [(place, data, digest_of(data)) for place, data in files]
        with pytest.raises(Conflict):
            trial.store.publish_bundle(second, mtime_seconds=MTIME)
        with pytest.raises(NotFound):
            trial.read(first[0][0].path)
        assert [trial.read(place.path) for place, _, _ in first[1:]] == [b for _, b, _ in first[1:]]
        trial.store.publish_bundle(first, mtime_seconds=MTIME)
        assert trial.read(first[0][0].path) == first[0][1]

    def test_a_bundle_of_another_original_is_refused(self, trial):
        """A worker may send sizes of a photo that had to give way to another one."""
        put(trial.store, variant_of(OF), bytes_of("photo"))
        for original, is_refused in (("another", True), ("photo", False)):
            info = json.dumps({"original": {"sha256": digest_of(bytes_of(original))}}).encode()
            size = (variant_of(OF, "m"), bytes_of("m"), digest_of(bytes_of("m")))
            bundle = [size, (Place(Info(OF)), info, digest_of(info))]
            if is_refused:
                with pytest.raises(Conflict):
                    trial.store.publish_bundle(bundle, mtime_seconds=MTIME)
                assert len(names_of(trial.store)) == 1
            else:
                trial.store.publish_bundle(bundle, mtime_seconds=MTIME)
                assert len(names_of(trial.store)) == 3

    def _replace(self, store, place, data, replaces):
        with store.staging(bytes_expected=len(data)) as file:
            file.write(data)
            file.replaces = replaces
            store.publish(file, place, mtime_seconds=MTIME, digest=digest_of(data))
