"""The photos of a volume, in pages: the union of what its mirrors list, by shard and id.

A page lists shards until it is full, a few at once while they have few files. It never lists more
than one page needs, whatever the size of the volume.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storagemaster.errors import BadArgument, Unavailable
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.wire import PhotoPage
from storagenode.protocol.files import ListedFile
from volumes.cluster import NodeId
from volumes.photo_id import InvalidPhotoId, parse_photo_id, parse_version
from volumes.photo_path import SHARDS, PhotoVersion, VolumeId, parse_name, shard_of
from volumes.version_files import live_versions

# A slow disk must list a large shard without counting as down.
PATIENCE_SECONDS = 10.0
SHARDS_AT_ONCE_MAX = 64
# While a request lists fewer files, the next one lists twice as many shards.
FILES_FEW = 1_000
# The page ends here also without photos, as in a volume of tombstones.
FILES_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order of a volume's photos: behind `photo`, or behind the whole shard."""

    shard: str
    photo: str | None
    """PHOTO/VERSION, or None if the shard is complete."""

    def __str__(self) -> str:
        return self.photo or self.shard


class VolumeListing:
    """The listing of a volume's photos from its mirrors."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def page(self, number: VolumeId, *, after: Cursor | None, limit: int) -> PhotoPage:
        """Return up to `limit` photo versions behind a cursor that are stored and not deleted.

        Raises:
            UnknownVolume: The config has no such volume.
            Unavailable: No mirror responded.
        """
        mirrors = self._mirrors.volume(number).mirrors
        unreachable: set[NodeId] = set()
        photos: list[str] = []
        files_total, at_once = 0, 1
        shards = shards_behind(after)
        while shards:
            some, shards = shards[:at_once], shards[at_once:]
            listed = await self._mirrors.query(
                mirrors,
                lambda _, node, some=some: node.list_shards(number, some),  # type: ignore[misc]
                patience_seconds=PATIENCE_SECONDS,
            )
            unreachable |= set(listed.unreachable)
            if not listed.results:
                raise Unavailable(f"no mirror of volume {number} responded; try again")
            for shard in some:
                files = [by_shard[shard] for by_shard in listed.results.values()]
                photos += photos_behind(after, list_union(number, files))
                end = page_end(photos, shard, limit=limit)
                if end is not None:
                    return _page(number, photos[:limit], end, unreachable)
            files_listed = sum(len(f) for node in listed.results.values() for f in node.values())
            files_total += files_listed
            if files_total > FILES_MAX:
                return _page(number, photos, Cursor(some[-1], None), unreachable)
            if files_listed < FILES_FEW:
                at_once = min(2 * at_once, SHARDS_AT_ONCE_MAX)
        return _page(number, photos, None, unreachable)


def parse_cursor(text: str) -> Cursor:
    """Parse the `after` of a page.

    >>> parse_cursor("01jd3x8m2c9qp4k7/3fz8qd")
    Cursor(shard='k7', photo='01jd3x8m2c9qp4k7/3fz8qd')

    Raises:
        BadArgument: The text is not the `after` of a page.
    """
    if text in SHARDS:
        return Cursor(text, None)
    photo, _, version = text.partition("/")
    try:
        parse_version(version)
        return Cursor(shard_of(parse_photo_id(photo)), text)
    except InvalidPhotoId as error:
        raise BadArgument(f"invalid after {text!r}: send the `after` of the last page") from error


def shards_behind(after: Cursor | None) -> Sequence[str]:
    """Return the shards that can have photos behind a cursor, in order."""
    if after is None:
        return SHARDS
    return SHARDS[SHARDS.index(after.shard) + (after.photo is None) :]


def photos_behind(after: Cursor | None, versions: Sequence[PhotoVersion]) -> list[str]:
    """Return PHOTO/VERSION of a shard's versions, without those up to the cursor."""
    names = [f"{version.photo}/{version.version}" for version in versions]
    if after is None or after.photo is None or not versions or versions[0].shard != after.shard:
        return names
    return [name for name in names if name > after.photo]


def list_union(volume: VolumeId, listings: Sequence[Sequence[ListedFile]]) -> list[PhotoVersion]:
    """Return the live versions of a shard, sorted, by the listings of all mirrors together."""
    names = {file.name for files in listings for file in files}
    return [each.photo_version for each in live_versions(parse_name(volume, n) for n in names)]


def page_end(photos: Sequence[str], shard: str, *, limit: int) -> Cursor | None:
    """Return the cursor of a page that is full after a shard, or None if it has room."""
    if len(photos) > limit:
        return Cursor(shard, photos[limit - 1])
    return Cursor(shard, None) if len(photos) == limit else None


def _page(
    number: VolumeId, photos: Sequence[str], end: Cursor | None, unreachable: set[NodeId]
) -> PhotoPage:
    is_last = end is None or (end.photo is None and end.shard == SHARDS[-1])
    return PhotoPage(
        photos=tuple(f"{number}/{photo}" for photo in photos),
        after=None if is_last else str(end),
        unreachable=tuple(sorted(unreachable)),
    )
