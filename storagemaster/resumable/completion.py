"""The end of a resumable upload: its bytes become a photo, by the same commit as any upload."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from runtime.crashpoint import crashpoint
from storagemaster.errors import DigestMismatch, Unavailable
from storagemaster.image_header.sniff import HeaderReader, NotAPhoto, Sniffed
from storagemaster.mirrors.mirroring import Copies, Mirroring
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.placement import Placement, Target
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
class CompleteCopies:
    """The nodes with all bytes of an upload, and the digest of these bytes."""

    nodes: tuple[NodeId, ...]
    sha256: str


class Completion:
    """Commits of complete uploads to their volumes. A repeated commit has the same effect."""

    def __init__(self, mirrors: Mirrors, mirroring: Mirroring) -> None:
        self._mirrors = mirrors
        self._mirroring = mirroring

    async def agree(self, upload: ResumableUpload, lengths: Mapping[NodeId, int]) -> CompleteCopies:
        """Return the complete copies with the declared digest, or that of the first copy.

        Copies differ only if two clients continued one upload with different bytes.

        Raises:
            DigestMismatch: No copy has the declared digest.
            Unavailable: No complete copy can be read.
        """
        complete = [node for node, length in lengths.items() if length == upload.bytes_total]

        async def digest_on(_: NodeId, node: NodeClient) -> str:
            return await node.partial_digest(upload.partial)

        found = await self._mirrors.query(complete, digest_on)
        if not found.results:
            raise Unavailable("the upload is complete and cannot be read now; try again")
        digests = list(found.results.values())
        agreed = upload.sha256 or digests[0]
        if agreed not in digests:
            raise DigestMismatch(f"received SHA-256 {digests[0]}, expected {upload.sha256}")
        nodes = tuple(node for node, digest in found.results.items() if digest == agreed)
        return CompleteCopies(nodes, agreed)

    async def sniff(self, upload: ResumableUpload, complete: CompleteCopies) -> Sniffed:
        """Return the photo's format and dimensions, after reading as little as tells them.

        Raises:
            UnsupportedFormat, TooManyPixels: The photo is not accepted.
            Unavailable: No copy can be read.
        """
        failures = []
        for node in self._mirrors.local_first(complete.nodes):
            try:
                found = await self._sniff_on(self._mirrors.nodes[node], upload)
            except NodeError as error:
                failures.append(f"{node}: {error}")
            else:
                pixels_max = self._mirrors.cluster.limits.pixels_max
                return accepted(found, pixels_max=pixels_max, formats=upload.formats)
        raise Unavailable(f"the upload cannot be read now ({'; '.join(failures)}); try again")

    async def _sniff_on(self, node: NodeClient, upload: ResumableUpload) -> Sniffed | NotAPhoto:
        header = HeaderReader()
        offset = 0
        while header.result is None and offset < upload.bytes_total:
            chunk = await node.read_partial(upload.partial, offset=offset)
            header.feed(chunk)
            offset += len(chunk)
        return header.finish()

    def original(self, upload: ResumableUpload, complete: CompleteCopies) -> AsyncIterator[bytes]:
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
        self, upload: ResumableUpload, complete: CompleteCopies, ext: str, placed: Placement
    ) -> Copies:
        """Store the photo on the nodes of a placement; return as the upload of a photo does.

        A node with the bytes publishes them, and any other copies the photo from such a node.

        Raises:
            Unavailable, IdempotencyKeyReused, PhotoGone: As `Mirroring.stream` does.
        """
        original = Variant(upload.photo_version, ORIGINAL_LETTER, ext)

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
