"""All files of one photo, as the union of what its volume's mirrors have."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from storagemaster.errors import Unavailable, UnknownPhoto, UnknownVolume
from storagemaster.mirrors.fleet import Fleet
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError, Unreachable
from storagenode.protocol.files import ListedFile
from storagenode.protocol.layout import Place
from volumes.cluster import Cluster, Colo, NodeId
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import InvalidPath, PhotoFile, PhotoTombstone, VolumeId, parse_name


@dataclass(frozen=True, slots=True)
class PhotoFiles:
    """The files of a photo and who has each; and which mirrors could not be asked, and why."""

    holders: Mapping[PhotoFile, tuple[NodeId, ...]]
    unreachable: Mapping[NodeId, str]
    unverified: frozenset[tuple[NodeId, PhotoFile]] = frozenset()
    """Files that have lost their digest on a node, so that their bytes cannot be believed."""
    digests: Mapping[PhotoFile, frozenset[str]] = field(default_factory=dict)
    """The digests that mirrors have noted of each file; more than one only where they differ."""

    def refuse(self, what: str) -> NoReturn:
        """Raise for something that was not found: `UnknownPhoto` only if every mirror was asked."""
        if self.unreachable:
            reasons = "; ".join(f"{node}: {reason}" for node, reason in self.unreachable.items())
            raise Unavailable(f"{what} was not found, but not every mirror answered ({reasons})")
        raise UnknownPhoto(f"no mirror has {what}")


class PhotoReader:
    """Asks mirrors, those of the storagemaster's own colo first."""

    def __init__(
        self, cluster: Cluster, nodes: Mapping[NodeId, NodeClient], fleet: Fleet, colo: Colo
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._colo = colo

    async def files_of(self, volume: VolumeId, photo: PhotoId) -> PhotoFiles:
        """What all mirrors together have of a photo.

        Raises:
            UnknownVolume: There is no such volume.
        """
        if volume not in self._cluster.volumes:
            raise UnknownVolume(f"volume {volume} is not in the cluster's config")
        mirrors = self._in_order(self._cluster.volumes[volume].mirrors)
        answers = await asyncio.gather(*(self._list(node, volume, photo) for node in mirrors))
        holders: dict[PhotoFile, tuple[NodeId, ...]] = {}
        unreachable: dict[NodeId, str] = {}
        unverified = set()
        digests: dict[PhotoFile, frozenset[str]] = {}
        for node, answer in zip(mirrors, answers, strict=True):
            if isinstance(answer, NodeError):
                unreachable[node] = str(answer)
            else:
                for listed in answer:
                    file = parse_name(volume, listed.name)
                    holders[file] = (*holders.get(file, ()), node)
                    if listed.digest:
                        digests[file] = digests.get(file, frozenset()) | {listed.digest}
                    else:
                        unverified.add((node, file))
        return PhotoFiles(holders, unreachable, frozenset(unverified), digests)

    async def versions_in_trash(self, volume: VolumeId, photo: PhotoId) -> set[Version]:
        """The versions of a deleted photo that mirrors which are up have still files of."""
        versions = set()
        for node in self._cluster.volumes[volume].mirrors:
            if self._fleet.is_up(node):
                with contextlib.suppress(NodeError):
                    for path in await self._nodes[node].find(photo):
                        versions |= _versions_of(volume, path)
        return versions

    async def fetch(self, file: PhotoFile, files: PhotoFiles) -> bytes:
        """The bytes of a file, verified, from the first holder that has them whole.

        Raises:
            Unavailable: No holder could send it.
        """
        failures = []
        for node in files.holders[file]:
            if (node, file) in files.unverified:
                failures.append(f"{node}: it has lost its digest there")
                continue
            try:
                return (await self._nodes[node].fetch(Place(file))).data
            except NodeError as error:
                failures.append(f"{node}: {error}")
        raise Unavailable(f"no mirror could send it ({'; '.join(failures)}); try again")

    async def _list(
        self, node: NodeId, volume: VolumeId, photo: PhotoId
    ) -> tuple[ListedFile, ...] | NodeError:
        """What one mirror has, or why that is not known. One that is down is not waited for."""
        if not self._fleet.is_up(node):
            return Unreachable(self._fleet.view()[node].reason)
        try:
            return await self._nodes[node].list_photo(volume, photo)
        except NodeError as error:
            if isinstance(error, Unreachable):
                self._fleet.mark_down(node, str(error))
            return error

    def _in_order(self, mirrors: tuple[NodeId, ...]) -> list[NodeId]:
        return sorted(mirrors, key=lambda node: self._cluster.nodes[node].colo != self._colo)


def _versions_of(volume: VolumeId, path: str) -> set[Version]:
    """The version of a path on a node, whatever part of the node it is in."""
    with contextlib.suppress(InvalidPath):
        file = parse_name(volume, path.rpartition("/")[2])
        if not isinstance(file, PhotoTombstone):
            return {file.photo_version.version}
    return set()
