"""The photos that were stored last, in pages: the lists of all nodes together.

The lists are hints: a photo can be missing, or be deleted by now. A lookup tells.
"""

from collections.abc import Callable, Iterable, Sequence

from storagemaster.errors import BadArgument
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.wire import RecentPage, RecentVersion
from storagenode.protocol.errors import BadRequest
from storagenode.protocol.recent import RecentPhoto, parse_recent
from volumes.photo_path import VolumeId

PATIENCE_SECONDS = 2.0


class RecentListing:
    """The listing of recent photos from all nodes that are up."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def page(
        self, *, before: RecentPhoto | None, limit: int, may_see: Callable[[VolumeId], bool]
    ) -> RecentPage:
        """Return up to `limit` photo versions before another one, the latest first.

        A page can be shorter than the limit, and still have a cursor, if the caller may see some
        volumes only.
        """
        listed = await self._mirrors.query(
            self._mirrors.everywhere,
            lambda _, node: node.recent(before=before, limit=limit),
            patience_seconds=PATIENCE_SECONDS,
        )
        photos = merge_recent(listed.results.values(), limit=limit)
        known = self._mirrors.cluster.volumes
        shown = [each for each in photos if each.photo_version.volume in known]
        return RecentPage(
            photos=tuple(
                RecentVersion(reference=each.reference, stored_seconds=each.stored_seconds)
                for each in shown
                if may_see(each.photo_version.volume)
            ),
            before=str(photos[-1]) if len(photos) == limit else None,
            unreachable=tuple(sorted(listed.unreachable)),
        )


def merge_recent(lists: Iterable[Sequence[RecentPhoto]], *, limit: int) -> list[RecentPhoto]:
    """Return the latest photos of several lists, each once, the latest first.

    >>> one, two = RecentPhoto(5, "1/a/b"), RecentPhoto(6, "1/c/d")
    >>> [each.stored_seconds for each in merge_recent([[two, one], [one]], limit=2)]
    [6, 5]
    """
    latest = sorted({each for photos in lists for each in photos}, reverse=True)
    return latest[:limit]


def parse_before(text: str) -> RecentPhoto:
    """Parse the `before` of a page.

    Raises:
        BadArgument: The text is not the `before` of a page.
    """
    try:
        return parse_recent(text)
    except BadRequest as error:
        raise BadArgument(f"invalid before {text!r}: send the `before` of the last page") from error
