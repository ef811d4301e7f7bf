"""The segments of one partial, and the bytes that they make together."""

import contextlib
import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from storagenode.disk.filesystem import FileSystem
from storagenode.disk.reading import opened, recorded_digest
from storagenode.disk.staging import StagedFile
from storagenode.protocol.errors import Corrupt, DigestMismatch, NotFound
from storagenode.protocol.partials import Partial, parse_segment


@dataclass(frozen=True, slots=True)
class Segment:
    """A durable part of an upload. Its bytes begin at an offset and never change."""

    path: str
    offset: int
    bytes: int
    mtime_seconds: int

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.bytes


def segments_of(file_system: FileSystem, partial: Partial) -> list[Segment]:
    """Return the segments from the first byte on, up to the first that is missing.

    Raises:
        NotFound: The partial does not exist.
    """
    try:
        names = file_system.list(partial.directory)
    except FileNotFoundError:
        raise _not_found(partial) from None
    offsets = {offset for name in names if (offset := parse_segment(name)) is not None}
    found: list[Segment] = []
    end = 0
    while end in offsets:
        offsets.discard(end)
        path = partial.segment(end)
        try:
            stat = file_system.stat(path)
        except FileNotFoundError:
            # The whole partial was removed, or an operator removed this segment.
            if not file_system.exists(partial.directory):
                raise _not_found(partial) from None
            break
        found.append(Segment(path, end, stat.bytes, stat.mtime_seconds))
        end = found[-1].end
    return found


def _not_found(partial: Partial) -> NotFound:
    return NotFound(f"partial upload {partial.name} does not exist")


def length_of(segments: list[Segment]) -> int:
    """Return the number of bytes that segments make together."""
    return segments[-1].end if segments else 0


def read_segments(file_system: FileSystem, segments: list[Segment]) -> Generator[bytes, None, None]:
    """Yield the bytes of segments. Each is verified at its end.

    Raises:
        NotFound: A segment was removed.
        Corrupt: A segment does not have its recorded digest.
    """
    for segment in segments:
        with opened(file_system, segment.path) as file:
            digest = hashlib.sha256()
            for chunk in file.chunks(0, segment.bytes):
                digest.update(chunk)
                yield chunk
            if digest.hexdigest() != file.digest:
                raise Corrupt(f"{segment.path} does not have SHA-256 {file.digest}")


def digest_of(file_system: FileSystem, segments: list[Segment]) -> str:
    """Return the SHA-256 of the bytes of segments; raise as `read_segments` does.

    A single segment was hashed while it was written, as an upload is, and is not read again.
    """
    if len(segments) == 1:
        return recorded_digest(file_system, segments[0].path)
    digest = hashlib.sha256()
    for chunk in read_segments(file_system, segments):
        digest.update(chunk)
    return digest.hexdigest()


class WholeSegment(StagedFile):
    """A segment that is a whole photo. It was sealed when it was written."""

    def __init__(self, file_system: FileSystem, segment: Segment, digest: str) -> None:
        # Not the constructor of a staged file, which creates a hidden file.
        self.path = segment.path
        self.bytes = segment.bytes
        self.mtime_seconds = segment.mtime_seconds
        self.replaces = ""
        self._file_system = file_system
        self._digest = digest

    @property
    def digest(self) -> str:
        """The SHA-256 that was recorded with the bytes."""
        return self._digest

    def seal(self, *, mtime_seconds: int, digest: str) -> None:
        """Compare the digest. Bytes, digest, and time are durable already.

        Raises:
            DigestMismatch: The bytes do not match this digest.
        """
        del mtime_seconds
        if self.digest != digest:
            raise DigestMismatch(
                f"digest mismatch: received SHA-256 {self.digest}, expected {digest}"
            )

    def link(self, target: str) -> None:
        """Give the file its name; raise as `StagedFile.link` does.

        Raises:
            NotFound: An operator removed the segment.
        """
        with self._removal_as_not_found():
            self._file_system.link(self.path, target)

    def rename(self, target: str) -> None:
        """Give the file its name, replacing any file there; raise as `link` does."""
        with self._removal_as_not_found():
            self._file_system.rename(self.path, target)

    @contextlib.contextmanager
    def _removal_as_not_found(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            if self._file_system.exists(self.path):
                raise
            raise NotFound(f"{self.path} was removed") from None
