"""The sources of an import: a directory, or the objects below a prefix of an S3 bucket."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from glassplate.errors import UnusableSource, UsageError
from glassplate.transfer.journal import SourceFile
from volumes.bucket_location import S3_SCHEME
from volumes.formats import is_photo_name

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


class ImportSource(Protocol):
    """A source of photos."""

    def files(self) -> Iterator[SourceFile]:
        """Yield all photos, in order."""

    def local_copy(self, file: SourceFile) -> contextlib.AbstractAsyncContextManager[Path]:
        """Provide the file on a local disk until the block exits."""


class DirectorySource:
    """Files in a directory, already chosen."""

    def __init__(self, root: Path, files: Sequence[Path]) -> None:
        self._root = root
        self._files = files

    def files(self) -> Iterator[SourceFile]:
        """Yield the files. One that cannot be read is empty here, and fails later."""
        for path in self._files:
            size = mtime = 0
            with contextlib.suppress(OSError):
                status = path.stat()
                size, mtime = status.st_size, status.st_mtime_ns
            name = path.relative_to(self._root).as_posix()
            yield SourceFile(path=name, bytes=size, mtime_nanoseconds=mtime)

    @contextlib.asynccontextmanager
    async def local_copy(self, file: SourceFile) -> AsyncIterator[Path]:
        """Provide the file itself."""
        yield self._root / file.path


class S3Source:
    """The photos below a prefix of a bucket. boto3 reads credentials and endpoint as usual."""

    def __init__(self, url: str) -> None:
        import boto3

        self._bucket, _, prefix = url.removeprefix(S3_SCHEME).partition("/")
        if not self._bucket:
            raise UsageError(f"{url!r} has no bucket: must be s3://BUCKET or s3://BUCKET/PREFIX")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client: S3Client = boto3.client("s3")
        self.skipped: list[str] = []

    def files(self) -> Iterator[SourceFile]:
        """Yield the photos, listed in pages."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._as_unusable(f"{S3_SCHEME}{self._bucket}/{self._prefix}"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for found in page.get("Contents", []):
                    path = found["Key"].removeprefix(self._prefix)
                    if is_photo_name(path.rpartition("/")[2]):
                        yield _source_file(path, found)
                    elif not path.endswith("/"):
                        self.skipped.append(path)

    @contextlib.asynccontextmanager
    async def local_copy(self, file: SourceFile) -> AsyncIterator[Path]:
        """Provide the object as a temporary file."""
        with tempfile.TemporaryDirectory(prefix="glassplate-import-") as folder:
            target = Path(folder, "photo")
            await asyncio.to_thread(self._download, file, target)
            yield target

    def _download(self, file: SourceFile, target: Path) -> None:
        key = self._prefix + file.path
        with self._as_unusable(f"{S3_SCHEME}{self._bucket}/{key}"), target.open("wb") as out:
            self._client.download_fileobj(self._bucket, key, out)

    @contextlib.contextmanager
    def _as_unusable(self, name: str) -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
            raise UnusableSource(f"cannot read {name}: {error}") from error


def _source_file(path: str, found: Any) -> SourceFile:
    seconds = int(found["LastModified"].timestamp())
    return SourceFile(path=path, bytes=found["Size"], mtime_nanoseconds=seconds * 10**9)
