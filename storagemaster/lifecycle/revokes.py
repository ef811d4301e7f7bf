"""Revoking a photo's URLs: the same bytes under a new version, and the old version gone for ever.

No list of revoked URLs is kept anywhere. The old version has a tombstone like any deleted one.
"""

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import replace

from storagemaster.caches.variants import listed_variants
from storagemaster.errors import PhotoGone, Unavailable
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.mirroring import PATIENCE_SECONDS, Mirroring
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReader
from storagemaster.mirrors.placement import NoPlacement, Target, place_in_volume
from storagemaster.photos.photos import Photos
from storagemaster.wire import Revocation
from storagenode.client import RELINK_SECONDS_MAX, NodeClient
from storagenode.protocol.errors import Corrupt, NodeError
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull
from volumes.cluster import Cluster, NodeId
from volumes.photo_id import VERSION_LENGTH, Version, encode_base32
from volumes.photo_path import (
    Failure,
    Info,
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
)

VERSION_BITS = 5 * VERSION_LENGTH


class _FirstLink:
    """Which mirror was the first to link the new version, for those that are to pull it."""

    def __init__(self, mirrors: int) -> None:
        self._waited_for = mirrors
        self._first: asyncio.Future[NodeId | None] = asyncio.get_running_loop().create_future()

    @contextlib.contextmanager
    def by(self, node: NodeId) -> Iterator[None]:
        """What one mirror does; in vain if it raises."""
        found: NodeId | None = None
        try:
            yield
            found = node
        finally:
            self._waited_for -= 1
            if not self._first.done() and (found or not self._waited_for):
                self._first.set_result(found)

    async def first(self) -> NodeId:
        """The mirror; `NodeError` if each of them has failed."""
        node = await asyncio.shield(self._first)
        if node is None:
            raise NodeError("no mirror could link the new version")
        return node


