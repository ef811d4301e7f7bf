"""Exploration of crashes: a scenario is crashed at every point in every way.

The real store runs over a `CrashFileSystem`. After each change of the disk, every state that a
crash can leave is built. A new store is opened over it, as after a restart, and checked against the
promises. In some states, the work is then repeated to its end.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from storagenode.disk.store import DiskStore
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import HINTS, QUARANTINE, STAGING, TOMBSTONE_BYTES, TRASH, Place
from tests.storagenode.disk.crash_file_system import (
    Acknowledged,
    Contents,
    CrashFileSystem,
    Created,
    Image,
    Operation,
    Synced,
)
from tests.storagenode.disk.crash_promises import Survivor, is_gone, is_there
from tests.storagenode.disk.crash_scenarios import OF, OLD, OLD_GONE, OLD_HINT, Scenario, put
from tests.storagenode.disk.crash_states import MANY_NAMES, StateKey, UnsettledDisk
from tests.storagenode.fake_clock import FakeClock
from tests.storagenode.photo_samples import MTIME, VOLUME, Bundle, bundle_of, digest_of
from tests.storagenode.tombstones import PROOFS, proof_of, write_tombstone
from volumes.cluster import NodeId
from volumes.photo_path import SHARDS, Info, InvalidPath, Variant, VersionTombstone, parse_path

AGAIN_EVERY = 32
# While a thousand similar names are created, only some of them are new cases.
LOOK_EVERY = 64
OLD_FILES = bundle_of(OLD, sizes="osm")
OLD_TOMBSTONE = Place(VersionTombstone(OLD_GONE))


@dataclass(slots=True)
class Exploration:
    """The number of disks that a scenario can leave, and the violations on them."""

    states: int = 0
    checks: int = 0
    violations: list[str] = field(default_factory=list)


def explore(
    scenario: Scenario, *, base: Image | None = None, violations_max: int = 20
) -> Exploration:
    """Crash a scenario at every point, starting from `base` or from a prepared disk."""
    base = base or prepared(scenario)
    disk = CrashFileSystem(base)
    store = DiskStore(
        disk, PROOFS, may_sync_disk=scenario.may_sync_disk, now_seconds=FakeClock(MTIME + 1000)
    )
    disk.log.clear()
    scenario.operate(store, disk)

    exploration = Exploration()
    disks: set[StateKey] = set()
    for key, image, moment in _crashes(base, disk):
        exploration.checks += 1
        disks.add(key)
        found = _examine(scenario, image, moment, again=exploration.checks % AGAIN_EVERY == 0)
        exploration.violations += [f"{scenario.name}, {moment}: {each}" for each in found]
        if len(exploration.violations) >= violations_max:
            break
    exploration.states = len(disks)
    return exploration


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment of a power failure: the change before it, and the acknowledgements so far."""

    operation: Operation
    acknowledged: tuple[str, ...]


def _crashes(base: Image, disk: CrashFileSystem) -> Iterator[tuple[StateKey, Image, Moment]]:
    """Yield every disk that can be left, once for each set of acknowledgements."""
    unsettled = UnsettledDisk(base)
    acknowledged: tuple[str, ...] = ()
    seen: set[tuple[StateKey, tuple[str, ...]]] = set()
    for number, operation in enumerate((Acknowledged(""), *disk.log)):
        unsettled.apply(operation)
        if isinstance(operation, Acknowledged):
            acknowledged += (operation.what,)
        # A state after an fsync is also possible before it.
        is_old = isinstance(operation, Created | Synced)
        is_one_of_many = unsettled.pending_names > MANY_NAMES and number % LOOK_EVERY != 0
        if is_old or (is_one_of_many and not isinstance(operation, Acknowledged)):
            continue
        for key, image in unsettled.states():
            if (key, acknowledged) not in seen:
                seen.add((key, acknowledged))
                yield key, image(), Moment(operation, acknowledged)


