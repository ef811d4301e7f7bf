"""The copies of a resumable upload on its nodes, written together.

A node that misses a segment is left out until the photo is complete, when it copies the whole
photo. So the offset of an upload is the length of its longest copy, and one copy is enough to
continue.
"""

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial as bind

from storagemaster.errors import NoRoomForParts, OffsetMismatch, Unavailable, UnknownUpload
from storagemaster.mirrors.fan_out import StalledError, fan_out
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.resumable.upload_url import ResumableUpload
from storagenode.client import NodeClient
from storagenode.protocol.errors import NodeError, NotFound, OutOfSpace, Unreachable
from storagenode.protocol.partials import Partial
from volumes.cluster import NodeId

log = logging.getLogger(__name__)

# A storagemaster or a node that dies costs the client at most this much of what it sent.
SEGMENT_BYTES_MAX = 8 * 1024 * 1024
# Uploads that end within this time are removed by one request to each node.
REMOVAL_SECONDS = 0.1
REMOVALS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Appended:
    """The end of an upload after an append, and the copies that have all bytes before it."""

    offset: int
    nodes: tuple[NodeId, ...]
    sha256: str
    """The SHA-256 of all bytes, if they came in one segment; "" otherwise."""


class PartialCopies:
    """Reads and writes of resumable uploads on the nodes."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors
        self._ended: list[ResumableUpload] = []
        self._removal: asyncio.Task[None] | None = None

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
            UnknownUpload: No node of the map, or removed one that responds, has the upload.
            Unavailable: No copy can be reached, and a node of the map did not respond.
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
        if not found.unreachable.keys().isdisjoint(self._mirrors.cluster.nodes):
            raise Unavailable(f"the upload cannot be found now ({_reasons(found.unreachable)})")
        raise UnknownUpload("the upload does not exist: it has ended or was never begun")

    async def append(
        self, upload: ResumableUpload, body: AsyncIterator[bytes], *, offset: int, whole: bool
    ) -> Appended:
        """Append a body to the longest copies; return their end.

        If the body raises, the bytes before are kept, or none if only the `whole` body counts. The
        exception propagates.

        Raises:
            OffsetMismatch: The upload does not continue at this offset.
            UnknownUpload, Unavailable: As `lengths` does.
        """
        segments = _Segments(body, whole=whole)
        nodes = await self._nodes_to_append(upload, segments, offset)
        end = offset
        while await segments.has_more():
            nodes = await self._append_segment(upload, segments, end, nodes)
            end += segments.bytes
        is_one_segment = offset == 0 and segments.bytes == end
        return Appended(end, tuple(nodes), segments.digest() if is_one_segment else "")

    async def _nodes_to_append(
        self, upload: ResumableUpload, segments: "_Segments", offset: int
    ) -> list[NodeId]:
        """Return the nodes to append to at an offset.

        The first bytes of a new upload are sent at once: a node that is further refuses them.

        Raises:
            Exception: As `append` does.
        """
        up = [id_ for id_ in upload.nodes if self._mirrors.fleet.is_up(id_)]
        if offset == 0 and up and await segments.has_bytes():
            return up
        lengths = await self.lengths(upload)
        _refuse_other_offset(lengths, offset)
        return [id_ for id_, length in lengths.items() if length == offset]

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
            _refuse_other_offset(await self.lengths(upload), offset)
            raise Unavailable("no node stored the bytes; continue where the upload ends")
        return appended

    async def remove(self, *uploads: ResumableUpload) -> None:
        """Remove uploads from every node that responds. The others remove them when they expire."""
        partials: dict[NodeId, list[Partial]] = defaultdict(list)
        for upload in uploads:
            for id_ in upload.nodes:
                partials[id_].append(upload.partial)
        await self._mirrors.query(partials, lambda id_, node: node.remove_partials(partials[id_]))

    def remove_later(self, upload: ResumableUpload) -> None:
        """Remove an upload with others that end in the next moment: its client does not wait."""
        self._ended.append(upload)
        if self._removal is None or self._removal.done():
            self._removal = asyncio.create_task(self._remove_ended())

    async def close(self) -> None:
        """Remove the uploads that have ended, without waiting for others."""
        if self._removal is not None:
            self._removal.cancel()
            await asyncio.wait([self._removal])
        if self._ended:
            await self.remove(*self._ended)

    async def _remove_ended(self) -> None:
        while self._ended:
            await asyncio.sleep(REMOVAL_SECONDS)
            ended = self._ended[:REMOVALS_MAX]
            await self.remove(*ended)
            del self._ended[: len(ended)]

    def _record_failure(self, id_: NodeId, error: Exception) -> None:
        if isinstance(error, Unreachable | StalledError):
            self._mirrors.fleet.mark_down(id_, str(error))
        elif not isinstance(error, NodeError):
            raise error
        log.info("node %s left a resumable upload: %s", id_, error)


class _Segments:
    """A body, cut into segments. An exception of the body ends a segment, and is raised later.

    With `whole`, the body is one segment, and its exception is raised before the segment ends.
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

    async def has_bytes(self) -> bool:
        """Return True if the body has another byte, and False if it has ended or failed."""
        if not self._rest:
            await self._read()
        return bool(self._rest)

    async def has_more(self) -> bool:
        """Return True if the body has another byte.

        Raises:
            Exception: The exception that ended the body.
        """
        if await self.has_bytes():
            return True
        if self._failure is not None:
            raise self._failure
        return False

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
            if not await self.has_bytes() and self._whole and self._failure is not None:
                raise self._failure

    async def _read(self) -> None:
        if self._failure is not None:
            return
        try:
            self._rest = await anext(self._body, b"")
        except Exception as error:  # noqa: BLE001 - raised later
            # Unless the body counts as a whole, the bytes before are kept: the client continues.
            self._failure = error


def _refuse_other_offset(lengths: Mapping[NodeId, int], offset: int) -> None:
    end = max(lengths.values())
    if end != offset:
        raise OffsetMismatch(end, offset)


def _reasons(unreachable: Mapping[NodeId, str]) -> str:
    return "; ".join(f"{node}: {why}" for node, why in unreachable.items())
