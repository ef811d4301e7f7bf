"""Operations during which the power fails, and the promises afterwards."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from storagenode.disk.directories import VOLUMES_WITH_ALL_SHARDS_MAX
from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import Conflict
from storagenode.protocol.layout import QUARANTINE, TOMBSTONE_BYTES, Place
from tests.storagenode.disk.crash_file_system import Contents, CrashFileSystem
from tests.storagenode.disk.crash_promises import (
    Check,
    Survivor,
    is_gone,
    is_there,
    is_there_or_gone,
    nothing,
)
from tests.storagenode.photo_samples import (
    MTIME,
    OTHER_VOLUME,
    Bundle,
    bundle_of,
    bytes_of,
    digest_of,
    variant_of,
    version_of,
)
from tests.storagenode.tombstones import proof_of, write_tombstone
from volumes.photo_path import PhotoTombstone, PhotoVersion, Variant, VersionTombstone, VolumeId

OF = version_of(7)
NEW = version_of(7, version=1)
DATA = bytes_of("photo", size=300)
HINTED = variant_of(OF, hint_for="west-1")

# Their number leaves the creation of shards to the first files.
OTHER_VOLUMES = tuple(
    map(VolumeId, range(OTHER_VOLUME, OTHER_VOLUME + VOLUMES_WITH_ALL_SHARDS_MAX))
)

OLD = version_of(1)
OLD_HINT = variant_of(version_of(2), hint_for="west-1")
OLD_GONE = version_of(3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenario:
    """One operation of a store.

    The result of `prepare` is durable. `operate` acknowledges its steps. `promises` has the promise
    of each acknowledgement, and `always` the promises that hold at any time.
    """

    name: str
    prepare: Callable[[DiskStore, CrashFileSystem], None] = lambda _store, _disk: None
    operate: Callable[[DiskStore, CrashFileSystem], None]
    files: Bundle
    """The allowed complete contents of each path."""
    tolerated: tuple[tuple[Place, Contents], ...] = ()
    """Further allowed contents, which existed before."""
    promises: Mapping[str, Check] = field(default_factory=dict)
    always: Check = nothing
    may_sync_disk: bool = False


def put(store: DiskStore, place: Place, data: bytes) -> None:
    """Stream an upload in three chunks."""
    with store.staging(bytes_expected=len(data)) as file:
        for start in range(0, len(data), -(-len(data) // 3)):
            file.write(data[start : start + -(-len(data) // 3)])
        store.publish(file, place, mtime_seconds=MTIME, digest=digest_of(data))


def file_of(place: Place, data: bytes) -> tuple[Place, bytes, str]:
    """Return a file of a bundle."""
    return place, data, digest_of(data)


def tombstone_of(place: Place) -> tuple[Place, bytes, str]:
    """Return a tombstone as a file."""
    return place, TOMBSTONE_BYTES, proof_of(place)


def putting(place: Place, what: str) -> Callable[[DiskStore, CrashFileSystem], None]:
    """Put the photo, and acknowledge it."""

    def operate(store: DiskStore, disk: CrashFileSystem) -> None:
        put(store, place, DATA)
        disk.acknowledge(what)

    return operate


def bundling(bundle: Bundle) -> Callable[[DiskStore, CrashFileSystem], None]:
    """Publish sizes, and acknowledge them."""

    def operate(store: DiskStore, disk: CrashFileSystem) -> None:
        store.publish_bundle(bundle, mtime_seconds=MTIME)
        disk.acknowledge("bundle")

    return operate


def writing_tombstones(*tombstones: Place) -> Callable[[DiskStore, CrashFileSystem], None]:
    """Write tombstones, and acknowledge each."""

    def operate(store: DiskStore, disk: CrashFileSystem) -> None:
        for tombstone in tombstones:
            write_tombstone(store, tombstone)
            disk.acknowledge(tombstone.path)

    return operate


def in_turn(
    *steps: Callable[[DiskStore, CrashFileSystem], None],
) -> Callable[[DiskStore, CrashFileSystem], None]:
    """Run several operations in turn."""

    def operate(store: DiskStore, disk: CrashFileSystem) -> None:
        for step in steps:
            step(store, disk)

    return operate


def put_other_bytes(store: DiskStore, disk: CrashFileSystem) -> None:
    """Put other bytes, which are refused."""
    with contextlib.suppress(Conflict):
        put(store, ORIGINAL[0], bytes_of("other", size=300))
    disk.acknowledge("refused")


def remove_hint(store: DiskStore, disk: CrashFileSystem) -> None:
    """Remove the hint."""
    store.remove_hint(HINTED)
    disk.acknowledge("settled")


def have_whole_photo(store: DiskStore, _: CrashFileSystem) -> None:
    """Prepare an original with some sizes and its info."""
    store.publish_bundle(WHOLE, mtime_seconds=MTIME)


def have_unfinished_sizes(store: DiskStore, _: CrashFileSystem) -> None:
    """Prepare sizes without an info that differ from the new ones."""
    for place, _data, _digest in SINGLE_LOOKUPS_MAX[:-1]:
        put(store, place, UNFINISHED.data)


def have_corrupt_photo(store: DiskStore, disk: CrashFileSystem) -> None:
    """Prepare an original with a flipped bit."""
    put(store, ORIGINAL[0], DATA)
    disk.corrupt(ORIGINAL[0].path)


def have_unverified_photo(store: DiskStore, disk: CrashFileSystem) -> None:
    """Prepare an original without its digest."""
    put(store, ORIGINAL[0], DATA)
    disk.lose_digest(ORIGINAL[0].path)


def lose_shard(_: DiskStore, disk: CrashFileSystem) -> None:
    """Remove the shard's directory."""
    disk.lose_directory(f"{OF.volume}/{OF.shard}")


