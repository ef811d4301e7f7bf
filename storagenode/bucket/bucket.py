"""One node's part of an S3 bucket: a few blocking calls by path, with errors as `NodeError`.

botocore retries each call with random, doubling delays if the server is unreachable, fails, or is
too busy.
"""

import base64
import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from storagenode.bucket.errors import ObjectExists, translate_errors
from storagenode.protocol.errors import NodeError, NotFound
from volumes.bucket_location import BucketLocation

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3.client import S3Client

# A larger object is sent in parts, each with its own retries.
PART_BYTES = 8 * 1024 * 1024
# Maximum number of parallel parts and small requests of all calls of a store.
PARALLEL_CALLS_MAX = 8
# A multipart upload takes minutes. One of this age was abandoned by its process.
ABANDONED_HOURS = 24

_LOCKS = 256
_DIGEST, _MTIME = "sha256", "mtime"

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class ObjectMetadata:
    """Metadata of an object."""

    bytes: int
    digest: str | None
    mtime_seconds: int
    etag: str


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object of a listing, which has no digest. The ETag changes with the bytes."""

    path: str
    bytes: int
    etag: str


class Bucket:
    """The objects below the node's prefix, by path."""

    def __init__(self, location: BucketLocation, client: "S3Client") -> None:
        self.location = location
        self.puts_are_conditional = True
        """True if the server refuses a second put of a name (If-None-Match)."""
        self._client = client
        self._parallel = ThreadPoolExecutor(PARALLEL_CALLS_MAX, "bucket")
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def close(self) -> None:
        """Close threads and connections. No other call may follow."""
        self._parallel.shutdown()
        self._client.close()

    def head(self, path: str) -> ObjectMetadata | None:
        """Return the metadata of an object, or None if it does not exist."""
        try:
            with self._errors_at(path):
                return _metadata_of(self._client.head_object(**self._at(path)))
        except NotFound:
            return None
        except NodeError:
            # The response to a HEAD has no reason. A GET raises the error with its reason.
            self.read(path).close()
            raise

    def read(self, path: str, *, start: int = 0, etag: str = "") -> "StreamingBody":
        """Open the bytes from `start`, of this ETag if one is given. The caller closes the body."""
        wanted: dict[str, Any] = {"Range": f"bytes={start}-"} if start else {}
        if etag:
            wanted["IfMatch"] = etag
        with self._errors_at(path):
            return self._client.get_object(**self._at(path), **wanted)["Body"]

    def read_whole(self, path: str) -> bytes | None:
        """Return the bytes of a small object, or None if it does not exist."""
        try:
            with self._errors_at(path), contextlib.closing(self.read(path)) as body:
                return body.read()
        except NotFound:
            return None

    def put(
        self, path: str, file: BinaryIO, *, digest: str, mtime_seconds: int, only_if_new: bool
    ) -> str:
        """Write an object from the start of a file; return its ETag once it is stored.

        Raises:
            ObjectExists: The object exists, and `only_if_new` is set.
        """
        metadata = {_DIGEST: digest, _MTIME: str(mtime_seconds)}
        if not only_if_new or self.puts_are_conditional:
            condition = {"IfNoneMatch": "*"} if only_if_new else {}
            return self._put(path, file, metadata, condition)
        # This check covers only this process. Another one can write in between.
        with self._locks[hash(path) % _LOCKS]:
            if self.head(path) is not None:
                raise ObjectExists(path)
            return self._put(path, file, metadata, {})

    def copy(self, source: str, target: str, *, digest: str = "", mtime_seconds: int = 0) -> None:
        """Copy an object within the bucket, with its metadata or with the given digest and time."""
        metadata: dict[str, Any] = {}
        if digest:
            metadata = {"Metadata": {_DIGEST: digest, _MTIME: str(mtime_seconds)}}
            metadata["MetadataDirective"] = "REPLACE"
        with self._errors_at(source):
            self._client.copy_object(**self._at(target), CopySource=self._at(source), **metadata)

    def delete(self, path: str, version: str = "") -> None:
        """Remove an object if it exists, or one version of it for good."""
        chosen: dict[str, Any] = {"VersionId": version} if version else {}
        with self._errors_at(path):
            self._client.delete_object(**self._at(path), **chosen)

    def versions(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield path and version of all that a prefix has or had, delete markers included.

        The version is "" in a bucket that never kept versions.
        """
        with self._errors_at(prefix):
            state = self._client.get_bucket_versioning(Bucket=self.location.bucket)
            if "Status" not in state:
                yield from ((each.path, "") for each in self.objects(prefix))
                return
            pages = self._client.get_paginator("list_object_versions")
            key = self.location.key(prefix)
            for page in pages.paginate(Bucket=self.location.bucket, Prefix=key):
                for each in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                    yield self.location.path(each["Key"]), each["VersionId"]

    def objects(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects whose paths have a prefix, sorted by path."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._errors_at(prefix):
            for page in pages.paginate(
                Bucket=self.location.bucket, Prefix=self.location.key(prefix)
            ):
                for each in page.get("Contents", []):
                    path = self.location.path(each["Key"])
                    yield ListedObject(path, each["Size"], each["ETag"].strip('"'))

    def folders(self, prefix: str) -> list[str]:
        """Return the names directly after a prefix that are followed by a slash."""
        pages = self._client.get_paginator("list_objects_v2")
        start = self.location.key(prefix)
        with self._errors_at(prefix):
            return [
                each["Prefix"].removeprefix(start).rstrip("/")
                for page in pages.paginate(Bucket=self.location.bucket, Prefix=start, Delimiter="/")
                for each in page.get("CommonPrefixes", [])
            ]

    def map_parallel(self, call: Callable[[A], T], arguments: Iterable[A]) -> list[T]:
        """Return the results of a call for each argument; several calls run in parallel.

        The call must not use `map_parallel` itself, because it would deadlock.
        """
        return list(self._parallel.map(call, arguments))

    def abort_abandoned(self) -> int:
        """Abort multipart uploads whose process has died; return their number."""
        pages = self._client.get_paginator("list_multipart_uploads")
        old = datetime.now(UTC) - timedelta(hours=ABANDONED_HOURS)
        aborted = 0
        with self._errors_at("unfinished uploads"):
            for page in pages.paginate(Bucket=self.location.bucket, Prefix=self.location.key("")):
                for each in page.get("Uploads", []):
                    if each["Initiated"] < old:
                        self._abort(each["Key"], each["UploadId"])
                        aborted += 1
        return aborted

    def _put(
        self, path: str, file: BinaryIO, metadata: dict[str, str], condition: dict[str, Any]
    ) -> str:
        size = file.seek(0, 2)
        file.seek(0)
        with self._errors_at(path):
            if size > PART_BYTES:
                return self._put_in_parts(path, file, size, metadata, condition)
            data = file.read()
            response = self._client.put_object(
                **self._at(path), Body=data, ContentMD5=_md5(data), Metadata=metadata, **condition
            )
            return response["ETag"].strip('"')

    def _put_in_parts(
        self,
        path: str,
        file: BinaryIO,
        size: int,
        metadata: dict[str, str],
        condition: dict[str, Any],
    ) -> str:
        at = self._at(path)
        upload = self._client.create_multipart_upload(**at, Metadata=metadata)["UploadId"]
        reading = threading.Lock()

        def send(number: int) -> Any:
            with reading:
                file.seek((number - 1) * PART_BYTES)
                data = file.read(PART_BYTES)
            etag = self._client.upload_part(
                **at, UploadId=upload, PartNumber=number, Body=data, ContentMD5=_md5(data)
            )["ETag"]
            return {"PartNumber": number, "ETag": etag}

        try:
            parts = self.map_parallel(send, range(1, -(-size // PART_BYTES) + 1))
            response = self._client.complete_multipart_upload(
                **at, UploadId=upload, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException:
            # `abort_abandoned` removes an upload that cannot be aborted now.
            with contextlib.suppress(ClientError, BotoCoreError):
                self._abort(at["Key"], upload)
            raise
        return response["ETag"].strip('"')

    def _abort(self, key: str, upload: str) -> None:
        self._client.abort_multipart_upload(Bucket=self.location.bucket, Key=key, UploadId=upload)

    def _at(self, path: str) -> Any:
        return {"Bucket": self.location.bucket, "Key": self.location.key(path)}

    def _errors_at(self, path: str) -> contextlib.AbstractContextManager[None]:
        return translate_errors(f"{self.location}/{path}")


def _metadata_of(response: Any) -> ObjectMetadata:
    metadata = response["Metadata"]
    mtime = metadata.get(_MTIME, "")
    written = int(mtime) if mtime.isdecimal() else int(response["LastModified"].timestamp())
    return ObjectMetadata(
        bytes=response["ContentLength"],
        digest=metadata.get(_DIGEST),
        mtime_seconds=written,
        etag=response["ETag"].strip('"'),
    )


def _md5(data: bytes) -> str:
    """Return the checksum that the server compares with the bytes that it receives."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
