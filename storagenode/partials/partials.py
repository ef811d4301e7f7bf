"""The partial uploads of one disk. All calls block and are thread-safe.

`link()` decides between two writers of one offset, as it does between two writers of a photo. So no
lock is held while bytes are on their way, and a writer that was given up cannot change what is
there. What an append acknowledged survives a power failure; a photo never gets other bytes.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator

from storagenode.disk.directories import DurableDirectories
from storagenode.disk.reading import opened, recorded_digest
from storagenode.disk.staging import StagedFile
from storagenode.disk.store import DiskStore
from storagenode.disk.walking import names_in
from storagenode.partials.held_partials import HeldPartials
from storagenode.partials.segments import (
    Segment,
    WholeSegment,
    digest_of,
    length_of,
    read_segments,
    segments_of,
)
from storagenode.protocol.errors import BadRequest, Conflict, NotFound, OutOfSpace
from storagenode.protocol.files import Published
from storagenode.protocol.layout import Place
from storagenode.protocol.partials import PARTIALS, Partial, parse_partial
from storagenode.store import Space

PARTIALS_MAX = 20_000
# A client that lost the URL begins again with its key. One ticket must not fill the disk.
PARTIALS_OF_PHOTO_MAX = 4
BYTES_FRACTION_MAX = 0.05
BYTES_MAX = 50_000_000_000
# Ending of the directory of a partial that is being removed. It is not the name of a partial.
_REMOVED = ".removed"


def _bytes_max(space: Space) -> int:
    return min(int(space.total_bytes * BYTES_FRACTION_MAX), BYTES_MAX)


class Partials:
    """The partial uploads below one root."""

    def __init__(self, store: DiskStore, *, now_seconds: Callable[[], float]) -> None:
        self._store = store
        self._file_system = store.file_system
        self._directories = DurableDirectories(store.file_system, store.health.raise_if_emptied)
        self._now_seconds = now_seconds
        self.held = HeldPartials(self._all())
        """The partials of the disk."""

    def bytes_max(self) -> int:
        """Return the bytes that all partials together can take."""
        return _bytes_max(self._file_system.space())

    def create(self, partial: Partial) -> None:
        """Make room for a partial. Repeated calls have the same effect.

        A photo keeps few partials, so that a ticket or a key that is begun again and again takes no
        room of others. The oldest is removed.

        Raises:
            OutOfSpace: The disk has as many partials, or as many bytes of them, as it may.
        """
        with self._writing():
            if not self._file_system.exists(partial.directory):
                for each in self.held.surplus(partial, count_max=PARTIALS_OF_PHOTO_MAX):
                    self.remove(each)
                self._check_room(partial)

            def make() -> None:
                self._file_system.make_directory(partial.directory)

            self._directories.give_durable_name(partial.directory, make)
            self.held.add(partial)

    def length(self, partial: Partial) -> int:
        """Return the number of durable bytes, or raise `NotFound`."""
        return length_of(segments_of(self._file_system, partial))

    @contextlib.contextmanager
    def staging(
        self, partial: Partial, *, offset: int, bytes_expected: int
    ) -> Iterator[StagedFile]:
        """Yield a hidden file for the bytes from an offset on; discard it unless it is appended.

        Raises:
            NotFound: The partial does not exist.
            Conflict: It does not end at this offset.
            BadRequest: It would become longer than announced.
        """
        self._check_end(partial, offset, bytes_expected)
        with self._store.staging(bytes_expected=bytes_expected) as file:
            yield file

    def append(
        self, file: StagedFile, partial: Partial, *, offset: int, mtime_seconds: int, digest: str
    ) -> int:
        """Append a staged file; return the new length. Its bytes are durable on return.

        The name of a last segment is not: its client gets no response before the photo has its
        name.

        Raises:
            DigestMismatch: The bytes do not match `digest`.
            NotFound, Conflict, BadRequest: As `staging` does; nothing was appended.
        """
        self._check_end(partial, offset, file.bytes)
        if file.bytes == 0:
            return offset
        path = partial.segment(offset)
        with self._writing(), _removal_as_not_found(partial):
            # The time of the photo, because a single segment becomes the photo as it is.
            file.seal(mtime_seconds=mtime_seconds, digest=digest)
            try:
                file.link(path)
            except FileExistsError:
                if recorded_digest(self._file_system, path) != digest:
                    raise self._ends_elsewhere(partial, offset) from None
            if offset + file.bytes < partial.bytes_total:
                self._file_system.fsync_directory(partial.directory)
        return offset + file.bytes

    def read(self, partial: Partial, *, offset: int, bytes_max: int) -> bytes:
        """Return up to `bytes_max` bytes from an offset on, none at the end."""
        for segment in segments_of(self._file_system, partial):
            if segment.offset <= offset < segment.end:
                with opened(self._file_system, segment.path) as file:
                    return self._file_system.read_at(
                        file.handle, offset - segment.offset, bytes_max
                    )
        return b""

    def digest(self, partial: Partial) -> str:
        """Return the SHA-256 of a complete partial.

        Raises:
            NotFound: The partial does not exist, or is not complete.
            Corrupt: Its bytes are not as they were written.
        """
        with _removal_as_not_found(partial):
            return digest_of(self._file_system, self._complete(partial))

    def publish(
        self, partial: Partial, place: Place, *, mtime_seconds: int, digest: str
    ) -> Published:
        """Publish a complete partial as a photo's original. The partial stays until it is removed.

        Raises:
            DigestMismatch: The bytes do not match `digest`.
            NotFound, Corrupt: As `digest` does.
            NodeError: As the publishing of an upload does.
        """
        segments = self._complete(partial)
        first = segments[0]
        if len(segments) == 1 and first.mtime_seconds == mtime_seconds:
            # A photo that came in one piece is linked to its name, not written again.
            with _removal_as_not_found(partial):
                found = recorded_digest(self._file_system, first.path)
            whole = WholeSegment(self._file_system, first, found)
            return self._store.publish(whole, place, mtime_seconds=mtime_seconds, digest=digest)
        with self._store.staging(bytes_expected=partial.bytes_total) as file:
            with contextlib.closing(read_segments(self._file_system, segments)) as chunks:
                for chunk in chunks:
                    file.write(chunk)
            return self._store.publish(file, place, mtime_seconds=mtime_seconds, digest=digest)

    def remove(self, partial: Partial) -> None:
        """Remove a partial with its bytes, if it exists."""
        removed = partial.directory + _REMOVED
        with self._writing():
            self._unlink_all(removed)
            # At once, so that no client continues an upload that has lost its first segments.
            with contextlib.suppress(FileNotFoundError):
                self._file_system.rename(partial.directory, removed)
            self.held.discard(partial)
            self._unlink_all(removed)

    def remove_all(self, partials: Iterable[Partial]) -> None:
        """Remove partials, each as `remove` does."""
        for partial in partials:
            self.remove(partial)

    def remove_expired(self) -> int:
        """Remove the partials whose time has ended; return their number.

        Complete the removals that a crash interrupted.
        """
        for name in names_in(self._file_system, PARTIALS):
            if name.endswith(_REMOVED):
                self._unlink_all(f"{PARTIALS}/{name}")
        now, listed = self._now_seconds(), set(self._all())
        self._compare(listed)
        expired = [each for each in listed if each.expiry_seconds < now]
        self.remove_all(expired)
        return len(expired)

    def _compare(self, listed: set[Partial]) -> None:
        """Correct the record by a listing, during which others can be created and removed."""
        for partial in self.held.missing_in(listed):
            if not self._file_system.exists(partial.directory):
                self.held.discard(partial)
        for partial in listed:
            if partial not in self.held and self._file_system.exists(partial.directory):
                self.held.add(partial)

    def _unlink_all(self, directory: str) -> None:
        for name in names_in(self._file_system, directory):
            with contextlib.suppress(FileNotFoundError):
                self._file_system.unlink(f"{directory}/{name}")
        self._file_system.remove_directory(directory)

    def _complete(self, partial: Partial) -> list[Segment]:
        segments = segments_of(self._file_system, partial)
        if length_of(segments) != partial.bytes_total:
            # No `Conflict`: the photo has no other bytes, and another node may have all of these.
            raise NotFound(
                f"partial upload {partial.name} has {length_of(segments)} of its "
                f"{partial.bytes_total} bytes"
            )
        return segments

    def _check_end(self, partial: Partial, offset: int, size: int) -> None:
        if self.length(partial) != offset:
            raise self._ends_elsewhere(partial, offset)
        if offset + size > partial.bytes_total:
            raise BadRequest(
                f"partial upload {partial.name} was announced with {partial.bytes_total} bytes, "
                f"not with {offset + size}"
            )

    def _ends_elsewhere(self, partial: Partial, offset: int) -> Conflict:
        return Conflict(
            f"partial upload {partial.name} ends at byte {self.length(partial)}, not at {offset}"
        )

    def _check_room(self, partial: Partial) -> None:
        held, space = self.held, self._file_system.space()
        if held.count >= PARTIALS_MAX:
            raise OutOfSpace(f"{held.count} partial uploads are under way, which is the limit")
        bytes_max = _bytes_max(space)
        wanted = held.bytes_total + partial.bytes_total
        if wanted > bytes_max:
            raise OutOfSpace(
                f"partial uploads would take {wanted} bytes, and at most {bytes_max} are allowed"
            )
        self._store.health.check_free_space(wanted)

    def _all(self) -> Iterator[Partial]:
        for name in names_in(self._file_system, PARTIALS):
            with contextlib.suppress(BadRequest):
                yield parse_partial(name)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        self._store.health.check_writable()
        with self._store.health.translate_write_errors():
            yield


@contextlib.contextmanager
def _removal_as_not_found(partial: Partial) -> Iterator[None]:
    """Raise `NotFound` if a file of the partial is missing: an operator can remove all of it."""
    try:
        yield
    except FileNotFoundError:
        raise _not_found(partial) from None


def _not_found(partial: Partial) -> NotFound:
    return NotFound(f"partial upload {partial.name} does not exist")
