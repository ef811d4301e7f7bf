"""The end of a resumable upload: its bytes become a photo, by the same commit as any upload."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from runtime.crashpoint import crashpoint
from storagemaster.errors import DigestMismatch, Unavailable
from storagemaster.image_header.sniff import HeaderReader, NotAPhoto, Sniffed
from storagemaster.mirrors.copies import Copies
from storagemaster.mirrors.mirroring import Mirroring
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.placement import Placement, Target
from storagemaster.resumable.partial_copies import Appended
from storagemaster.resumable.upload_url import ResumableUpload
from storagemaster.uploads.stripping import BodyToStore
from storagemaster.uploads.upload_body import accepted
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from volumes.cluster import NodeId
from volumes.photo_path import Variant
from volumes.sizes import ORIGINAL_LETTER


@dataclass(frozen=True, slots=True)
class CompleteUpload:
    """The nodes with all bytes of an upload, the digest of these bytes, and the photo in them."""

    nodes: tuple[NodeId, ...]
    sha256: str
    photo: Sniffed


class Completion:
    """Commits of complete uploads to their volumes. A repeated commit has the same effect."""

    def __init__(self, mirrors: Mirrors, mirroring: Mirroring) -> None:
        self._mirrors = mirrors
        self._mirroring = mirroring

    async def check_appended(
        self, upload: ResumableUpload, appended: Appended, header: HeaderReader
    ) -> CompleteUpload:
        """Verify an upload that an append has completed; return and raise as `check_stored` does.

        Nodes are queried only if the bytes came in more than one segment.
        """
        if not appended.sha256:
            return await self.check_stored(upload, appended.nodes)
        if upload.sha256 not in {None, appended.sha256}:
            raise _digest_mismatch(upload, appended.sha256)
        photo = self._accepted(upload, header.finish())
        return CompleteUpload(appended.nodes, appended.sha256, photo)

    async def check_stored(
        self, upload: ResumableUpload, nodes: Sequence[NodeId]
    ) -> CompleteUpload:
        """Verify an upload whose bytes are all on these nodes.

        Copies differ only if two clients continued one upload with different bytes. Then those with
        the declared digest count, or that of the first copy.

        Raises:
            DigestMismatch: No copy has the declared digest.
            UnsupportedFormat, TooManyPixels: The photo is not accepted.
            Unavailable: No copy can be read.
        """

        async def digest_on(_: NodeId, node: NodeClient) -> str:
            return await node.partial_digest(upload.partial)

        found = await self._mirrors.query(nodes, digest_on)
        if not found.results:
            raise Unavailable("the upload is complete and cannot be read now; try again")
        digests = list(found.results.values())
        agreed = upload.sha256 or digests[0]
        if agreed not in digests:
            raise _digest_mismatch(upload, digests[0])
        same = tuple(node for node, digest in found.results.items() if digest == agreed)
        return CompleteUpload(same, agreed, await self._sniff(upload, same))

    async def _sniff(self, upload: ResumableUpload, nodes: Sequence[NodeId]) -> Sniffed:
        """Return the photo's format and dimensions, after reading as little as tells them."""
        failures = []
        for node in self._mirrors.local_first(nodes):
            try:
                found = await self._sniff_on(self._mirrors.nodes[node], upload)
            except NodeError as error:
                failures.append(f"{node}: {error}")
            else:
                return self._accepted(upload, found)
        raise Unavailable(f"the upload cannot be read now ({'; '.join(failures)}); try again")

    def _accepted(self, upload: ResumableUpload, found: Sniffed | NotAPhoto) -> Sniffed:
        pixels_max = self._mirrors.cluster.limits.pixels_max
        return accepted(found, pixels_max=pixels_max, formats=upload.formats)

    async def _sniff_on(self, node: NodeClient, upload: ResumableUpload) -> Sniffed | NotAPhoto:
        header = HeaderReader()
        offset = 0
        while header.result is None and offset < upload.bytes_total:
            chunk = await node.read_partial(upload.partial, offset=offset)
            header.feed(chunk)
            offset += len(chunk)
        return header.finish()

    def original(self, upload: ResumableUpload, complete: CompleteUpload) -> AsyncIterator[bytes]:
        """Yield the bytes of an upload from a node that has them, if a node can be read."""
        node = self._mirrors.nodes[self._mirrors.local_first(complete.nodes)[0]]

        async def chunks() -> AsyncIterator[bytes]:
            offset = 0
            while offset < upload.bytes_total:
                try:
                    chunk = await node.read_partial(upload.partial, offset=offset)
                except NodeError as error:
                    raise Unavailable(f"the upload cannot be read now ({error})") from error
                yield chunk
                offset += len(chunk)

        return chunks()

    async def store(
        self, upload: ResumableUpload, body: BodyToStore, ext: str, placed: Placement
    ) -> Copies:
        """Store a photo that is not the uploaded bytes; raise as `publish` does."""
        return await self._mirroring.stream(
            Variant(upload.photo_version, ORIGINAL_LETTER, ext),
            body.chunks,
            placed,
            mtime_seconds=upload.mtime_seconds,
            bytes_total=upload.bytes_total,
            digest=body.digest,
            strict=upload.strict,
        )

    async def publish(
        self, upload: ResumableUpload, complete: CompleteUpload, placed: Placement
    ) -> Copies:
        """Store the photo on the nodes of a placement; return as the upload of a photo does.

        A node with the bytes publishes them, and any other copies the photo from such a node.

        Raises:
            Unavailable, IdempotencyKeyReused, PhotoGone: As `Mirroring.stream` does.
        """
        original = Variant(upload.photo_version, ORIGINAL_LETTER, complete.photo.ext)

        async def publish_on(target: Target) -> Published:
            published = await self._mirrors.nodes[target.node].publish_partial(
                upload.partial,
                Place(original, target.hint_for),
                mtime_seconds=upload.mtime_seconds,
                digest=complete.sha256,
            )
            crashpoint("copy_made")
            return published

        return await self._mirroring.publish_and_copy(
            original,
            placed,
            complete.nodes,
            publish_on,
            size_bytes=upload.bytes_total,
            strict=upload.strict,
        )


def _digest_mismatch(upload: ResumableUpload, found: str) -> DigestMismatch:
    return DigestMismatch(f"received SHA-256 {found}, expected {upload.sha256}")
