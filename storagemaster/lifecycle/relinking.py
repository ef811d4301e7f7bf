"""The same bytes under a new version: mirrors link their files, handoff nodes copy the links."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace

from storagemaster.errors import Unavailable
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReader
from storagemaster.mirrors.placement import Target
from storagenode.client import RELINK_SECONDS_MAX
from storagenode.protocol.errors import Corrupt, NodeError
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull
from volumes.cluster import NodeId
from volumes.photo_path import Failure, Info, PhotoVersion, Variant

RelinkedFile = Variant | Info | Failure


class _FirstLink:
    """The first mirror that linked the new version, which the handoff nodes pull from."""

    def __init__(self, mirrors: int) -> None:
        self._pending = mirrors
        self._first: asyncio.Future[NodeId | None] = asyncio.get_running_loop().create_future()

    @contextlib.contextmanager
    def attempt(self, node: NodeId) -> Iterator[None]:
        """Run one mirror's attempt; it counts as failed if the block raises."""
        linked: NodeId | None = None
        try:
            yield
            linked = node
        finally:
            self._pending -= 1
            if not self._first.done() and (linked or not self._pending):
                self._first.set_result(linked)

    async def wait(self) -> NodeId:
        """Return the mirror.

        Raises:
            NodeError: Every mirror has failed.
        """
        node = await asyncio.shield(self._first)
        if node is None:
            raise NodeError("no mirror could link the new version")
        return node


class Relinking:
    """Relinking of photo versions, for revocation and regeneration."""

    def __init__(self, mirrors: Mirrors, reads: PhotoReader, mirroring: Mirroring) -> None:
        self._mirrors = mirrors
        self._reads = reads
        self._mirroring = mirroring

    async def relink(
        self,
        old: PhotoVersion,
        new: PhotoVersion,
        files: PhotoFiles,
        *,
        original_only: bool,
        outcome: str,
    ) -> None:
        """Return when two nodes have the files of `old` as `new`. Repeating it is harmless.

        `files` belong to the photo. `outcome` is the outcome of the request for error messages.

        Raises:
            UnknownVolume: The config has no such volume.
            PhotoGone: A tombstone covers the old or the new version.
            Unavailable: Fewer than two nodes have the new version, or it lacks a file.
        """
        placed = self._mirrors.place(old.volume, outcome=outcome)
        digests = {
            file: files.digests.get(file, frozenset())
            for file in relinked_files(old, files, original_only=original_only)
        }
        first_link = _FirstLink(sum(target.hint_for is None for target in placed.targets))

        async def write(target: Target) -> None:
            if target.hint_for is None:
                with first_link.attempt(target.node):
                    node = self._mirrors.nodes[target.node]
                    await node.relink(old, new.version, original_only=original_only)
            else:
                source = await first_link.wait()
                # Infos last: an info says that all sizes exist.
                for file in sorted(digests, key=lambda file: isinstance(file, Info)):
                    relinked = replace(file, photo_version=new)
                    await self._pull(target, source, relinked, digests[file])

        # The cold nodes of an offloaded volume copy the files in their bucket, which is slow.
        is_offloaded = self._mirrors.fleet.cold_tier_of(old.volume) is not None
        patience = RELINK_SECONDS_MAX if is_offloaded else None
        await self._mirroring.write_all(placed, write, patience_seconds=patience)
        await self._require_complete(old, new, original_only=original_only, outcome=outcome)

    async def mirror(self, new: PhotoVersion, *, outcome: str) -> None:
        """Return when two nodes have the whole of a version that an earlier request has linked.

        That request may have failed after one mirror linked it, and the old version be gone since.

        Raises:
            PhotoGone: A tombstone covers the version.
            Unavailable: Fewer than two nodes have it, or no reachable mirror has its original.
        """
        files = await self._reads.files_of(new.volume, new.photo)
        if files.version(new).original is None:
            raise Unavailable(f"no mirror provided the original of {new}; {outcome}, try again")
        placed = self._mirrors.place(new.volume, outcome=outcome)

        async def write(target: Target) -> None:
            # Infos last: an info says that all sizes exist.
            for file in sorted(relinked_files(new, files), key=lambda f: isinstance(f, Info)):
                holders = files.holders[file]
                if target.hint_for is not None or target.node not in holders:
                    await self._pull(target, holders[0], file, files.digests.get(file, frozenset()))

        await self._mirroring.write_all(placed, write)

    async def _pull(
        self, target: Target, source: NodeId, file: RelinkedFile, digests: frozenset[str]
    ) -> None:
        """Copy a linked file to a mirror or a handoff node.

        Raises:
            Corrupt: No mirror had recorded the source's digest.
        """
        place = Place(file)
        metadata = await self._mirrors.nodes[source].stat(place)
        if metadata.digest not in digests:
            raise Corrupt(f"{place} has SHA-256 {metadata.digest} on {source}, unknown to mirrors")
        await self._mirrors.nodes[target.node].pull(
            Pull(
                place=Place(file, target.hint_for),
                source_node=source,
                source=self._mirrors.nodes[source].url,
                source_place=place,
                digest=metadata.digest,
            )
        )

    async def _require_complete(
        self, old: PhotoVersion, new: PhotoVersion, *, original_only: bool, outcome: str
    ) -> None:
        """Raise unless the new version has an original, and every file that the old one has.

        In an offloaded volume only a mirror that is unreachable now may have the original.
        """
        files = await self._reads.files_of(old.volume, old.photo)
        linked = relinked_files(new, files, original_only=original_only)
        needed = relinked_files(old, files, original_only=original_only)
        missing = {replace(file, photo_version=new) for file in needed} - {*linked}
        if missing or files.version(new).original is None:
            down = ", ".join(files.unreachable) or "a mirror"
            raise Unavailable(f"{down} did not provide all of {old}; {outcome}, try again")


def relinked_files(
    photo_version: PhotoVersion, files: PhotoFiles, *, original_only: bool = False
) -> list[RelinkedFile]:
    """Return the files of a version that a relink carries over: all but records of attempts."""
    return [
        file
        for file in files.holders
        if isinstance(file, RelinkedFile)
        and file.photo_version == photo_version
        and (not original_only or (isinstance(file, Variant) and file.is_original))
    ]
