"""Resumable uploads: begun at one storagemaster, continued and completed at any."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial as bind

from permission_urls import KeySource, Unsignable
from runtime.crashpoint import crashpoint
from storagemaster.errors import (
    BadArgument,
    BadUpload,
    IdempotencyKeyReused,
    NotAllowed,
    OffsetMismatch,
    PhotoGone,
    Unavailable,
    UnknownPhoto,
    UnknownUpload,
    UnsupportedFormat,
    UploadExpired,
)
from storagemaster.image_header.sniff import HeaderReader
from storagemaster.mirrors.copies import Copies
from storagemaster.mirrors.mirroring import COPIES_MIN
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReader
from storagemaster.mirrors.placement import Placement
from storagemaster.photos.photo_urls import NO_URLS, UrlGrant
from storagemaster.resumable.completion import CompleteUpload, Completion
from storagemaster.resumable.partial_copies import PartialCopies
from storagemaster.resumable.tus import METADATA_HEADER
from storagemaster.resumable.upload_url import ResumableUpload, UploadVerifier, sign_upload
from storagemaster.uploads.stored_receipts import StoredReceipts
from storagemaster.uploads.stripping import without_positions
from storagemaster.uploads.upload_body import accepted
from storagemaster.uploads.uploads import UploadRequest, Uploads
from storagemaster.wire import Receipt
from volumes.cluster import NodeId
from volumes.photo_path import Variant

LIFETIME_SECONDS = 24 * 3600

Check = Callable[[], Awaitable[CompleteUpload]]
"""Verifies the bytes of an upload, as `Completion.check_stored` does."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The byte at which an upload continues, and the end of one that is complete."""

    offset: int
    is_stored: bool = False
    receipt: Receipt | None = None
    """The receipt, if this request stored the photo. `ResumableUploads.receipt` finds another's."""


