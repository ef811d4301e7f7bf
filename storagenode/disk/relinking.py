"""A photo under another version: every file linked to its new name, no byte copied."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.publishing import Publisher
from storagenode.disk.reading import opened
from storagenode.protocol.errors import Corrupt, NotFound
from storagenode.protocol.layout import Place
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
    """Link every file of a version to the same name with another version; the new paths.

    The bytes are on the disk already. The new info is linked only when all else is fsynced, as it
    is in a bundle. Doing it again is harmless. With `original_only`, the new version is one whose
    sizes have yet to be made. Of a chilled volume the original may be with its keepers.

    Raises:
        Gone: A tombstone covers the old or the new version.
        NotFound: The old version has no original here.
        Corrupt: A file does not have its digest, and was set aside, or has none. It may be the only
            copy to last: that on the other mirror is deleted under its old name.
    """
    directory = f"{photo_version.volume}/{photo_version.shard}"
    new = replace(photo_version, version=version)
    with publisher.photo_lock(Info(photo_version)):
        publisher.raise_if_deleted(Info(photo_version))
        publisher.raise_if_deleted(Info(new))
        files = _files_of(file_system, photo_version)
        originals = originals_in(files)
        if not (originals or (is_offloaded and files)):
            raise NotFound(f"{render_stem(photo_version)} has no original here")
        chosen = originals if original_only else files
        made = []
        # Infos last: they say that all else is there.
        for file in sorted(chosen, key=lambda file: isinstance(file, Info)):
            source, target = render_path(file), render_path(replace(file, photo_version=new))
            _verify(file_system, Place(file), add_to_quarantine)
            if isinstance(file, Info):
                file_system.fsync_directory(directory)
            with contextlib.suppress(FileExistsError):
                file_system.link(source, target)
            made.append(target)
        file_system.fsync_directory(directory)
    return tuple(made)


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


def _files_of(
    file_system: FileSystem, photo_version: PhotoVersion
) -> list[Variant | Info | Failure]:
    prefix = f"{photo_version.photo}_{photo_version.version}"
    files = []
    for name in file_system.list(f"{photo_version.volume}/{photo_version.shard}"):
        if name.startswith(prefix):
            file = parse_name(photo_version.volume, name)
            if isinstance(file, Variant | Info | Failure):
                files.append(file)
    return files