def prepared(scenario: Scenario) -> Image:
    """Return a durable disk with some photos and the preparations of the scenario."""
    disk = CrashFileSystem(_empty_root())
    store = DiskStore(disk, PROOFS, now_seconds=FakeClock(MTIME))
    store.publish_bundle(OLD_FILES, mtime_seconds=MTIME)
    put(store, OLD_HINT, b"an old hint")
    write_tombstone(store, OLD_TOMBSTONE)
    scenario.prepare(store, disk)
    return disk.image()


@functools.cache
def _empty_root() -> Image:
    """Return a root with one volume that has only the used shards. The others are alike."""
    disk = CrashFileSystem()
    for name in (STAGING, HINTS, TRASH, QUARANTINE):
        disk.make_directory(name)
    DiskStore(disk, PROOFS).create_volumes([VOLUME])
    for shard in set(SHARDS) - {OF.shard, OLD.shard, OLD_GONE.shard}:
        disk.lose_directory(f"{VOLUME}/{shard}")
    return disk.image()


def _examine(scenario: Scenario, image: Image, moment: Moment, *, again: bool) -> list[str]:
    disk = CrashFileSystem(image)
    try:
        store = DiskStore(disk, PROOFS, now_seconds=FakeClock(MTIME + 2000))
        survivor = Survivor(store, disk.contents())
        violations = [*_look(scenario, survivor, moment.acknowledged)]
        if again and not violations:
            scenario.operate(store, disk)
            survivor = Survivor(store, disk.contents())
            violations += [
                f"done again: {each}" for each in _look(scenario, survivor, scenario.promises)
            ]
    except (NodeError, OSError, AssertionError) as error:
        return [f"the store failed: {error!r}"]
    return violations


def _look(scenario: Scenario, survivor: Survivor, acknowledged: Iterable[str]) -> Iterator[str]:
    """Return all violations on one disk."""
    yield from (f"{p} is in staging" for p in survivor.contents if p.startswith(STAGING))
    yield from _look_at_files(scenario, survivor)
    yield from is_there(OLD_FILES)(survivor)
    yield from is_gone([], OLD_TOMBSTONE)(survivor)
    if survivor.serves(OLD_HINT) != b"an old hint":
        yield "an old hint is lost"
    yield from scenario.always(survivor)
    for what in acknowledged:
        if what in scenario.promises:
            yield from scenario.promises[what](survivor)


def _look_at_files(scenario: Scenario, survivor: Survivor) -> Iterator[str]:
    """Yield the photo files that are incomplete, and the infos with missing sizes."""
    whole = _whole_files(scenario)
    for path, contents in survivor.contents.items():
        place = _place_of(path)
        if place is None:
            continue
        if contents not in whole.get(path, set()):
            yield f"{path} has {len(contents.data)} bytes, digest {contents.digest}: not as written"
        if isinstance(place.file, Info) and survivor.serves(place) is not None:
            for sibling in _siblings(place, scenario.files):
                if survivor.serves(sibling) is None:
                    yield f"{path} is there, and {sibling} is not"


def _siblings(info: Place, files: Bundle) -> list[Place]:
    """Return the variants that an info lists."""
    return [
        place
        for place, _, _ in files
        if isinstance(place.file, Variant)
        and place.hint_for == info.hint_for
        and Info(place.file.photo_version) == info.file
    ]


@functools.cache
def _whole_files(scenario: Scenario) -> dict[str, set[Contents]]:
    """Return the allowed contents of each path."""
    whole = {
        place.path: {Contents(data, digest, MTIME)}
        for place, data, digest in (*scenario.files, *_old_files())
    }
    for place, contents in scenario.tolerated:
        whole.setdefault(place.path, set()).add(contents)
    return whole


def _old_files() -> Bundle:
    hint = b"an old hint"
    tombstone = (OLD_TOMBSTONE, TOMBSTONE_BYTES, proof_of(OLD_TOMBSTONE))
    return [*OLD_FILES, (OLD_HINT, hint, digest_of(hint)), tombstone]


def _place_of(path: str) -> Place | None:
    """Return the place of a path, or None for hidden files and markers."""
    hint_for = None
    if path.startswith(f"{HINTS}/"):
        _, hint_for, path = path.split("/", 2)
    try:
        return Place(parse_path(path), NodeId(hint_for) if hint_for else None)
    except InvalidPath:
        return None
