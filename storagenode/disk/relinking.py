"""A photo under another version: every file linked to its new name, no byte copied."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.publishing import Publisher
from storagenode.disk.reading import opened
from storagenode.protocol.errors import Corrupt, NotThere
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


def relink(
    file_system: FileSystem,
    publisher: Publisher,
    of: PhotoVersion,
    version: Version,
    *,
    set_aside: Callable[..., object],
    original_only: bool = False,
    is_chilled: bool = False,
) -> tuple[str, ...]:
    """Link every file of a version to the same name with another version; the new paths.

    The bytes are on the disk already. The new info is linked only when all else is fsynced, as it
    is in a bundle. Doing it again is harmless. With `original_only`, the new version is one whose
    sizes have yet to be made. Of a chilled volume the original may be with its keepers.

    Raises:
        Gone: A tombstone covers the old or the new version.
        NotThere: The old version has no original here.
        Corrupt: A file does not have its digest, and was set aside, or has none. It may be the only
            copy to last: that on the other mirror is deleted under its old name.
    """
    directory = f"{of.volume}/{of.shard}"
    new = replace(of, version=version)
    with publisher.photo_locked(Info(of)):
        publisher.refuse_if_gone(Info(of))
        publisher.refuse_if_gone(Info(new))
        files = _files_of(file_system, of)
        has_original = any(isinstance(file, Variant) and file.is_original for file in files)
        if not (has_original or (is_chilled and files)):
            raise NotThere(f"{render_stem(of)} has no original here")
        if original_only:
            files = [file for file in files if isinstance(file, Variant) and file.is_original]
        made = []
        # Infos last: they say that all else is there.
        for file in sorted(files, key=lambda file: isinstance(file, Info)):
            source, target = render_path(file), render_path(replace(file, of=new))
            _verify(file_system, Place(file), set_aside)
            if isinstance(file, Info):
                file_system.fsync_directory(directory)
            with contextlib.suppress(FileExistsError):
                file_system.link(source, target)
            made.append(target)
        file_system.fsync_directory(directory)
    return tuple(made)


def _verify(file_system: FileSystem, place: Place, set_aside: Callable[..., object]) -> None:
    with opened(file_system, place.path) as file:
        try:
            file.verify()
        except Corrupt:
            if file.digest is not None:
                set_aside(place, inode=file.stat.inode)
            raise


def _files_of(file_system: FileSystem, of: PhotoVersion) -> list[Variant | Info | Failure]:
    prefix = f"{of.photo}_{of.version}"
    files = []
    for name in file_system.list(f"{of.volume}/{of.shard}"):
        if name.startswith(prefix):
            file = parse_name(of.volume, name)
            if isinstance(file, Variant | Info | Failure):
                files.append(file)
    return files
