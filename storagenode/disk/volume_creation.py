"""Creation of volumes, many of them with one wait for the disk."""

import contextlib
from collections.abc import Sequence
from functools import partial

from storagenode.disk.directories import DurableDirectories
from storagenode.disk.filesystem import FileSystem
from storagenode.disk.staging import StagedFile, staged
from storagenode.protocol.layout import VOLUME_MARKER_BYTES, volume_marker
from volumes.photo_path import VolumeId

# Far fewer names than any file system permits for one file.
MARKERS_OF_ONE_FILE_MAX = 1_000


def create_volumes(
    file_system: FileSystem,
    directories: DurableDirectories,
    volumes: Sequence[VolumeId],
    shards: Sequence[str],
    *,
    mtime_seconds: int,
) -> None:
    """Create volumes with some shards; return when their names are durable.

    The markers are names of one file, and all changes come before the first fsync of a directory,
    so that they share a commit of the journal.
    """
    for start in range(0, len(volumes), MARKERS_OF_ONE_FILE_MAX):
        some = volumes[start : start + MARKERS_OF_ONE_FILE_MAX]
        with staged(file_system) as file:
            file.write(VOLUME_MARKER_BYTES)
            file.seal(mtime_seconds=mtime_seconds, digest=file.digest)
            names = {str(volume): shards for volume in some}
            directories.make_with_files(names, partial(_mark, some, file))


def _mark(volumes: Sequence[VolumeId], file: StagedFile) -> None:
    for volume in volumes:
        with contextlib.suppress(FileExistsError):
            file.link(volume_marker(volume))
