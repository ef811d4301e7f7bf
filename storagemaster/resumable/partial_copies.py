"""The copies of a resumable upload on its nodes, written together.

A node that misses a segment is left out until the photo is complete, when it copies the whole
photo. So the offset of an upload is the length of its longest copy, and one copy is enough to
continue.
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from functools import partial as bind

from storagemaster.errors import NoRoomForParts, OffsetMismatch, Unavailable, UnknownUpload
from storagemaster.mirrors.fan_out import StalledError, fan_out
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.resumable.upload_url import ResumableUpload
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError, NotFound, OutOfSpace, Unreachable
from volumes.cluster import NodeId

log = logging.getLogger(__name__)

# A storagemaster or a node that dies costs the client at most this much of what it sent.
SEGMENT_BYTES_MAX = 8 * 1024 * 1024


class PartialCopies:
    """Reads and writes of resumable uploads on the nodes."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def create(self, upload: ResumableUpload) -> None:
        """Make room for an upload on its nodes. One of them is enough.

        Raises:
            NoRoomForParts: All nodes responded, and none has room.
            Unavailable: No node with room responded.
        """

        async def create_on(_: NodeId, node: NodeClient) -> bool:
            try:
                await node.create_partial(upload.partial)
            except OutOfSpace:
                return False
            return True

        created = await self._mirrors.query(upload.nodes, create_on)
        if any(created.results.values()):
            return
        if created.unreachable:
            raise Unavailable(f"no node can take the upload ({_reasons(created.unreachable)})")
        raise NoRoomForParts("no node has room for an upload in parts; send the photo at once")

    async def lengths(self, upload: ResumableUpload) -> Mapping[NodeId, int]:
        """Return the length of each copy that can be reached, at least one.

        Raises:
            UnknownUpload: All nodes responded, and none has the upload.
            Unavailable: No copy can be reached, and some node did not respond.
        """

        async def length_on(_: NodeId, node: NodeClient) -> int | None:
            try:
                return await node.partial_length(upload.partial)
            except NotFound:
                return None

        found = await self._mirrors.query(upload.nodes, length_on)
        lengths = {id_: length for id_, length in found.results.items() if length is not None}
        if lengths:
            return lengths
        if found.unreachable:
            raise Unavailable(f"the upload cannot be found now ({_reasons(found.unreachable)})")
        raise UnknownUpload("the upload does not exist: it has ended or was never begun")

    async def append(
        self, upload: ResumableUpload, body: AsyncIterator[bytes], *, offset: int, whole: bool
    ) -> int:
        """Append a body to the longest copies; return the new offset.

        If the body raises, the bytes before are kept, or none if only the `whole` body counts. The
        exception propagates.

        Raises:
            OffsetMismatch: The upload does not continue at this offset.
            UnknownUpload, Unavailable: As `lengths` does.
        """
        lengths = await self.lengths(upload)
        if max(lengths.values()) != offset:
            raise OffsetMismatch(max(lengths.values()), offset)
        nodes = [id_ for id_, length in lengths.items() if length == offset]
        segments = _Segments(body, whole=whole)
        while await segments.has_more():
            nodes = await self._append_segment(upload, segments, offset, nodes)
            offset += segments.bytes
        return offset

    async def _append_segment(
        self, upload: ResumableUpload, segments: "_Segments", offset: int, nodes: list[NodeId]
    ) -> list[NodeId]:
        segment = segments.next_segment()
        sends = [
            bind(
                self._mirrors.nodes[id_].append_partial,
                upload.partial,
                offset=offset,
                mtime_seconds=upload.mtime_seconds,
                bytes_total=None,
                digest=segments.digest,
            )
            for id_ in nodes
        ]
        outcomes = await fan_out(segment, sends, patience_seconds=self._mirrors.patience_seconds)
        appended = []
        for id_, outcome in zip(nodes, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._record_failure(id_, outcome)
            else:
                appended.append(id_)
        if not appended:
            raise Unavailable("no node stored the bytes; continue where the upload ends")
        return appended

    async def remove(self, upload: ResumableUpload) -> None:
        """Remove an upload from every node that responds. The others remove it when it expires."""
        await self._mirrors.query(upload.nodes, lambda _, node: node.remove_partial(upload.partial))

    def _record_failure(self, id_: NodeId, error: Exception) -> None:
        if isinstance(error, Unreachable | StalledError):
            self._mirrors.fleet.mark_down(id_, str(error))
        elif not isinstance(error, NodeError):
            raise error
        log.info("node %s left a resumable upload: %s", id_, error)


class _Segments:
    """A body, cut into segments. An exception of the body ends a segment, and is raised later.

    With `whole`, the body is one segment, and its exception is raised at once.
    """

    def __init__(self, body: AsyncIterator[bytes], *, whole: bool) -> None:
        self._body = body
        self._whole = whole
        self._rest = b""
        self._failure: Exception | None = None
        self._hash = hashlib.sha256()
        self.bytes = 0

    def digest(self) -> str:
        """Return the SHA-256 of the segment, once it has been read to its end."""
        return self._hash.hexdigest()

    async def has_more(self) -> bool:
        """Return True if the body has another byte.

        Raises:
            Exception: The exception that ended the body.
        """
        if not self._rest:
            await self._read()
        if not self._rest and self._failure is not None:
            raise self._failure
        return bool(self._rest)

    async def next_segment(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the next segment."""
        self._hash = hashlib.sha256()
        self.bytes = 0
        while self._rest and (self._whole or self.bytes < SEGMENT_BYTES_MAX):
            room = len(self._rest) if self._whole else SEGMENT_BYTES_MAX - self.bytes
            chunk, self._rest = self._rest[:room], self._rest[room:]
            self._hash.update(chunk)
            self.bytes += len(chunk)
            yield chunk
            if not self._rest:
                await self._read()

    async def _read(self) -> None:
        if self._failure is not None:
            return
        try:
            self._rest = await anext(self._body, b"")
        except Exception as error:
            if self._whole:
                raise
            # The bytes before are kept, so that the client continues there.
            self._failure = error


def _reasons(unreachable: Mapping[NodeId, str]) -> str:
    return "; ".join(f"{node}: {why}" for node, why in unreachable.items())
