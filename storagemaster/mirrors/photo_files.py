"""All files of one photo: the union of what its volume's mirrors store."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from storagemaster.errors import PhotoGone, Unavailable, UnknownPhoto
from storagemaster.mirrors.mirrors import Mirrors
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place
from volumes.cluster import NodeId
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import (
    InvalidPath,
    PhotoFile,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VolumeId,
    parse_name,
)
from volumes.version_files import VersionFiles


@dataclass(frozen=True, slots=True)
class PhotoFiles:
    """Files of a photo with the mirrors that store each, and the mirrors that are unreachable."""

    holders: Mapping[PhotoFile, tuple[NodeId, ...]]
    unreachable: Mapping[NodeId, str]
    unverified: frozenset[tuple[NodeId, PhotoFile]] = frozenset()
    """Files that have lost their digest on a node, so their bytes cannot be trusted."""
    digests: Mapping[PhotoFile, frozenset[str]] = field(default_factory=dict)
    """Digests that mirrors have recorded for each file; more than one only if they differ."""
    lengths: Mapping[PhotoFile, int] = field(default_factory=dict)
    """Bytes of each file, on one of its mirrors."""

    def version(self, photo_version: PhotoVersion) -> VersionFiles:
        """Return one version of the photo."""
        return VersionFiles(photo_version, self.holders)

    def original_of(self, photo_version: PhotoVersion) -> Variant:
        """Return the original of a version.

        Raises:
            PhotoGone: The photo or the version was deleted.
            UnknownPhoto: No mirror stores the original, and all mirrors responded.
            Unavailable: No mirror that responded stores the original.
        """
        version = self.version(photo_version)
        if isinstance(version.tombstone, PhotoTombstone):
            raise PhotoGone(f"photo {photo_version.photo} was deleted")
        if version.is_gone:
            raise PhotoGone(f"version {photo_version} was deleted")
        return version.original or self.refuse(f"photo {photo_version}")

    def refuse(self, what: str) -> NoReturn:
        """Raise `UnknownPhoto` if all mirrors responded, and `Unavailable` otherwise."""
        if self.unreachable:
            reasons = "; ".join(f"{node}: {reason}" for node, reason in self.unreachable.items())
            raise Unavailable(f"{what} was not found, but not every mirror responded ({reasons})")
        raise UnknownPhoto(f"no mirror has {what}")


class PhotoReader:
    """Reads of photos from the mirrors, the storagemaster's own colo first."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def files_of(self, volume: VolumeId, photo: PhotoId) -> PhotoFiles:
        """Return what all mirrors together store of a photo.

        Raises:
            UnknownVolume: The config has no such volume.
        """
        queried = self._mirrors.local_first(self._mirrors.volume(volume).mirrors)
        listings = await self._mirrors.query(
            queried, lambda _, node: node.list_photo(volume, photo)
        )
        holders: dict[PhotoFile, tuple[NodeId, ...]] = {}
        unverified = set()
        digests: dict[PhotoFile, frozenset[str]] = {}
        lengths: dict[PhotoFile, int] = {}
        for node, files in listings.results.items():
            for listed in files:
                file = parse_name(volume, listed.name)
                holders[file] = (*holders.get(file, ()), node)
                lengths[file] = listed.bytes
                if listed.digest:
                    digests[file] = digests.get(file, frozenset()) | {listed.digest}
                else:
                    unverified.add((node, file))
        return PhotoFiles(holders, listings.unreachable, frozenset(unverified), digests, lengths)

    async def versions_in_trash(self, volume: VolumeId, photo: PhotoId) -> set[Version]:
        """Return the versions that reachable mirrors have files of, also in the trash."""
        found = await self._mirrors.query(
            self._mirrors.volume(volume).mirrors, lambda _, node: node.find(photo)
        )
        versions = set()
        for path in (path for paths in found.results.values() for path in paths):
            with contextlib.suppress(InvalidPath):
                file = parse_name(volume, path.rpartition("/")[2])
                if not isinstance(file, PhotoTombstone):
                    versions.add(file.photo_version.version)
        return versions

    async def holders_with_hints(self, file: Variant, files: PhotoFiles) -> set[NodeId]:
        """Return the mirrors with a file, and the nodes that hold a hint of it."""
        return {*files.holders[file], *(node for node, _ in await self.hints_of(file))}

    async def hints_of(self, file: Variant) -> list[tuple[NodeId, NodeId]]:
        """Return the nodes that hold a hint of a file, each with the mirror that it is for."""
        volume, photo = file.photo_version.volume, file.photo_version.photo
        views = self._mirrors.fleet.view()
        queried = [node for node, view in views.items() if view.status and view.status.hints]
        found = await self._mirrors.query(
            queried, lambda _, node: node.list_photo_hints(volume, photo)
        )
        places = [(node, hint.place) for node, hints in found.results.items() for hint in hints]
        return [
            (node, each.hint_for) for node, each in places if each.file == file and each.hint_for
        ]

    async def modified_seconds(self, file: PhotoFile, files: PhotoFiles) -> int:
        """Return the time of a file, from the first mirror that responds.

        Raises:
            Unavailable: No mirror responded.
        """
        failures = []
        for node in files.holders[file]:
            try:
                return (await self._mirrors.nodes[node].stat(Place(file))).mtime_seconds
            except NodeError as error:
                failures.append(f"{node}: {error}")
        raise Unavailable(f"no mirror could read the file ({'; '.join(failures)}); try again")

    async def fetch(self, file: PhotoFile, files: PhotoFiles) -> bytes:
        """Return the verified bytes of a file from the first mirror that can send them.

        Raises:
            Unavailable: No mirror sent the file.
        """
        failures = []
        for node in files.holders[file]:
            if (node, file) in files.unverified:
                failures.append(f"{node}: the file has lost its digest")
                continue
            try:
                return (await self._mirrors.nodes[node].fetch(Place(file))).data
            except NodeError as error:
                failures.append(f"{node}: {error}")
        raise Unavailable(f"no mirror could send the file ({'; '.join(failures)}); try again")
