"""One node's part of an S3 bucket: a few calls by paths, blocking, with their errors as ours.

Each call is tried again a few times by botocore, after waits that double and are random, where the
server was away, failed or was too busy.
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

# Above this an object goes in parts, each sent and tried again by itself.
PART_BYTES = 8 * 1024 * 1024
# Parts and small requests that one call of a store makes side by side, all calls together.
PARALLEL_CALLS_MAX = 8
# An upload in parts takes minutes; one that is this old has lost its process.
ABANDONED_HOURS = 24

_LOCKS = 256
_DIGEST, _MTIME = "sha256", "mtime"

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class ObjectMetadata:
    """What is noted of an object."""

    bytes: int
    digest: str | None
    mtime_seconds: int
    etag: str


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object of a listing, which does not say its digest; the ETag changes with its bytes."""

    path: str
    bytes: int
    etag: str


class Bucket:
    """Objects by their paths below the node's prefix."""

    def __init__(self, location: BucketLocation, client: "S3Client") -> None:
        self.location = location
        self.puts_are_conditional = True
        """Whether the server itself keeps a name from being given twice (If-None-Match)."""
        self._client = client
        self._side_by_side = ThreadPoolExecutor(PARALLEL_CALLS_MAX, "bucket")
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def close(self) -> None:
        """Let go of threads and connections; no other call may follow."""
        self._side_by_side.shutdown()
        self._client.close()

    def head(self, path: str) -> ObjectMetadata | None:
        """What is noted of an object, or None if there is none."""
        try:
            with self._errors_at(path):
                return _note_of(self._client.head_object(**self._at(path)))
        except NotFound:
            return None
        except NodeError:
            # The answer to a HEAD has no body, and so no reason; that to a GET has.
            self.read(path).close()
            raise

    def read(self, path: str, *, start: int = 0, etag: str = "") -> "StreamingBody":
        """The bytes from `start`, to be read and closed; of this very ETag, if one is given."""
        wanted: dict[str, Any] = {"Range": f"bytes={start}-"} if start else {}
        if etag:
            wanted["IfMatch"] = etag
        with self._errors_at(path):
            return self._client.get_object(**self._at(path), **wanted)["Body"]

    def read_whole(self, path: str) -> bytes | None:
        """The bytes of a small object of our own, or None if there is none."""
        try:
            with self._errors_at(path), contextlib.closing(self.read(path)) as body:
                return body.read()
        except NotFound:
            return None

    def put(
        self, path: str, file: BinaryIO, *, digest: str, mtime_seconds: int, only_if_new: bool
    ) -> str:
        """Write an object from the start of a file, and return its ETag when it is kept.

        Raises:
            ObjectExists: It was only to be written if new, and is not.
        """
        notes = {_DIGEST: digest, _MTIME: str(mtime_seconds)}
        if not only_if_new or self.puts_are_conditional:
            condition = {"IfNoneMatch": "*"} if only_if_new else {}
            return self._put(path, file, notes, condition)
        # As far as this process can see: another one's write may come between.
        with self._locks[hash(path) % _LOCKS]:
            if self.head(path) is not None:
                raise ObjectExists(path)
            return self._put(path, file, notes, {})

    def copy(self, source: str, target: str, *, digest: str = "", mtime_seconds: int = 0) -> None:
        """Copy an object within the bucket, notes and all, or with these notes instead."""
        notes: dict[str, Any] = {}
        if digest:
            notes = {"Metadata": {_DIGEST: digest, _MTIME: str(mtime_seconds)}}
            notes["MetadataDirective"] = "REPLACE"
        with self._errors_at(source):
            self._client.copy_object(**self._at(target), CopySource=self._at(source), **notes)

    def delete(self, path: str) -> None:
        """Remove an object, if it is there."""
        with self._errors_at(path):
            self._client.delete_object(**self._at(path))

    def objects(self, prefix: str) -> Iterator[ListedObject]:
        """All objects whose path begins so, in order of paths."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._errors_at(prefix):
            for page in pages.paginate(
                Bucket=self.location.bucket, Prefix=self.location.key(prefix)
            ):
                for each in page.get("Contents", []):
                    path = self.location.path(each["Key"])
                    yield ListedObject(path, each["Size"], each["ETag"].strip('"'))

    def folders(self, prefix: str) -> list[str]:
        """The names that follow a prefix and are followed by a slash."""
        pages = self._client.get_paginator("list_objects_v2")
        start = self.location.key(prefix)
        with self._errors_at(prefix):
            return [
                each["Prefix"].removeprefix(start).rstrip("/")
                for page in pages.paginate(Bucket=self.location.bucket, Prefix=start, Delimiter="/")
                for each in page.get("CommonPrefixes", [])
            ]

    def map_parallel(self, call: Callable[[A], T], arguments: Iterable[A]) -> list[T]:
        """What a call returns for each argument; several are made at once.

        The call must not come back here: it would wait for itself.
        """
        return list(self._side_by_side.map(call, arguments))

    def abort_abandoned(self) -> int:
        """Drop the parts of uploads that nobody will complete; how many uploads that were."""
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
        self, path: str, file: BinaryIO, notes: dict[str, str], condition: dict[str, Any]
    ) -> str:
        size = file.seek(0, 2)
        file.seek(0)
        with self._errors_at(path):
            if size > PART_BYTES:
                return self._put_in_parts(path, file, size, notes, condition)
            data = file.read()
            answer = self._client.put_object(
                **self._at(path), Body=data, ContentMD5=_md5(data), Metadata=notes, **condition
            )
            return answer["ETag"].strip('"')

    def _put_in_parts(
        self,
        path: str,
        file: BinaryIO,
        size: int,
        notes: dict[str, str],
        condition: dict[str, Any],
    ) -> str:
        at = self._at(path)
        upload = self._client.create_multipart_upload(**at, Metadata=notes)["UploadId"]
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
            answer = self._client.complete_multipart_upload(
                **at, UploadId=upload, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException:
            # What cannot be aborted now is found abandoned later.
            with contextlib.suppress(ClientError, BotoCoreError):
                self._abort(at["Key"], upload)
            raise
        return answer["ETag"].strip('"')

    def _abort(self, key: str, upload: str) -> None:
        self._client.abort_multipart_upload(Bucket=self.location.bucket, Key=key, UploadId=upload)

    def _at(self, path: str) -> Any:
        return {"Bucket": self.location.bucket, "Key": self.location.key(path)}

    def _errors_at(self, path: str) -> contextlib.AbstractContextManager[None]:
        return translate_errors(f"{self.location}/{path}")


def _note_of(answer: Any) -> ObjectMetadata:
    notes = answer["Metadata"]
    mtime = notes.get(_MTIME, "")
    written = int(mtime) if mtime.isdecimal() else int(answer["LastModified"].timestamp())
    return ObjectMetadata(
        bytes=answer["ContentLength"],
        digest=notes.get(_DIGEST),
        mtime_seconds=written,
        etag=answer["ETag"].strip('"'),
    )


def _md5(data: bytes) -> str:
    """What the server compares with the bytes that arrive; SHA-256 is for us."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