def quarantine(store: DiskStore, disk: CrashFileSystem) -> None:
    """Quarantine the photo."""
    store.quarantine(ORIGINAL[0])
    disk.acknowledge("quarantined")


def restore_digest(store: DiskStore, disk: CrashFileSystem) -> None:
    """Restore the photo's digest."""
    store.restore_digest(ORIGINAL[0], "")
    disk.acknowledge("restored")


def relink(store: DiskStore, disk: CrashFileSystem) -> None:
    """Relink the photo under another version."""
    store.relink(OF, NEW.version)
    disk.acknowledge("relinked")


def create_volumes(store: DiskStore, disk: CrashFileSystem) -> None:
    """Make the node a mirror of other volumes."""
    store.create_volumes(OTHER_VOLUMES)
    disk.acknowledge("opened")


def are_open(survivor: Survivor) -> Iterator[str]:
    """Check that the other volumes exist."""
    for volume in set(OTHER_VOLUMES) - set(survivor.store.volumes):
        yield f"volume {volume} was acknowledged and is not open"


def is_quarantined(survivor: Survivor) -> Iterator[str]:
    """Check that the corrupt file has lost its name."""
    if ORIGINAL[0].path in survivor.contents:
        yield "the corrupt file has its name again"


def corrupt_bytes_are_kept(survivor: Survivor) -> Iterator[str]:
    """Check that the corrupt bytes are in place or in the quarantine."""
    if not survivor.keeps(CORRUPT.data, ORIGINAL[0].path, QUARANTINE):
        yield "the corrupt bytes were deleted"


def unfinished_sizes_are_replaced(survivor: Survivor) -> Iterator[str]:
    """Check that replaced sizes are kept, and never beside an info."""
    for place, _, _ in SINGLE_LOOKUPS_MAX[:-1]:
        if not survivor.keeps(UNFINISHED.data, place.path, QUARANTINE):
            yield f"the bytes that had the name {place} were deleted"
    if SINGLE_LOOKUPS_MAX[-1][0].path in survivor.contents:
        yield from is_there(SINGLE_LOOKUPS_MAX)(survivor)


def acknowledged_bytes_survive(survivor: Survivor) -> Iterator[str]:
    """Check that acknowledged bytes are live or in a hint."""
    if HINTED.path not in survivor.contents and survivor.serves(ORIGINAL[0]) != DATA:
        yield "a hint was removed before its delivery"


def with_version(bundle: Bundle, photo_version: PhotoVersion) -> Bundle:
    """Return the same files under another version."""
    moved = []
    for (place, data, digest), (target, _, _) in zip(
        bundle, bundle_of(photo_version, sizes="osmqtn"), strict=True
    ):
        assert type(place.file) is type(target.file)
        moved.append((target, data, digest))
    return moved


ORIGINAL = file_of(variant_of(OF), DATA)
CORRUPT = Contents(bytes([DATA[0] ^ 1]) + DATA[1:], digest_of(DATA), MTIME)
UNFINISHED = Contents(bytes_of("unfinished"), digest_of(bytes_of("unfinished")), MTIME)
HELD_FILE = file_of(HINTED, DATA)
SIZES = bundle_of(OF)
SINGLE_LOOKUPS_MAX = bundle_of(OF, sizes="sm")
OWED_SIZES = bundle_of(OF, hint_for="west-1")
WHOLE = bundle_of(OF, sizes="osmqtn")
RELINKED = with_version(WHOLE, NEW)
GONE = Place(VersionTombstone(OF))
ALL_GONE = Place(PhotoTombstone(OF.volume, OF.photo))
HINTED_TOMBSTONE = Place(VersionTombstone(OF), HINTED.hint_for)
IN_OTHER_VOLUME = Place(Variant(PhotoVersion(OTHER_VOLUME, OF.photo, OF.version), "o", "jpg"))

