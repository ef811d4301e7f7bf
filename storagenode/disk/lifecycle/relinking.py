"""Relinking of a photo under another version by hard links, without copying bytes."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from storagenode.disk.directories import retry_if_missing
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.publishing import Publisher
from storagenode.disk.reading import opened
from storagenode.protocol.errors import Corrupt, NotFound
from storagenode.protocol.layout import STAGING, Place
from volumes.photo_id import Version
from volumes.photo_path import (
    Failure,
    Info,
    PhotoVersion,
    Variant,
    parse_name,
    render_path,
    render_stem,
)
from volumes.version_files import originals_in

VersionFile = Variant | Info | Failure


def relink(
    file_system: FileSystem,
    publisher: Publisher,
    photo_version: PhotoVersion,
    version: Version,
    *,
    add_to_quarantine: Callable[..., object],
    original_only: bool = False,
    is_offloaded: bool = False,
) -> tuple[str, ...]:
    """Link every file of a version to the same name with another version; return the new paths.

    The new info is linked only after the other files are durable, as in a bundle. Repeated calls
    have the same effect. With `original_only`, the sizes of the new version are made later. The
    original of an offloaded volume can be missing here.

    Raises:
        Gone: A tombstone covers the old or the new version.
        NotFound: The old version has no original here.
        Corrupt: A file does not match its digest and was quarantined, or it has no digest. It must
            not be relinked, because it can become the only copy.
    """
    directory = f"{photo_version.volume}/{photo_version.shard}"
    new = replace(photo_version, version=version)
    with publisher.photo_lock(Info(photo_version)):
        publisher.raise_if_deleted(Info(photo_version))
        publisher.raise_if_deleted(Info(new))
        files = _files_of(file_system, photo_version)
        files = files_to_relink(
            photo_version, files, original_only=original_only, is_offloaded=is_offloaded
        )
        paths = []
        for file in files:
            source, target = render_path(file), render_path(replace(file, photo_version=new))
            _verify(file_system, Place(file), add_to_quarantine)
            if isinstance(file, Info):
                file_system.fsync_directory(directory)
            _link(file_system, source, target)
            paths.append(target)
        file_system.fsync_directory(directory)
    return tuple(paths)


def files_to_relink(
    photo_version: PhotoVersion,
    files: Sequence[VersionFile],
    *,
    original_only: bool,
    is_offloaded: bool,
) -> list[VersionFile]:
    """Return the files of a version to relink. Infos come last, as in a bundle.

    Raises:
        NotFound: The original is missing, and the volume is not offloaded.
    """
    originals = originals_in(files)
    if not (originals or (is_offloaded and files)):
        raise NotFound(f"{render_stem(photo_version)} has no original on this node")
    chosen: Sequence[VersionFile] = originals if original_only else files
    return sorted(chosen, key=lambda file: isinstance(file, Info))


def _link(file_system: FileSystem, source: str, target: str) -> None:
    """Link a name. If it is taken by a later copy of the same bytes, the earlier one takes it.

    An upload that was retried since the last relink can have given the source an earlier time, and
    the name has to have the same time on every mirror.
    """
    try:
        file_system.link(source, target)
    except FileExistsError:
        with opened(file_system, source) as file, opened(file_system, target) as existing:
            is_copy = file.digest == existing.digest
            is_earlier = file.stat.mtime_seconds < existing.stat.mtime_seconds
        if is_copy and is_earlier:
            retry_if_missing(partial(_replace, file_system, source, target))


def _replace(file_system: FileSystem, source: str, target: str) -> None:
    hidden = f"{STAGING}/{target.replace('/', '-')}"
    file_system.make_directory(STAGING)
    with contextlib.suppress(FileExistsError):
        file_system.link(source, hidden)
    file_system.rename(hidden, target)


def _verify(
    file_system: FileSystem, place: Place, add_to_quarantine: Callable[..., object]
) -> None:
    with opened(file_system, place.path) as file:
        try:
            file.verify()
        except Corrupt:
            if file.digest is not None:
                add_to_quarantine(place, inode=file.stat.inode)
            raise


def _files_of(file_system: FileSystem, photo_version: PhotoVersion) -> list[VersionFile]:
    prefix = f"{photo_version.photo}_{photo_version.version}"
    files = []
    for name in file_system.list(f"{photo_version.volume}/{photo_version.shard}"):
        if name.startswith(prefix):
            file = parse_name(photo_version.volume, name)
            if isinstance(file, Variant | Info | Failure):
                files.append(file)
    return files