class Revokes:
    """The revocations of one storagemaster."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        reads: PhotoReader,
        photos: Photos,
        mirroring: Mirroring,
        deletes: Deletes,
        *,
        key_secret: bytes,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._fleet = fleet
        self._reads = reads
        self._photos = photos
        self._mirroring = mirroring
        self._deletes = deletes
        self._key_secret = key_secret

    async def revoke(self, photo_version: PhotoVersion) -> Revocation:
        """Give the photo a new version and make the old one gone. Doing it again is harmless.

        Raises:
            UnknownVolume, UnknownPhoto, PhotoGone: As their names say.
            Unavailable: There are not two nodes to hold the new version, or mirrors to tell of it.
        """
        new = replace(photo_version, version=next_version(photo_version, secret=self._key_secret))
        files = await self._reads.files_of(photo_version.volume, photo_version.photo)
        if PhotoTombstone(photo_version.volume, photo_version.photo) in files.holders:
            raise PhotoGone(f"photo {photo_version.photo} was deleted")
        if VersionTombstone(photo_version) not in files.holders:
            if not _files_of(photo_version, files):
                files.refuse(f"photo {photo_version}")
            await self._make_new_version(photo_version, new, files)
        elif not _files_of(new, files):
            raise PhotoGone(f"version {photo_version} was deleted")
        deletion = await self._deletes.delete(
            photo_version.volume, photo_version.photo, photo_version.version
        )
        status = await self._photos.status(new)
        return Revocation(
            volume=new.volume,
            photo=new.photo,
            version=new.version,
            revoked=photo_version.version,
            urls=status.urls,
            pending_mirrors=deletion.pending_mirrors,
            purged=deletion.purged,
            purge_pending=deletion.purge_pending,
        )

    async def _make_new_version(
        self, photo_version: PhotoVersion, new: PhotoVersion, files: PhotoFiles
    ) -> None:
        """Return when two nodes have the whole new version."""
        volume = self._cluster.volumes[photo_version.volume]
        placed = place_in_volume(self._cluster, self._fleet.view(), volume, strict=False)
        if isinstance(placed, NoPlacement):
            raise Unavailable(f"{placed.reason}; nothing was revoked, try again")
        linking = _FirstLink(sum(target.hint_for is None for target in placed.targets))
        # Of a chilled volume nobody else can make what its keeper, a slow bucket, is to make.
        is_offloaded = self._fleet.cold_tier_of(photo_version.volume) is not None
        original_only = not await self._has_every_size(photo_version, files)
        if original_only and is_offloaded:
            raise Unavailable(
                f"a size of {photo_version} is not to be had; nothing was revoked, try again"
            )
        old = [f for f in _files_of(photo_version, files) if _is_original(f) or not original_only]

        async def make(target: Target) -> None:
            if target.hint_for is None:
                with linking.by(target.node):
                    node = self._nodes[target.node]
                    await node.relink(photo_version, new.version, original_only=original_only)
            else:
                digests = {file: files.digests.get(file, frozenset()) for file in old}
                await self._copy_to(target, await linking.first(), new, digests)

        patience = RELINK_SECONDS_MAX if is_offloaded else PATIENCE_SECONDS
        await self._mirroring.write_all(placed, make, patience_seconds=patience)
        await self._require_complete(photo_version, new, original_only=original_only)

    async def _has_every_size(self, photo_version: PhotoVersion, files: PhotoFiles) -> bool:
        """Whether the sizes that the info tells of are there.

        One that is damaged, or with a mirror that is away, would be missing from the new version
        for ever, whose info says that it was made. All are made anew then.

        Raises:
            Unavailable: No mirror could send the info.
        """
        if Info(photo_version) not in files.holders:
            return True
        info = await self._reads.fetch(Info(photo_version), files)
        try:
            return listed_variants(photo_version, info) <= files.holders.keys()
        except ValueError:
            return False

    async def _require_complete(
        self, photo_version: PhotoVersion, new: PhotoVersion, *, original_only: bool
    ) -> None:
        """Raise if the old version has what the new one lacks: its tombstone would take that, too.

        In a chilled volume the original may be with a mirror that does not answer now.
        """
        files = await self._reads.files_of(photo_version.volume, photo_version.photo)
        made = _files_of(new, files)
        lacking = {replace(file, photo_version=new) for file in _files_of(photo_version, files)} - {
            *made
        }
        if not any(map(_is_original, made)) or any(
            _is_original(file) or not original_only for file in lacking
        ):
            away = ", ".join(files.unreachable) or "a mirror"
            raise Unavailable(
                f"{away} did not give all of {photo_version}; nothing was revoked, try again"
            )

    async def _copy_to(
        self,
        handoff: Target,
        source: NodeId,
        new: PhotoVersion,
        digests: Mapping[Variant | Info | Failure, frozenset[str]],
    ) -> None:
        """Have a stand-in pull what was linked; `digests` are those that are noted of each file.

        Raises:
            Corrupt: What the source has is none of them: it was damaged since it was linked.
        """
        for file in sorted(digests, key=lambda file: isinstance(file, Info)):
            place = Place(replace(file, photo_version=new))
            metadata = await self._nodes[source].stat(place)
            if metadata.digest not in digests[file]:
                raise Corrupt(
                    f"{place} has SHA-256 {metadata.digest} on {source}, which nobody noted"
                )
            await self._nodes[handoff.node].pull(
                Pull(
                    place=Place(place.file, handoff.hint_for),
                    source=self._nodes[source].url,
                    source_place=place,
                    digest=metadata.digest,
                )
            )


def next_version(photo_version: PhotoVersion, *, secret: bytes) -> Version:
    """The version that follows one: always the same, so that a retry finds what it began.

    Keyed with the cluster's secret, so that an old URL does not betray the new one.
    """
    digest = hmac.digest(secret, f"revoke {photo_version}".encode(), hashlib.sha256)
    number = int.from_bytes(digest, "big") & ((1 << VERSION_BITS) - 1)
    return Version(encode_base32(number, VERSION_LENGTH))


def _is_original(file: Variant | Info | Failure) -> bool:
    return isinstance(file, Variant) and file.is_original


def _files_of(photo_version: PhotoVersion, files: PhotoFiles) -> list[Variant | Info | Failure]:
    return [
        file
        for file in files.holders
        if isinstance(file, Variant | Info | Failure) and file.photo_version == photo_version
    ]