class ResumableUploads:
    """The uploads in parts of one storagemaster, which keeps no state of them."""

    def __init__(
        self,
        uploads: Uploads,
        mirrors: Mirrors,
        copies: PartialCopies,
        completion: Completion,
        photos: PhotoReader,
        keys: KeySource,
        *,
        now_seconds: Callable[[], float],
    ) -> None:
        self._uploads = uploads
        self._mirrors = mirrors
        self._strips = mirrors.cluster.variant_formats.strip_original != "none"
        self._copies = copies
        self._completion = completion
        self._photos = photos
        self._receipts = StoredReceipts(mirrors, photos, uploads)
        self._keys = keys
        self._verifier = UploadVerifier(keys)
        self._now_seconds = now_seconds

    async def begin(
        self, request: UploadRequest, *, metadata: str, token_id: str, finds_stored: bool = False
    ) -> tuple[ResumableUpload, Progress]:
        """Choose the photo's id and volume, and make room on the nodes.

        With `finds_stored`, an upload with the key and the digest of a stored photo is complete and
        needs no room.

        Raises:
            MasterError: As for an upload that is not resumable; nothing was begun.
        """
        reserved = await self._uploads.reserve(request)
        upload = ResumableUpload(
            photo_version=reserved.photo_version,
            bytes_total=request.declared.bytes_total or 0,
            mtime_seconds=reserved.mtime_seconds,
            expiry_seconds=int(self._now_seconds()) + LIFETIME_SECONDS,
            nodes=tuple(
                target.node
                for target in reserved.placed.targets
                if self._mirrors.cluster.node(target.node).bucket is None
            ),
            application=request.application,
            token_id=token_id,
            strict=request.strict,
            sha256=request.declared.sha256,
            formats=request.formats,
            ref=request.ref,
            metadata=metadata,
        )
        try:
            self.sign(upload)
        except Unsignable as error:
            raise BadArgument(f"shorten {METADATA_HEADER}: {error}") from error
        if finds_stored and upload.sha256 is not None and await self._is_stored(upload):
            return upload, Progress(upload.bytes_total, is_stored=True)
        await self._copies.create(upload)
        return upload, Progress(0)

    async def close(self) -> None:
        """Remove the uploads that have ended."""
        await self._copies.close()

    def sign(self, upload: ResumableUpload) -> str:
        """Return the last part of the upload's path."""
        return sign_upload(self._keys, upload)

    def verify(self, text: str) -> ResumableUpload:
        """Return the upload of a path, as `UploadVerifier.verify` does."""
        return self._verifier.verify(text)

    async def receipt(self, upload: ResumableUpload, *, urls: UrlGrant) -> Receipt:
        """Return the receipt of an upload that is stored.

        Raises:
            UnknownPhoto, PhotoGone, Unavailable: As `StoredReceipts.receipt_of` does.
        """
        receipt = await self._receipts.receipt_of(upload.photo_version, urls=urls)
        return replace(receipt, ref=upload.ref or "")

    async def progress(self, upload: ResumableUpload, *, urls: UrlGrant = NO_URLS) -> Progress:
        """Return the progress, after committing an upload whose bytes are complete.

        Raises:
            UnknownUpload, UploadExpired, PhotoGone: The upload has ended.
            BadUpload: Its bytes are not a photo, or not the declared ones, and were removed.
            Unavailable: Not enough nodes responded.
        """
        lengths = await self._lengths_unless_stored(upload)
        if lengths is None:
            return Progress(upload.bytes_total, is_stored=True)
        self._refuse_expired(upload)
        offset = max(lengths.values())
        if offset < upload.bytes_total:
            return Progress(offset)
        complete = [node for node, length in lengths.items() if length == offset]
        check = bind(self._completion.check_stored, upload, complete)
        return Progress(
            offset, is_stored=True, receipt=await self._commit_once(upload, check, urls)
        )

    async def append(
        self,
        upload: ResumableUpload,
        body: AsyncIterator[bytes],
        *,
        offset: int,
        whole: bool,
        urls: UrlGrant = NO_URLS,
    ) -> Progress:
        """Append a body as `PartialCopies.append` does, and commit the upload if it is complete.

        Raises:
            UnsupportedFormat: The bytes cannot be the beginning of a photo.
            MasterError: As `PartialCopies.append` and `progress` do.
        """
        self._refuse_expired(upload)
        header = HeaderReader()
        if offset == 0:
            body = _refusing_other_formats(body, header)
        try:
            appended = await self._copies.append(upload, body, offset=offset, whole=whole)
        except (UnknownUpload, OffsetMismatch):
            if await self._lengths_unless_stored(upload) is not None:
                raise
            if offset != upload.bytes_total:
                raise OffsetMismatch(upload.bytes_total, offset) from None
            return Progress(offset, is_stored=True)
        except UnsupportedFormat:
            await self._copies.remove(upload)
            raise
        if appended.offset < upload.bytes_total:
            return Progress(appended.offset)
        check = bind(self._completion.check_appended, upload, appended, header)
        receipt = await self._commit_once(upload, check, urls)
        return Progress(appended.offset, is_stored=True, receipt=receipt)

    async def end(self, upload: ResumableUpload) -> None:
        """Remove an upload that is not stored.

        Raises:
            UnknownUpload: It has ended before.
            NotAllowed: The photo is stored, and deleting it needs a token.
        """
        if await self._lengths_unless_stored(upload) is None:
            raise NotAllowed("the photo is stored; delete it with a token")
        await self._copies.remove(upload)

    async def _lengths_unless_stored(self, upload: ResumableUpload) -> Mapping[NodeId, int] | None:
        """Return the length of each copy that can be reached, or None if the photo is stored.

        Raises:
            UnknownUpload: The upload has ended, and its photo is not stored.
            PhotoGone: Its photo was deleted.
            Unavailable: Neither is certain.
        """
        try:
            lengths = await self._copies.lengths(upload)
        except UnknownUpload:
            await self._refuse_unless_stored(upload)
            return None
        except Unavailable:
            if not await self._is_stored(upload):
                raise
            return None
        # A node that was down when the upload ended still has its copy of a part.
        is_whole = len(lengths) == len(upload.nodes) or max(lengths.values()) == upload.bytes_total
        return lengths if is_whole or not await self._is_stored(upload) else None

    async def _is_stored(self, upload: ResumableUpload) -> bool:
        """Return True if the photo of an upload is certainly stored.

        Raises:
            PhotoGone: It was deleted.
        """
        try:
            await self._refuse_unless_stored(upload)
        except (UnknownUpload, Unavailable):
            return False
        return True

    async def _commit_once(
        self, upload: ResumableUpload, check: Check, urls: UrlGrant
    ) -> Receipt | None:
        """Commit an upload; return None if another request has committed it meanwhile."""
        try:
            return await self._commit(upload, check, urls)
        except (Unavailable, UnknownUpload):
            # The other request removes the bytes while this one reads them.
            files = await self._files_unless_deleted(upload)
            if not await self._has_photo_of(upload, files):
                raise
            return None

    async def _commit(self, upload: ResumableUpload, check: Check, urls: UrlGrant) -> Receipt:
        crashpoint("before_commit")
        try:
            complete = await check()
            placed = self._mirrors.place(
                upload.photo_version.volume,
                outcome="the upload is complete, but is not stored yet",
                strict=upload.strict,
                synchronous_only=True,
            )
            copies, stripped = await self._publish(upload, complete, placed)
        except (BadUpload, IdempotencyKeyReused, PhotoGone):
            # The bytes can never become this photo.
            await self._copies.remove(upload)
            raise
        crashpoint("copies_made")
        receipt = self._uploads.commit(
            upload.photo_version,
            complete.photo,
            copies,
            urls=urls,
            ref=upload.ref,
            stripped=stripped,
        )
        self._copies.remove_later(upload)
        return receipt

    async def _publish(
        self, upload: ResumableUpload, complete: CompleteUpload, placed: Placement
    ) -> tuple[Copies, str]:
        """Store the photo, as uploaded or without positions; return what was stripped."""
        photo_version = upload.photo_version
        if not self._strips:
            await self._uploads.refuse_reused(photo_version, placed, sha256=complete.sha256)
            return await self._completion.publish(upload, complete, placed), ""
        async with without_positions(self._completion.original(upload, complete)) as body:
            await self._uploads.refuse_reused(photo_version, placed, sha256=body.digest())
            if not body.stripped:
                return await self._completion.publish(upload, complete, placed), ""
            return await self._completion.store(
                upload, body, complete.photo.ext, placed
            ), body.stripped

    async def _refuse_unless_stored(self, upload: ResumableUpload) -> None:
        """Return if the photo of an upload is stored that no node has any more.

        Raises:
            UnknownUpload: No mirror has the photo.
            PhotoGone: The photo was deleted.
            Unavailable: Not every mirror responded.
        """
        if not await self._has_photo_of(upload, await self._files_unless_deleted(upload)):
            self._refuse_expired(upload)
            removed = [each for each in upload.nodes if each not in self._mirrors.cluster.nodes]
            if not removed:
                raise UnknownUpload("the upload has ended, and its photo was not stored")
            raise UnknownUpload(
                f"its photo was not stored: the upload has ended, or its bytes were on "
                f"{', '.join(removed)}, which left the cluster; begin another upload"
            )

    async def _files_unless_deleted(self, upload: ResumableUpload) -> PhotoFiles:
        """Return the files of an upload's photo.

        Raises:
            PhotoGone: It was deleted.
            Unavailable: Not every mirror responded.
        """
        volume, photo = upload.photo_version.volume, upload.photo_version.photo
        files = await self._photos.files_of(volume, photo)
        with contextlib.suppress(UnknownPhoto):
            files.original_of(upload.photo_version)
        return files

    async def _has_photo_of(self, upload: ResumableUpload, files: PhotoFiles) -> bool:
        """Return True if the stored photo is the one of an upload.

        With an Idempotency-Key, another upload can have stored other bytes under the same name. The
        digest tells, or otherwise the time at which the upload began, which its photo has.

        Raises:
            Unavailable: No mirror with the photo responded, or it is on one node only.
        """
        original = files.version(upload.photo_version).original
        if original is None or files.lengths[original] != upload.bytes_total:
            return False
        if upload.sha256 is not None and not self._strips:
            is_same = upload.sha256 in files.digests.get(original, ())
        else:
            modified = await self._photos.modified_seconds(original, files)
            is_same = modified == upload.mtime_seconds
        if is_same and not await self._is_on_two_nodes(upload, original, files):
            raise Unavailable("only one node stored the photo, and two are required; try again")
        return is_same

    async def _is_on_two_nodes(
        self, upload: ResumableUpload, original: Variant, files: PhotoFiles
    ) -> bool:
        """Return True if the photo is as durable as an acknowledgement promises."""
        if len(files.holders[original]) >= COPIES_MIN:
            return True
        if upload.strict:
            return False  # a hint can be in the colo of the only mirror
        return len(await self._photos.holders_with_hints(original, files)) >= COPIES_MIN

    def _refuse_expired(self, upload: ResumableUpload) -> None:
        if upload.expiry_seconds < self._now_seconds():
            raise UploadExpired("the upload was not complete in time; begin it again")


async def _refusing_other_formats(
    body: AsyncIterator[bytes], header: HeaderReader
) -> AsyncIterator[bytes]:
    """Yield a body; raise `UnsupportedFormat` as soon as it cannot be the beginning of a photo."""
    async for chunk in body:
        header.feed(chunk)
        if header.result is not None:
            accepted(header.result, pixels_max=None)
        yield chunk
