"""Receipts of photos that are stored, for clients that lost the response to their upload."""

from dataclasses import replace

from storagemaster.errors import Unavailable
from storagemaster.image_header.sniff import HeaderReader, Sniffed
from storagemaster.mirrors.copies import Copies, pending_mirrors
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReader
from storagemaster.mirrors.placement import Target, spans_colos
from storagemaster.photos.photo_urls import UrlGrant
from storagemaster.uploads.uploads import Uploads
from storagemaster.wire import Receipt
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place
from volumes.photo_path import PhotoVersion, Variant


class StoredReceipts:
    """Receipts of stored photos, read from the nodes."""

    def __init__(self, mirrors: Mirrors, photos: PhotoReader, uploads: Uploads) -> None:
        self._mirrors = mirrors
        self._photos = photos
        self._uploads = uploads

    async def receipt_of(self, photo_version: PhotoVersion, *, urls: UrlGrant) -> Receipt:
        """Return the receipt of the upload, with the copies that the nodes have now.

        Raises:
            UnknownPhoto: No mirror has the photo.
            PhotoGone: The photo was deleted.
            Unavailable: No mirror that responded can read the photo.
        """
        files = await self._photos.files_of(photo_version.volume, photo_version.photo)
        original = files.original_of(photo_version)
        sniffed = await self._sniff(original, files)
        targets = await self._targets(original, files)
        digests = sorted(files.digests.get(original, ()))
        copies = Copies(
            targets=targets,
            spans_colos=spans_colos(self._mirrors.cluster, targets),
            digest=digests[0] if digests else "",
            size_bytes=files.lengths[original],
            existed=True,
            pending_mirrors=pending_mirrors(
                self._mirrors.cluster, self._mirrors.volume(photo_version.volume), targets
            ),
        )
        receipt = self._uploads.receipt(photo_version, sniffed, copies, urls)
        strips = self._mirrors.cluster.variant_formats.strip_original
        # Whether this photo had a position is not recorded.
        return receipt if strips == "none" else replace(receipt, stripped=strips)

    async def _targets(self, original: Variant, files: PhotoFiles) -> tuple[Target, ...]:
        """Return the nodes with the photo as an upload names them: mirrors, then handoff nodes."""
        mirrors = self._mirrors.volume(original.photo_version.volume).mirrors
        holders = [node for node in mirrors if node in files.holders[original]]
        hints = await self._photos.hints_of(original)
        return (
            *(Target(node) for node in holders),
            *(Target(node, mirror) for node, mirror in hints if mirror not in holders),
        )

    async def _sniff(self, original: Variant, files: PhotoFiles) -> Sniffed:
        failures = []
        for node in files.holders[original]:
            try:
                return await _sniff_on(self._mirrors.nodes[node], original)
            except NodeError as error:
                failures.append(f"{node}: {error}")
        raise Unavailable(f"the photo cannot be read now ({'; '.join(failures)}); try again")


async def _sniff_on(node: NodeClient, original: Variant) -> Sniffed:
    """Return the format and dimensions, after reading as little as tells them."""
    header = HeaderReader()
    async with node.stream(Place(original)) as stream:
        async for chunk in stream.chunks:
            header.feed(chunk)
            if header.result is not None:
                break
    found = header.finish()
    if not isinstance(found, Sniffed):
        raise Unavailable(f"the header of {original.photo_version} cannot be read; try again")
    return found
