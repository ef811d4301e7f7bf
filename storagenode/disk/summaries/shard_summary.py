"""The summary of one shard, and the file with the summaries of a volume.

A summary is valid while its directory has the stamp that was read before the listing. Every change
of a name replaces the mtime by the time of the clock, and no clock shows a time before 1970. The
stamp is such a time, so neither a jump of the clock nor the resolution of the mtime can hide a
change. A copy of a directory has another inode and ctime, whatever its mtime.
"""

import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from storagenode.disk.shard_listing import filter_files, has_unfinished_delete
from storagenode.file_stat import FileStat
from storagenode.protocol.files import ListedFile, is_original, listing_digest, names_digest
from volumes.cold_tier import SizeFilter
from volumes.json_text import parse_json
from volumes.photo_path import VolumeId, parse_name
from volumes.photo_shapes import photos_in

# 36 years in nanoseconds. The earliest stamp is in 1933, which every file system of Linux stores.
_STAMP_BITS = 60


class Stamp(NamedTuple):
    """The state of a directory, which a change of a name or a copy replaces."""

    inode: int
    mtime_nanoseconds: int
    ctime_nanoseconds: int

    @property
    def is_lasting(self) -> bool:
        """True if every later change replaces it: a time of the clock can come twice."""
        return self.mtime_nanoseconds < 0


def stamp_of(stat: FileStat) -> Stamp:
    """Return the stamp of a directory."""
    return Stamp(stat.inode, stat.mtime_nanoseconds, stat.ctime_nanoseconds)


def new_mtime_nanoseconds() -> int:
    """Return an mtime before 1970 that no directory had before."""
    return -1 - secrets.randbits(_STAMP_BITS)


@dataclass(frozen=True, slots=True)
class ShardSummary:
    """The known state of a shard whose directory has this stamp."""

    stamp: Stamp
    photos: int
    files: int
    bytes: int
    tombstones: str
    """The digest of the names of all tombstones; empty without tombstones."""
    pending: tuple[str, ...]
    """The names of the originals without sizes."""
    shapes: tuple[str, ...]
    """The shapes of the photos, as in `volumes/photo_shapes.py`."""
    is_sound: bool
    """False if reconcile has to look into the shard, also if its digest is that of all mirrors."""
    digests: Mapping[SizeFilter | None, str]
    """The digest of the files that match a size filter, for each filter in use."""


def summarize(
    volume: VolumeId,
    stamp: Stamp,
    files: tuple[ListedFile, ...],
    sizes: SizeFilter | None,
    *,
    known: ShardSummary | None = None,
) -> ShardSummary:
    """Return the summary of listed files, with the digest for one more filter than is known."""
    digest = listing_digest(filter_files(volume, files, sizes))
    if known is not None and known.stamp == stamp:
        return replace(known, digests={**known.digests, sizes: digest})
    names = {parse_name(volume, file.name): file.name for file in files}
    unfinished = photos_in(names)
    return ShardSummary(
        stamp,
        photos=sum(is_original(file.name) for file in files),
        files=len(files),
        bytes=sum(file.bytes for file in files),
        tombstones=names_digest(file.name for file in files if file.name.endswith(".gone")),
        pending=tuple(names[original] for original in unfinished.pending),
        shapes=unfinished.shapes,
        is_sound=all(file.digest for file in files) and not has_unfinished_delete(files),
        digests={sizes: digest},
    )


def render_summaries(summaries: Mapping[str, ShardSummary]) -> bytes:
    """Return the summaries of a volume by shard as JSON. Unsound summaries are left out."""
    rows = {
        shard: [
            *each.stamp,
            *(each.photos, each.files, each.bytes, each.tombstones),
            *(each.pending, each.shapes),
            {_render_filter(sizes): digest for sizes, digest in each.digests.items()},
        ]
        for shard, each in sorted(summaries.items())
        if each.is_sound and each.stamp.is_lasting and each.files
    }
    return json.dumps(rows, separators=(",", ":")).encode()


def parse_summaries(text: bytes) -> dict[str, ShardSummary]:
    """Parse what `render_summaries` returns.

    Raises:
        ValueError: The text has another form.
    """
    try:
        return {str(shard): _parse_row(*row) for shard, row in parse_json(text).items()}
    except (TypeError, AttributeError) as error:
        raise ValueError(f"invalid summaries: {error}") from error


def _parse_row(  # the order of the JSON
    inode: int,
    mtime: int,
    ctime: int,
    photos: int,
    files: int,
    size: int,
    tombstones: str,
    pending: list[str],
    shapes: list[str],
    digests: dict[str, str],
) -> ShardSummary:
    return ShardSummary(
        Stamp(inode, mtime, ctime),
        photos,
        files,
        size,
        tombstones,
        tuple(map(str, pending)),
        tuple(sys.intern(str(shape)) for shape in shapes),
        is_sound=True,
        digests={_parse_filter(text): str(digest) for text, digest in digests.items()},
    )


def _render_filter(sizes: SizeFilter | None) -> str:
    return "" if sizes is None else ("+" if sizes.include else "-") + sizes.sizes


def _parse_filter(text: str) -> SizeFilter | None:
    return SizeFilter(text[1:], include=text[0] == "+") if text else None
