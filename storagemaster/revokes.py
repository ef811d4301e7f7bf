"""Revoking a photo's URLs: the same bytes under a new version, and the old version gone for ever.

No list of revoked URLs is kept anywhere. The old version has a tombstone like any deleted one.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace

from storagemaster.deletes import Deletes
from storagemaster.errors import PhotoGone, Unavailable
from storagemaster.fleet import Fleet
from storagemaster.mirroring import PATIENCE_SECONDS, Mirroring
from storagemaster.photo_files import PhotoFiles, PhotoReads
from storagemaster.photos import Photos
from storagemaster.placement import NoPlace, Target, place_in_volume
from storagemaster.wire import Revocation
from storagenode.client import RELINK_SECONDS_MAX, NodeClient
from storagenode.layout import Place
from storagenode.wire import Pull
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


class Revokes:
    """The revocations of one storagemaster."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[NodeId, NodeClient],
        fleet: Fleet,
        reads: PhotoReads,
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

    async def revoke(self, of: PhotoVersion) -> Revocation:
        """Give the photo a new version and make the old one gone. Doing it again is harmless.

        Raises:
            UnknownVolume, UnknownPhoto, PhotoGone: As their names say.
            Unavailable: There are not two nodes to hold the new version, or mirrors to tell of it.
        """
        new = replace(of, version=next_version(of, secret=self._key_secret))
        files = await self._reads.files_of(of.volume, of.photo)
        if PhotoTombstone(of.volume, of.photo) in files.holders:
            raise PhotoGone(f"photo {of.photo} was deleted")
        if VersionTombstone(of) not in files.holders:
            if not _files_of(of, files):
                files.refuse(f"photo {of}")
            await self._make_new_version(of, new, files)
        elif not _files_of(new, files):
            raise PhotoGone(f"version {of} was deleted")
        deletion = await self._deletes.delete(of.volume, of.photo, of.version)
        status = await self._photos.status(new)
        return Revocation(
            volume=new.volume,
            photo=new.photo,
            version=new.version,
            revoked=of.version,
            urls=status.urls,
            owed=deletion.owed,
            purged=deletion.purged,
            unpurged=deletion.unpurged,
        )

    async def _make_new_version(
        self, of: PhotoVersion, new: PhotoVersion, files: PhotoFiles
    ) -> None:
        """Return when two nodes have the whole new version."""
        volume = self._cluster.volumes[of.volume]
        placed = place_in_volume(self._cluster, self._fleet.view(), volume, strict=False)
        if isinstance(placed, NoPlace):
            raise Unavailable(f"{placed.reason}; nothing was revoked, try again")
        linked: asyncio.Future[NodeId] = asyncio.get_running_loop().create_future()

        async def make(target: Target) -> None:
            if target.owed_to is None:
                await self._nodes[target.node].relink(of, new.version)
                if not linked.done():
                    linked.set_result(target.node)
            else:
                await self._copy_to(target, await linked, new, _files_of(of, files))

        # Of a chilled volume nobody else can make what its keeper, a slow bucket, is to make.
        is_chilled = self._fleet.chill_of(of.volume) is not None
        patience = RELINK_SECONDS_MAX if is_chilled else PATIENCE_SECONDS
        await self._mirroring.write_all(placed, make, patience_seconds=patience)
        await self._refuse_unless_whole(of, new)

    async def _refuse_unless_whole(self, of: PhotoVersion, new: PhotoVersion) -> None:
        """Raise if the old version has what the new one lacks: its tombstone would take that, too.

        In a chilled volume the original may be with a mirror that does not answer now.
        """
        files = await self._reads.files_of(of.volume, of.photo)
        made = _files_of(new, files)
        has_original = any(isinstance(file, Variant) and file.is_original for file in made)
        if not has_original or {replace(file, of=new) for file in _files_of(of, files)} - {*made}:
            away = ", ".join(files.unknown) or "a mirror"
            raise Unavailable(f"{away} did not give all of {of}; nothing was revoked, try again")

    async def _copy_to(
        self,
        stand_in: Target,
        source: NodeId,
        new: PhotoVersion,
        files: list[Variant | Info | Failure],
    ) -> None:
        for file in sorted(files, key=lambda file: isinstance(file, Info)):
            place = Place(replace(file, of=new))
            note = await self._nodes[source].stat(place)
            await self._nodes[stand_in.node].pull(
                Pull(
                    place=Place(place.file, stand_in.owed_to),
                    source=self._nodes[source].url,
                    source_place=place,
                    digest=note.digest,
                )
            )


def next_version(of: PhotoVersion, *, secret: bytes) -> Version:
    """The version that follows one: always the same, so that a retry finds what it began.

    Keyed with the cluster's secret, so that an old URL does not betray the new one.
    """
    digest = hmac.digest(secret, f"revoke {of}".encode(), hashlib.sha256)
    number = int.from_bytes(digest, "big") & ((1 << VERSION_BITS) - 1)
    return Version(encode_base32(number, VERSION_LENGTH))


def _files_of(of: PhotoVersion, files: PhotoFiles) -> list[Variant | Info | Failure]:
    return [
        file
        for file in files.holders
        if isinstance(file, Variant | Info | Failure) and file.of == of
    ]
