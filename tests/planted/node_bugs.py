"""Bugs in what a storage node takes, keeps, lists and serves."""

from storagenode import taken_names
from storagenode.disk import relinking, shard_listing, store
from storagenode.disk.health import DiskHealth
from storagenode.disk.publishing import Publisher
from storagenode.disk.shard_listing import ShardListings
from storagenode.disk.staging import StagedFile
from storagenode.disk.store import DiskStore
from storagenode.open_file import OpenFile
from storagenode.protocol import batch_wire
from storagenode.protocol.files import Published
from storagenode.read_port.read_api import ReadApi
from storagenode.transport.write_batcher import WriteBatcher
from storagenode.write_port import pulling
from tests.planted.finders import Simulation, Tests
from tests.planted.planted_bug import PlantedBug


def serves_unverified_bytes(patch):
    """Whatever is on the disk."""
    patch.setattr(OpenFile, "read", lambda file: b"".join(file.chunks(0, file.stat.bytes)))
    patch.setattr(
        OpenFile,
        "read_cached",
        lambda file: file.source.read_cached(file.handle, file.stat.bytes),
    )


def takes_pulled_bytes_unverified(patch):
    """Whatever came from the other node."""
    patch.setattr(pulling, "_compare", lambda _found, _wanted: None)


def takes_files_past_a_tombstone(patch):
    """As if nothing were gone."""
    patch.setattr(Publisher, "raise_if_deleted", lambda *_, **__: None)


def looks_for_a_tombstone_once(patch):
    """What was there a minute ago is taken to be there still."""
    patch.setattr(
        Publisher,
        "raise_if_deleted_cached",
        lambda publisher, file: publisher._is_undeleted(file.photo_version, None),
    )


def leaves_deleted_files_where_they_are(patch):
    """The tombstone is all."""
    patch.setattr(DiskStore, "_trash_covered_files", lambda _store, _tombstone: None)


def lists_no_tombstones(patch):
    """So that no mirror hears of them."""
    list_ = ShardListings._list
    patch.setattr(
        ShardListings,
        "_list",
        lambda listings, volume, shard, prefix: tuple(
            each
            for each in list_(listings, volume, shard, prefix=prefix)
            if not each.name.endswith(".gone")
        ),
    )


def compares_names_only(patch):
    """Other bytes under the same name are as good."""
    patch.setattr(
        shard_listing,
        "listing_digest",
        lambda files: "".join(sorted(file.name for file in files)),
    )


def never_looks_into_a_shard_again(patch):
    """What was remembered once is believed for ever."""
    digest = ShardListings._digest

    def remembered(listings, volume, shard):
        known = listings.__dict__.setdefault("planted", {})
        if (volume, shard) not in known and (found := digest(listings, volume, shard)):
            known[volume, shard] = found
        return known.get((volume, shard), "")

    patch.setattr(ShardListings, "_digest", remembered)


def does_not_scrub(patch):
    """Every file is said to be right."""
    patch.setattr(OpenFile, "verify", lambda _file: None)


def does_not_tell_of_lost_digests(patch):
    """The scrub counts them, and that is all."""
    patch.setattr(DiskStore, "mark_unverified", lambda _store, _place: None)


def relinks_what_nobody_can_vouch_for(patch):
    """Damaged bytes, under a name that the other mirror has no copy of."""
    patch.setattr(relinking, "_verify", lambda *_: None)


def sends_what_was_deleted_meanwhile(patch):
    """It was there when the read began."""
    patch.setattr(ReadApi, "_raise_if_deleted_meanwhile", lambda *_: None)


def takes_sizes_beside_the_info_of_others(patch):
    """Where one is missing or damaged, the info tells of another one."""
    patch.setattr(Publisher, "raise_if_info_differs", lambda *_: None)


def leaves_staging_as_it_is(patch):
    """What a crash left there stays for ever."""
    patch.setattr(store, "empty_staging", lambda _file_system: 0)


def does_not_discard_staged_files(patch):
    """Each write leaves a hidden file."""
    patch.setattr(StagedFile, "discard", lambda _file: None)


def takes_other_bytes_for_the_same(patch):
    """Whoever comes second is told that it was there."""

    def meet(publisher, staged, place):
        del publisher
        return Published(place.path, staged.digest, staged.bytes, existed=True)

    patch.setattr(Publisher, "_resolve_existing", meet)


def keeps_sizes_that_were_never_finished(patch):
    """Whoever makes other ones is refused for ever."""
    patch.setattr(taken_names, "_is_unfinished", lambda *_: False)


def lets_finished_sizes_give_way(patch):
    """Their info tells of others."""
    patch.setattr(taken_names, "_is_unfinished", lambda *_: True)


def fills_the_reserve(patch):
    """New photos take the room of tombstones."""
    patch.setattr(DiskHealth, "check_free_space", lambda _health, _bytes: None)


def refuses_deletes_on_a_full_disk(patch):
    """As if they were photos."""
    bury = DiskStore.write_tombstone

    def need_room(store, place, *, mtime_seconds):
        store.health.check_free_space(1)
        return bury(store, place, mtime_seconds=mtime_seconds)

    patch.setattr(DiskStore, "write_tombstone", need_room)


