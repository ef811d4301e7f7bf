"""Search for files that every mirror of a photo has lost, which no comparison of mirrors can see.

A size that the info lists is regenerated: the info goes to the quarantine of every mirror, and then
the sweep finds a photo without sizes. For an original that is lost there is only an alert.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence

from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.photo_files import PhotoReader
from storagenode.client import NodeClient
from storagenode.protocol.files import ListedFile
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import INFOS_MAX
from volumes.json_text import parse_json
from volumes.photo_path import Info, PhotoFile, PhotoVersion, Variant, VolumeId, parse_name
from volumes.version_files import VersionState, versions_in

log = logging.getLogger(__name__)


class LostFiles:
    """The search of one storagemaster, and the originals that it misses."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors
        self._reads = PhotoReader(mirrors)
        self._letters = frozenset(size.letter for size in mirrors.cluster.sizes)
        formats = mirrors.cluster.variant_formats
        self._may_have_webp = formats.webp or formats.animation
        self._originals: dict[tuple[VolumeId, str], list[PhotoVersion]] = {}

    @property
    def originals(self) -> list[PhotoVersion]:
        """The versions whose sizes remain, and whose original no node has."""
        return [each for lost in self._originals.values() for each in lost]

    async def search_originals(
        self, volume: VolumeId, shard: str, files: Sequence[ListedFile]
    ) -> bool:
        """Note the versions of a shard without an original; return True if one may still appear."""
        lost = []
        is_open = False
        for photo_version in without_original(_parsed(volume, files)):
            found = await self._reads.files_of(volume, photo_version.photo)
            version = found.version(photo_version)
            if version.original is not None or version.is_gone:
                continue
            if found.unreachable or self._has_hints():
                is_open = True
            else:
                lost.append(photo_version)
        self._originals.pop((volume, shard), None)
        if lost:
            self._originals[volume, shard] = lost
        return is_open

    async def search_sizes(
        self, node: NodeClient, volume: VolumeId, files: Sequence[ListedFile]
    ) -> bool:
        """Begin to regenerate lost sizes of a shard; return True if another search has to follow.

        Raises:
            NodeError: A node did not respond.
        """
        missing = await self._missing_sizes(node, _parsed(volume, files))
        for photo_version, sizes in missing:
            await self._make_again(photo_version, sizes)
        return bool(missing)

    def _has_hints(self) -> bool:
        views = self._mirrors.fleet.view().values()
        return any(view.status is None or view.status.hints for view in views)

    async def _missing_sizes(
        self, node: NodeClient, present: set[PhotoFile]
    ) -> list[tuple[PhotoVersion, set[Variant]]]:
        """Return the versions whose info lists sizes that are not present, with these sizes."""
        doubtful = [
            Info(version.photo_version)
            for version in versions_in(present)
            if version.state is VersionState.READY
            and version.original is not None
            and not self._has_all_sizes(version.photo_version, present)
        ]
        found = []
        for start in range(0, len(doubtful), INFOS_MAX):
            infos = await node.infos(doubtful[start : start + INFOS_MAX])
            for info, data in infos.items():
                if missing := listed_sizes(info.photo_version, data) - present:
                    found.append((info.photo_version, missing))
        return found

    def _has_all_sizes(self, photo_version: PhotoVersion, present: set[PhotoFile]) -> bool:
        """Return True if the names alone prove that no size is lost."""
        jpeg, webp = (
            {each for each in self._letters if Variant(photo_version, each, ext) in present}
            for ext in ("jpg", "webp")
        )
        return jpeg == self._letters and (webp == jpeg if self._may_have_webp or webp else True)

    async def _make_again(self, photo_version: PhotoVersion, missing: set[Variant]) -> None:
        """Quarantine the info on every mirror, unless a mirror may have the missing sizes."""
        info = Info(photo_version)
        files = await self._reads.files_of(photo_version.volume, photo_version.photo)
        digests = files.digests.get(info, frozenset())
        # Reconcile copies a size that one mirror has, and decides which of two infos stays.
        if files.unreachable or len(digests) != 1 or missing <= files.holders.keys():
            return
        if files.version(photo_version).is_gone:
            return
        log.error("%s has lost a size on every mirror: all sizes are regenerated", photo_version)
        for node in files.holders[info]:
            await self._mirrors.nodes[node].quarantine(Place(info), digest=min(digests))


def _parsed(volume: VolumeId, files: Iterable[ListedFile]) -> set[PhotoFile]:
    return {parse_name(volume, listed.name) for listed in files}


def without_original(files: set[PhotoFile]) -> Iterator[PhotoVersion]:
    """Yield the versions that have sizes or an info, and neither an original nor a tombstone."""
    made = {each.photo_version for each in files if isinstance(each, Variant | Info)}
    for version in versions_in(files):
        if version.photo_version in made and version.original is None and not version.is_gone:
            yield version.photo_version


def listed_sizes(photo_version: PhotoVersion, info: bytes) -> set[Variant]:
    """Return the sizes that an info lists as made, none if it cannot be read."""
    try:
        return {
            Variant(photo_version, made["size"], made["ext"])
            for made in parse_json(info)["variants"]
        }
    except (ValueError, KeyError, TypeError):
        return set()
