"""Revocation of a photo's URLs: the bytes get a new version, and a tombstone the old one.

Nothing stores a list of revoked URLs.
"""

from collections.abc import Sequence
from dataclasses import replace

from storagemaster.caches.variants import listed_variants
from storagemaster.errors import PhotoGone, Unavailable
from storagemaster.job_wire import SECOND_PASS_QUEUE, JobKind
from storagemaster.jobs.second_pass import SECOND_PASS_EXT
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.lifecycle.relinking import Relinking, relinked_files
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReader
from storagemaster.photos.photo_urls import NO_URLS, UrlGrant
from storagemaster.photos.photos import Photos
from storagemaster.wire import PhotoStatus, Revocation
from volumes.photo_id import Version, derive_version
from volumes.photo_path import Info, PhotoTombstone, PhotoVersion, Variant
from volumes.version_files import VersionState, originals_in

_OUTCOME = "nothing was revoked"


class Revokes:
    """The revocations of one storagemaster."""

    def __init__(
        self,
        mirrors: Mirrors,
        reads: PhotoReader,
        photos: Photos,
        relinking: Relinking,
        deletes: Deletes,
        queue: SizesQueue,
        *,
        key_secret: bytes,
    ) -> None:
        self._mirrors = mirrors
        self._reads = reads
        self._photos = photos
        self._relinking = relinking
        self._deletes = deletes
        self._queue = queue
        self._key_secret = key_secret

    async def revoke(self, photo_version: PhotoVersion, grant: UrlGrant = NO_URLS) -> Revocation:
        """Give the photo a new version and delete the old one. Repeating it is harmless.

        Raises:
            UnknownVolume: The config has no such volume.
            UnknownPhoto: No mirror has the version, and all mirrors responded.
            PhotoGone: The photo or the new version was deleted.
            Unavailable: Two nodes cannot store the new version, or the tombstone of the old one; or
                the old version is gone, and an unreachable mirror may have the new one.
        """
        new = replace(photo_version, version=next_version(photo_version, secret=self._key_secret))
        files = await self._reads.files_of(photo_version.volume, photo_version.photo)
        old = files.version(photo_version)
        if isinstance(old.tombstone, PhotoTombstone):
            raise PhotoGone(f"photo {photo_version.photo} was deleted")
        if not old.is_gone:
            if not relinked_files(photo_version, files):
                files.refuse(f"photo {photo_version}")
            await self._make_new_version(photo_version, new, files)
        elif not relinked_files(new, files):
            if not files.version(new).is_gone and files.unreachable:
                files.refuse(f"the version that replaces {photo_version}")
            raise PhotoGone(f"version {photo_version} was deleted")
        else:
            await self._relinking.mirror(new, outcome=_OUTCOME)
        deletion = await self._deletes.delete(
            photo_version.volume, photo_version.photo, photo_version.version
        )
        status = await self._photos.status(new, grant)
        carried = [*relinked_files(photo_version, files), *relinked_files(new, files)]
        self._enqueue_missing(new, status, [file for file in carried if isinstance(file, Variant)])
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

    def _enqueue_missing(
        self, new: PhotoVersion, status: PhotoStatus, carried: Sequence[Variant]
    ) -> None:
        """Enqueue what the new version lacks. The jobs of the old one end without a result."""
        originals = originals_in(carried)
        if not originals:
            return  # no mirror listed it, and a sweep finds the photo later
        original = replace(originals[0], photo_version=new)
        if status.state == VersionState.PENDING:
            self._queue.enqueue(original)
        elif status.info and status.info.get("second_pass"):
            made = [file for file in carried if not file.is_original]
            if all(file.ext != SECOND_PASS_EXT for file in made):
                second_pass = JobKind.SECOND_PASS
                self._queue.enqueue(original, queue_name=SECOND_PASS_QUEUE, kind=second_pass)

    async def _make_new_version(
        self, old: PhotoVersion, new: PhotoVersion, files: PhotoFiles
    ) -> None:
        """Return when two nodes have the whole new version."""
        original_only = not await self._has_every_size(old, files)
        if original_only and self._mirrors.fleet.cold_tier_of(old.volume) is not None:
            # Only the cold node, a slow bucket, has the original; no other mirror can link it.
            raise Unavailable(f"a size of {old} cannot be read; {_OUTCOME}, try again")
        await self._relinking.relink(old, new, files, original_only=original_only, outcome=_OUTCOME)

    async def _has_every_size(self, photo_version: PhotoVersion, files: PhotoFiles) -> bool:
        """Return True if a mirror has every size that the info lists.

        A size that is damaged, or only on an unreachable mirror, would be missing from the new
        version forever, although its info lists it. All sizes are regenerated in that case.

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


def next_version(photo_version: PhotoVersion, *, secret: bytes) -> Version:
    """Return the version that replaces a revoked one: always the same, so a retry continues."""
    return derive_version(f"revoke {photo_version}", secret=secret)