def writes_to_volumes_of_others(patch):
    """Without a marker."""
    patch.setattr(DiskStore, "_require_mirror", lambda _store, _place: None)


def tells_all_what_became_of_the_first(patch):
    """As if one request were one file."""
    parse = batch_wire.parse_outcomes

    def parse_first(rows, *, count):
        return [parse(rows, count=count)[0]] * count

    patch.setattr(batch_wire, "parse_outcomes", parse_first)


def gives_up_a_request_with_the_first_that_does_not_wait(patch):
    """Whoever else's files it has."""

    def stop(writes, done):
        if done.cancelled() and writes._request:
            writes._request.cancel()

    patch.setattr(WriteBatcher, "_stop_unless_wanted", stop)


BUGS_OF_NODES = (
    PlantedBug(
        what="reads are not verified",
        plant=serves_unverified_bytes,
        found_by=Tests("tests/storagenode/read_port/test_damage.py"),
    ),
    PlantedBug(
        what="repair takes what another node sends without comparing digests",
        plant=takes_pulled_bytes_unverified,
        found_by=Tests("tests/storagenode/write_port/test_pulls.py"),
    ),
    PlantedBug(
        what="a file is published though its tombstone is there",
        plant=takes_files_past_a_tombstone,
        found_by=Tests("tests/storagenode/disk/test_tombstone_race.py"),
    ),
    PlantedBug(
        what="that a version is not gone is remembered past its delete",
        plant=looks_for_a_tombstone_once,
        found_by=Tests("tests/storagenode/disk/test_tombstone_race.py"),
    ),
    PlantedBug(
        what="a tombstone does not take what it covers out of sight",
        plant=leaves_deleted_files_where_they_are,
        found_by=Simulation("C5"),
    ),
    PlantedBug(
        what="tombstones are not told to other mirrors",
        plant=lists_no_tombstones,
        found_by=Simulation("C5"),
    ),
    PlantedBug(
        what="mirrors are compared by names and not by digests",
        plant=compares_names_only,
        found_by=Simulation("C6"),
    ),
    PlantedBug(
        what="a remembered shard digest is believed though the shard has changed",
        plant=never_looks_into_a_shard_again,
        found_by=Simulation("C6"),
    ),
    PlantedBug(
        what="the scrub believes the digest and does not read the bytes",
        plant=does_not_scrub,
        found_by=Simulation("C8"),
    ),
    PlantedBug(
        what="the scrub finds a file without a digest and nobody looks into it",
        plant=does_not_tell_of_lost_digests,
        found_by=Tests("tests/storagenode/upkeep/test_scrub.py"),
    ),
    PlantedBug(
        what="a revocation relinks bytes that nobody can vouch for",
        plant=relinks_what_nobody_can_vouch_for,
        found_by=Tests("tests/storagenode/disk/test_relinked_original.py"),
    ),
    PlantedBug(
        what="a photo that is deleted while a slow disk reads it is sent, after the purge",
        plant=sends_what_was_deleted_meanwhile,
        found_by=Tests("tests/storagenode/read_port/test_read_port.py"),
    ),
    PlantedBug(
        what="a bundle fills a gap in the sizes of another library",
        plant=takes_sizes_beside_the_info_of_others,
        found_by=Tests("tests/storagenode/disk/test_store_contract.py"),
    ),
    PlantedBug(
        what="staging is not emptied at start",
        plant=leaves_staging_as_it_is,
        found_by=Simulation("C7"),
    ),
    PlantedBug(
        what="a staged file stays when its write is over",
        plant=does_not_discard_staged_files,
        found_by=Simulation("C7"),
    ),
    PlantedBug(
        what="other bytes under a taken name are called a success",
        plant=takes_other_bytes_for_the_same,
        found_by=Tests("tests/storagenode/disk/test_store_contract.py"),
    ),
    PlantedBug(
        what="sizes that were never finished refuse those of another library for ever",
        plant=keeps_sizes_that_were_never_finished,
        found_by=Tests("tests/storagenode/disk/test_store_contract.py"),
    ),
    PlantedBug(
        what="sizes that an info tells of give way to others",
        plant=lets_finished_sizes_give_way,
        found_by=Tests("tests/storagenode/disk/test_store_contract.py"),
    ),
    PlantedBug(
        what="photos eat the room that is kept for deletes",
        plant=fills_the_reserve,
        found_by=Tests("tests/storagenode/disk/test_health.py"),
    ),
    PlantedBug(
        what="a full disk takes no tombstones",
        plant=refuses_deletes_on_a_full_disk,
        found_by=Tests("tests/storagenode/disk/test_health.py"),
    ),
    PlantedBug(
        what="a node takes photos of a volume that it is not a home of",
        plant=writes_to_volumes_of_others,
        found_by=Tests("tests/storagenode/disk/test_store_contract.py"),
    ),
    PlantedBug(
        what="one file that is refused is all files of its request that are",
        plant=tells_all_what_became_of_the_first,
        found_by=Tests("tests/storagenode/transport/test_raw_http.py"),
    ),
    PlantedBug(
        what="one upload that is given up takes others to the same node with it",
        plant=gives_up_a_request_with_the_first_that_does_not_wait,
        found_by=Tests("tests/storagenode/transport/test_write_batcher.py"),
    ),
)
