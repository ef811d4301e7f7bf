"""What must be true of all disks when everything has healed. Each rule has its promise's number.

C4   what was acknowledged is on every home, byte for byte
C5   what was deleted is on none, its tombstone is on all, and every edge has forgotten it
C6   the homes of a volume have the same files
C7   nothing is left in staging or owed
C8   every file has the digest that is noted of it, and an info speaks the truth
C9   a photo has the same time everywhere, unless it was uploaded twice at once
C11  every original that a client knows of has its sizes, or the reason why not
"""

import hashlib
import json
from collections.abc import Iterator, Mapping

from storagenode.protocol.layout import HINTS, STAGING
from tests.simulation.ledger import Ledger, Removal
from tests.simulation.world import World
from tests.storagenode.disk.crash_file_system import Contents
from volumes.photo_path import (
    Attempt,
    Failure,
    Info,
    InvalidPath,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    VolumeId,
    parse_path,
    render_path,
)

Files = Mapping[PhotoFile, Contents]


def what_is_wrong(world: World) -> list[str]:
    """Everything that is not as it must be, in words."""
    wrong: list[str] = []
    for volume in world.cluster.volumes:
        at_home = {node.name: {} for node in world.mirrors_of(volume)}
        for node in world.mirrors_of(volume):
            at_home[node.name] = _files(volume, node.disk.contents())
        wrong += _unlike(at_home, world.ledger)
        for name, files in at_home.items():
            wrong += (f"{each} at {name}" for each in _not_whole(files, world.ledger))
            wrong += (f"{each} at {name}" for each in _lost(world.ledger, volume, files))
            wrong += (f"{each} at {name}" for each in _back_again(world.ledger, volume, files))
            wrong += (f"{each} at {name}" for each in _without_sizes(files, world.ledger))
    for node in world.nodes.values():
        wrong += (
            f"C7: {path} is left at {node.name}"
            for path in node.disk.contents()
            if path.startswith((f"{STAGING}/", f"{HINTS}/"))
        )
    wrong += _not_forgotten(world)
    return sorted(wrong)


def _files(volume: VolumeId, contents: Mapping[str, Contents]) -> dict[PhotoFile, Contents]:
    found = {}
    for path, each in contents.items():
        if path.startswith(f"{volume}/"):
            try:
                found[parse_path(path)] = each
            except InvalidPath:
                continue
    return found


def _unlike(at_home: Mapping[str, Files], ledger: Ledger) -> Iterator[str]:
    """How homes differ."""
    first, *others = at_home
    for other in others:
        one, two = at_home[first], at_home[other]
        for file in {**one, **two}:
            a, b = one.get(file), two.get(file)
            if a is None or b is None:
                yield f"C6: {render_path(file)} is not at {first if a is None else other}"
            elif a.data != b.data:
                yield f"C6: {render_path(file)} differs between {first} and {other}"
            elif a.mtime_seconds != b.mtime_seconds and _has_one_time(file, ledger):
                yield f"C9: {render_path(file)} has two times at {first} and {other}"


def _has_one_time(file: PhotoFile, ledger: Ledger) -> bool:
    """Tombstones are never served. Of uploads with one key at once, each has its own second."""
    return isinstance(file, Variant) and file.photo_version.photo in ledger.asked_once


def _not_whole(files: Files, ledger: Ledger) -> Iterator[str]:
    """Files whose bytes are not those noted, and infos that lie."""
    for file, contents in files.items():
        if hashlib.sha256(contents.data).hexdigest() != contents.digest:
            yield f"C8: {render_path(file)} does not have its digest"
        elif isinstance(file, Info) and any(
            kept.photo_version == file.photo_version for kept in ledger.kept
        ):
            # Of a revocation that nobody was told of, what is missing comes when it is tried again.
            yield from _lies(file, contents, files)


def _lies(info: Info, contents: Contents, files: Files) -> Iterator[str]:
    try:
        said = json.loads(contents.data)
        made = [each["size"] for each in said["variants"]]
    except ValueError:
        yield f"C8: {render_path(info)} is no info"
        return
    for size in made:
        found = files.get(Variant(info.photo_version, size, "jpg"))
        if found is None:
            yield f"C8: {render_path(info)} tells of size {size}, which is not there"
        elif not found.data.startswith(f"{size} by {said['by']} of ".encode()):
            yield f"C8: {render_path(info)} tells of another size {size} than is there"


def _lost(ledger: Ledger, volume: VolumeId, files: Files) -> Iterator[str]:
    """What was acknowledged, was never to be removed, and is not there."""
    for kept in ledger.kept:
        if kept.photo_version.volume == volume and not ledger.is_removal_asked(kept.photo_version):
            found = files.get(kept.original)
            if found is None:
                yield f"C4: {kept.photo_version} is lost"
            elif found.data != kept.body:
                yield f"C4: {kept.photo_version} has other bytes"
    for file, contents in files.items():
        is_original = isinstance(file, Variant) and file.is_original
        if is_original and hashlib.sha256(contents.data).hexdigest() not in ledger.bodies:
            yield f"C1: {render_path(file)} was never uploaded"


def _back_again(ledger: Ledger, volume: VolumeId, files: Files) -> Iterator[str]:
    """What a tombstone covers, and tombstones that are not there."""
    for removal in ledger.removals:
        if removal.volume == volume and removal.told_at is not None:
            tombstone = _tombstone_of(removal)
            if tombstone not in files:
                yield f"C5: {render_path(tombstone)} is not there"
    gone = {file for file in files if isinstance(file, PhotoTombstone | VersionTombstone)}
    for file in files:
        if isinstance(file, Variant | Info | Attempt | Failure) and not gone.isdisjoint(
            (VersionTombstone(file.photo_version), PhotoTombstone(volume, file.photo_version.photo))
        ):
            yield f"C5: {render_path(file)} is there, and its tombstone too"


def _without_sizes(files: Files, ledger: Ledger) -> Iterator[str]:
    known = {kept.photo_version for kept in ledger.kept}
    for file in files:
        if isinstance(file, Variant) and file.is_original and file.photo_version in known:
            settled = {Info(file.photo_version), Failure(file.photo_version)}
            if settled.isdisjoint(files):
                yield f"C11: {render_path(file)} has neither sizes nor a reason"


def _not_forgotten(world: World) -> Iterator[str]:
    """What an edge has not been purged of since it was gone."""
    for kept in world.ledger.kept:
        if world.ledger.removals_told(kept.photo_version):
            for id_, edge in world.edges.items():
                if render_path(kept.original) in edge.cache:
                    yield f"C5: {id_} has {kept.photo_version} in its cache"


def _tombstone_of(removal: Removal) -> PhotoFile:
    if removal.version is None:
        return PhotoTombstone(removal.volume, removal.photo)
    return VersionTombstone(PhotoVersion(removal.volume, removal.photo, removal.version))
