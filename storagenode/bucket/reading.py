"""Reading an object: fetched as it is asked for, gone on with where a connection breaks.

What was fetched is kept until the file is closed. So bytes that were verified are the very bytes
that are sent, and an object is fetched once.
"""

import contextlib
import hashlib
import random
import tempfile
import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from storagenode.bucket.bucket import Bucket, ObjectMetadata
from storagenode.bucket.errors import ObjectExists
from storagenode.open_file import FileStat, OpenFile
from storagenode.protocol.errors import BucketUnavailable, NotFound

if TYPE_CHECKING:
    from botocore.response import StreamingBody

MEMORY_BYTES_MAX = 8 * 1024 * 1024
TRIES_MAX = 4
PAUSE_SECONDS = 0.1


class ObjectSource:
    """The bytes of one object. Its one handle is 0."""

    def __init__(self, bucket: Bucket, path: str, metadata: ObjectMetadata) -> None:
        self._bucket, self._path, self._note = bucket, path, metadata
        self._kept = tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX)  # noqa: SIM115  # see close
        self._kept_bytes = 0
        self._body: StreamingBody | None = None
        self._breaks = 0

    def read_at(self, handle: int, offset: int, bytes_max: int) -> bytes:
        """Up to so many bytes from an offset, fetched up to there if need be."""
        del handle
        while self._kept_bytes < offset:
            if not self._fetch(bytes_max):
                return b""
        if offset == self._kept_bytes:
            return self._fetch(bytes_max)
        self._kept.seek(offset)
        return self._kept.read(bytes_max)

    def read_cached(self, handle: int, size: int) -> bytearray | None:
        """None: a network is always waited for."""
        del handle, size
        return None

    def drop_cache(self, handle: int) -> None:
        """Nothing is kept longer than the file is open."""

    def close(self, handle: int) -> None:
        """Let go of what was fetched."""
        del handle
        self._hang_up()
        self._kept.close()

    def _fetch(self, bytes_max: int) -> bytes:
        data = self._read_on(bytes_max)
        self._kept.seek(self._kept_bytes)
        self._kept.write(data)
        self._kept_bytes += len(data)
        return data

    def _read_on(self, bytes_max: int) -> bytes:
        if self._kept_bytes >= self._note.bytes:
            return b""
        failure = "it ends early"
        while self._breaks < TRIES_MAX:
            try:
                if self._body is None:
                    self._body = self._bucket.read(
                        self._path, start=self._kept_bytes, etag=self._note.etag
                    )
                data = self._body.read(bytes_max)
            except ObjectExists:
                raise NotFound(f"{self._path} was replaced while it was read") from None
            except (BotoCoreError, HTTPError, OSError) as error:
                failure = str(error)
            else:
                if data:
                    return data
            self._hang_up()
            self._breaks += 1
            pause = random.uniform(0, PAUSE_SECONDS * 2**self._breaks)  # noqa: S311  # no secret
            time.sleep(pause)
        raise BucketUnavailable(f"{self._path} breaks off at byte {self._kept_bytes}: {failure}")

    def _hang_up(self) -> None:
        if self._body is not None:
            # Who breaks off must not wait for the rest.
            with contextlib.suppress(OSError, HTTPError):
                self._body.close()
            self._body = None


def open_object(bucket: Bucket, path: str) -> OpenFile:
    """The object at a path, of which no byte is fetched yet; the caller closes it.

    Raises:
        NotFound: There is no such object.
    """
    metadata = bucket.head(path)
    if metadata is None:
        raise NotFound(f"{path} is not there")
    stat = FileStat(
        metadata.bytes, metadata.mtime_seconds * 1_000_000_000, identity_of(metadata.etag)
    )
    return OpenFile(path, 0, stat, metadata.digest, ObjectSource(bucket, path, metadata))


def identity_of(etag: str) -> int:
    """What stands for an inode: another number for other bytes."""
    return int.from_bytes(hashlib.sha256(etag.encode()).digest()[:8], "big")