SCENARIOS = (
    Scenario(
        name="put",
        operate=putting(ORIGINAL[0], "put"),
        files=[ORIGINAL],
        promises={"put": is_there([ORIGINAL])},
    ),
    Scenario(
        name="put the same again",
        operate=in_turn(putting(ORIGINAL[0], "put"), putting(ORIGINAL[0], "put again")),
        files=[ORIGINAL],
        promises={"put": is_there([ORIGINAL]), "put again": is_there([ORIGINAL])},
    ),
    Scenario(
        name="put other bytes",
        operate=in_turn(putting(ORIGINAL[0], "put"), put_other_bytes),
        files=[ORIGINAL],
        promises={"put": is_there([ORIGINAL]), "refused": is_there([ORIGINAL])},
    ),
    Scenario(
        name="put into a lost directory",
        prepare=lose_shard,
        operate=putting(ORIGINAL[0], "put"),
        files=[ORIGINAL],
        promises={"put": is_there([ORIGINAL])},
    ),
    Scenario(
        name="put over a corrupt copy",
        prepare=have_corrupt_photo,
        operate=putting(ORIGINAL[0], "put"),
        files=[ORIGINAL],
        tolerated=((ORIGINAL[0], CORRUPT),),
        promises={"put": is_there([ORIGINAL])},
        always=corrupt_bytes_are_kept,
    ),
    Scenario(
        name="bundle",
        operate=bundling(SIZES),
        files=SIZES,
        promises={"bundle": is_there(SIZES)},
    ),
    Scenario(
        name="few sizes, twice",
        operate=in_turn(bundling(SINGLE_LOOKUPS_MAX[::-1]), bundling(SINGLE_LOOKUPS_MAX)),
        files=SINGLE_LOOKUPS_MAX,
        promises={"bundle": is_there(SINGLE_LOOKUPS_MAX)},
    ),
    Scenario(
        name="bundle over sizes that were never finished",
        prepare=have_unfinished_sizes,
        operate=bundling(SINGLE_LOOKUPS_MAX),
        files=SINGLE_LOOKUPS_MAX,
        tolerated=tuple((place, UNFINISHED) for place, _, _ in SINGLE_LOOKUPS_MAX[:-1]),
        promises={"bundle": is_there(SINGLE_LOOKUPS_MAX)},
        always=unfinished_sizes_are_replaced,
    ),
    Scenario(
        name="hinted bundle",
        operate=bundling(OWED_SIZES),
        files=OWED_SIZES,
        promises={"bundle": is_there(OWED_SIZES)},
    ),
    Scenario(
        name="delete a version",
        prepare=have_whole_photo,
        operate=writing_tombstones(GONE),
        files=[*WHOLE, tombstone_of(GONE)],
        promises={GONE.path: is_gone(WHOLE, GONE)},
        always=is_there_or_gone(WHOLE, GONE),
    ),
    Scenario(
        name="delete a version, then the photo",
        prepare=have_whole_photo,
        operate=writing_tombstones(GONE, ALL_GONE),
        files=[*WHOLE, tombstone_of(GONE), tombstone_of(ALL_GONE)],
        promises={GONE.path: is_gone(WHOLE, GONE), ALL_GONE.path: is_gone(WHOLE, ALL_GONE)},
        always=is_there_or_gone(WHOLE, GONE, ALL_GONE),
    ),
    Scenario(
        name="delete a hinted photo",
        operate=writing_tombstones(HINTED_TOMBSTONE),
        files=[tombstone_of(HINTED_TOMBSTONE)],
        promises={HINTED_TOMBSTONE.path: is_gone([], HINTED_TOMBSTONE)},
    ),
    Scenario(
        name="remove a hint",
        operate=in_turn(putting(HINTED, "hinted"), putting(ORIGINAL[0], "live"), remove_hint),
        files=[ORIGINAL, HELD_FILE],
        promises={"hinted": acknowledged_bytes_survive, "live": is_there([ORIGINAL])},
    ),
    Scenario(
        name="quarantine",
        prepare=have_corrupt_photo,
        operate=quarantine,
        files=[],
        tolerated=((ORIGINAL[0], CORRUPT),),
        promises={"quarantined": is_quarantined},
        always=corrupt_bytes_are_kept,
    ),
    Scenario(
        name="restore digest",
        prepare=have_unverified_photo,
        operate=restore_digest,
        files=[ORIGINAL],
        tolerated=((ORIGINAL[0], Contents(DATA, None, MTIME)),),
        promises={"restored": is_there([ORIGINAL])},
    ),
    Scenario(
        name="relink",
        prepare=have_whole_photo,
        operate=relink,
        files=[*WHOLE, *RELINKED],
        promises={"relinked": is_there(RELINKED)},
        always=is_there(WHOLE),
    ),
    Scenario(
        name="open volumes",
        operate=create_volumes,
        files=[],
        promises={"opened": are_open},
    ),
    Scenario(
        name="open a volume and put into it",
        prepare=lambda store, _disk: store.create_volumes([OTHER_VOLUME]),
        operate=putting(IN_OTHER_VOLUME, "put"),
        files=[file_of(IN_OTHER_VOLUME, DATA)],
        promises={"put": is_there([file_of(IN_OTHER_VOLUME, DATA)])},
    ),
)
