"""Bugs in the store, the listings, and the ports of a node."""

from storagenode.disk import publishing
from storagenode.disk.publishing import Publisher
from storagenode.disk.shard_listing import ShardListings
from storagenode.disk.staging import StagedFile
from storagenode.disk.store import DiskStore
from storagenode.known_checksums import KnownChecksums
from storagenode.open_file import OpenFile
from storagenode.protocol import batch_wire
from tests.planted.finders import Simulation, Tests
from tests.planted.planted_bug import PlantedBug


def serves_unverified_bytes(patch):
    """Serve files without verification."""
    patch.setattr(OpenFile, "read", lambda file: b"".join(file.chunks(0, file.stat.bytes)))
    patch.setattr(
        OpenFile,
        "read_cached",
        lambda file: file.source.read_cached(file.handle, file.stat.bytes),
    )


def trusts_bytes_of_a_known_digest(patch):
    """Verify only the first read of a digest."""
    sha256 = KnownChecksums.sha256

    def trusting(checksums, data, expected):
        known = expected in checksums._checksums
        return expected if known else sha256(checksums, data, expected)

    patch.setattr(KnownChecksums, "sha256", trusting)


def publishes_despite_a_tombstone(patch):
    """Ignore tombstones."""
    patch.setattr(Publisher, "raise_if_deleted", lambda *_, **__: None)


def excludes_one_format_only(patch):
    """Look for an original of the same format only."""
    patch.setattr(publishing, "rival_paths", lambda _: ())


def caches_absent_tombstones_permanently(patch):
    """Use a cached lookup after a tombstone was linked."""
    patch.setattr(
        Publisher,
        "raise_if_deleted_cached",
        lambda publisher, file: publisher._is_undeleted(file.photo_version, None),
    )


def lists_no_tombstones(patch):
    """Omit tombstones from the lists for other mirrors."""
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


def does_not_discard_staged_files(patch):
    """Leave the staged file of each write."""
    patch.setattr(StagedFile, "discard", lambda _file: None)


def rejects_deletes_on_a_full_disk(patch):
    """Require free space for tombstones, as for photos."""
    write = DiskStore.write_tombstone

    def require_space(store, place, *, mtime_seconds):
        store.health.check_free_space(1)
        return write(store, place, mtime_seconds=mtime_seconds)

    patch.setattr(DiskStore, "write_tombstone", require_space)


def writes_to_any_volume(patch):
    """Write to a volume without its marker."""
    patch.setattr(DiskStore, "_require_mirror", lambda _store, _place: None)


def returns_the_first_outcome_for_all(patch):
    """Return the outcome of the first file for all files of a request."""
    parse = batch_wire.parse_outcomes

    def parse_first(rows, *, count):
        return [parse(rows, count=count)[0]] * count

    patch.setattr(batch_wire, "parse_outcomes", parse_first)


BUGS_OF_NODES = (
    PlantedBug(
        what="the name that excludes other originals has the format in it",
        plant=excludes_one_format_only,
        found_by=Simulation("C10"),
    ),
    PlantedBug(
        what="reads are not verified",
        plant=serves_unverified_bytes,
        found_by=Tests("tests/storagenode/read_port/test_damage.py"),
    ),
    PlantedBug(
        what="bytes are not verified if their digest was verified before",
        plant=trusts_bytes_of_a_known_digest,
        found_by=Tests("tests/storagenode/read_port/test_damage.py"),
    ),
    PlantedBug(
        what="a file is published despite its tombstone",
        plant=publishes_despite_a_tombstone,
        found_by=Tests("tests/storagenode/disk/test_tombstone_race.py"),
    ),
    PlantedBug(
        what="a cached lookup without tombstones outlives a delete",
        plant=caches_absent_tombstones_permanently,
        found_by=Tests("tests/storagenode/disk/test_tombstone_race.py"),
    ),
    PlantedBug(
        what="tombstones are not listed for other mirrors",
        plant=lists_no_tombstones,
        found_by=Simulation("C5"),
    ),
    PlantedBug(
        what="staged files stay after their writes",
        plant=does_not_discard_staged_files,
        found_by=Simulation("C7"),
    ),
    PlantedBug(
        what="a full disk rejects tombstones",
        plant=rejects_deletes_on_a_full_disk,
        found_by=Tests("tests/storagenode/disk/test_health.py"),
    ),
    PlantedBug(
        what="a node stores photos of a volume that it does not mirror",
        plant=writes_to_any_volume,
        found_by=Tests("tests/storagenode/disk/test_store_contract.py"),
    ),
    PlantedBug(
        what="one rejected file rejects all files of its request",
        plant=returns_the_first_outcome_for_all,
        found_by=Tests("tests/storagenode/transport/test_raw_http.py"),
    ),
)
