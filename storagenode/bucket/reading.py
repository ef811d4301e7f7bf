"""Reading of objects: bytes are fetched on demand, and a broken transfer is resumed.

Fetched bytes are stored until the file is closed. Therefore the verified bytes are exactly the
bytes that are sent, and an object is fetched once.
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
from storagenode.file_stat import FileStat
from storagenode.open_file import OpenFile
from storagenode.protocol.errors import BucketUnavailable, NotFound

if TYPE_CHECKING:
    from botocore.response import StreamingBody

MEMORY_BYTES_MAX = 8 * 1024 * 1024
TRIES_MAX = 4
PAUSE_SECONDS = 0.1


class ObjectSource:
    """The bytes of one object. Its only handle is 0."""

    def __init__(self, bucket: Bucket, path: str, metadata: ObjectMetadata) -> None:
        self._bucket, self._path, self._metadata = bucket, path, metadata
        self._fetched = tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX)  # noqa: SIM115  # see close
        self._fetched_bytes = 0
        self._body: StreamingBody | None = None
        self._failures = 0

    def read_at(self, handle: int, offset: int, bytes_max: int) -> bytes:
        """Return up to `bytes_max` bytes from an offset, fetching the preceding bytes if needed."""
        del handle
        while self._fetched_bytes < offset:
            if not self._fetch(bytes_max):
                return b""
        if offset == self._fetched_bytes:
            return self._fetch(bytes_max)
        self._fetched.seek(offset)
        return self._fetched.read(bytes_max)

    def read_cached(self, handle: int, size: int) -> bytearray | None:
        """Return None, because every read waits for the network."""
        del handle, size
        return None

    def drop_cache(self, handle: int) -> None:
        """Do nothing, because objects are not cached."""

    def close(self, handle: int) -> None:
        """Close the connection and discard the fetched bytes."""
        del handle
        self._disconnect()
        self._fetched.close()

    def _fetch(self, bytes_max: int) -> bytes:
        data = self._fetch_next(bytes_max)
        self._fetched.seek(self._fetched_bytes)
        self._fetched.write(data)
        self._fetched_bytes += len(data)
        return data

    def _fetch_next(self, bytes_max: int) -> bytes:
        if self._fetched_bytes >= self._metadata.bytes:
            return b""
        failure = "the response ended early"
        while self._failures < TRIES_MAX:
            try:
                if self._body is None:
                    self._body = self._bucket.read(
                        self._path, start=self._fetched_bytes, etag=self._metadata.etag
                    )
                data = self._body.read(bytes_max)
            except ObjectExists:
                raise NotFound(f"{self._path} was replaced during the read") from None
            except (BotoCoreError, HTTPError, OSError) as error:
                failure = str(error)
            else:
                if data:
                    return data
            self._disconnect()
            self._failures += 1
            pause = random.uniform(0, PAUSE_SECONDS * 2**self._failures)  # noqa: S311  # no secret
            time.sleep(pause)
        raise BucketUnavailable(
            f"reading {self._path} failed at byte {self._fetched_bytes}: {failure}"
        )

    def _disconnect(self) -> None:
        if self._body is not None:
            # Closing must not wait for the remaining bytes.
            with contextlib.suppress(OSError, HTTPError):
                self._body.close()
            self._body = None


def open_object(bucket: Bucket, path: str) -> OpenFile:
    """Open the object at a path without fetching any byte. The caller closes it.

    Raises:
        NotFound: The object does not exist.
    """
    metadata = bucket.head(path)
    if metadata is None:
        raise NotFound(f"{path} does not exist")
    stat = FileStat(
        metadata.bytes, metadata.mtime_seconds * 1_000_000_000, identity_of(metadata.etag)
    )
    return OpenFile(path, 0, stat, metadata.digest, ObjectSource(bucket, path, metadata))


def identity_of(etag: str) -> int:
    """Return a number that serves as inode: it differs for other bytes."""
    return int.from_bytes(hashlib.sha256(etag.encode()).digest()[:8], "big")
