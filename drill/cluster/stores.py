"""Direct access to a node's store, without the node: files of a disk or objects of a bucket."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from storagenode.disk.filesystem import DIGEST_XATTR
from storagenode.protocol.layout import HINTS, QUARANTINE, STAGING
from volumes.bucket_location import BucketLocation
from volumes.photo_path import InvalidPath, parse_path

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

Read = tuple[str, bytes, str]
"""A photo file: its path, its bytes, and its recorded digest (empty if it has none)."""


class RawStore(Protocol):
    """A store that a drill reads directly."""

    def photo_files(self) -> Iterator[Read]:
        """Yield every photo file. A file that disappears during the call may be missing."""

    def leftovers(self) -> Iterator[str]:
        """Yield the paths of hints and unfinished writes."""

    def quarantined(self) -> int:
        """Return the number of quarantined files."""


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder of a running node.

    Unlike rglob, walk does not mind a folder that the node removes meanwhile.
    """
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def photo_files_below(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the photo path and the file of each photo file of a running node."""
    for file in files_below(root):
        path = str(file.relative_to(root))
        with contextlib.suppress(InvalidPath):
            parse_path(path)
            yield path, file


class RawDisk:
    """The directories below a node's root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def photo_files(self) -> Iterator[Read]:
        """Yield every photo file, as in `RawStore`."""
        for path, file in photo_files_below(self._root):
            with contextlib.suppress(FileNotFoundError):
                yield path, file.read_bytes(), _recorded_digest(file)

    def leftovers(self) -> Iterator[str]:
        """As `RawStore` has it."""
        for folder in (HINTS, STAGING):
            for file in files_below(self._root / folder):
                yield str(file.relative_to(self._root))

    def quarantined(self) -> int:
        """As `RawStore` has it."""
        return sum(1 for _ in (self._root / QUARANTINE).iterdir())


class RawBucket:
    """The objects below a node's prefix. An object is read again only if its ETag changes."""

    def __init__(self, client: "S3Client", location: BucketLocation) -> None:
        self._client = client
        self._location = location
        self._known: dict[tuple[str, str], tuple[bytes, str]] = {}

    def photo_files(self) -> Iterator[Read]:
        """As `RawStore` has it."""
        for path, etag in self._objects(""):
            if path.startswith("."):
                continue
            with contextlib.suppress(InvalidPath, self._client.exceptions.NoSuchKey):
                parse_path(path)
                if (path, etag) not in self._known:
                    self._known[path, etag] = self._read(path)
                yield path, *self._known[path, etag]

    def leftovers(self) -> Iterator[str]:
        """Yield the paths of hints and of incomplete multipart uploads."""
        for path, _ in self._objects(f"{HINTS}/"):
            yield path
        pages = self._client.get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=self._location.bucket, Prefix=self._location.key("")):
            for upload in page.get("Uploads", []):
                yield self._location.path(upload["Key"])

    def quarantined(self) -> int:
        """As `RawStore` has it."""
        return sum(1 for _ in self._objects(f"{QUARANTINE}/"))

    def _objects(self, below: str) -> Iterator[tuple[str, str]]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._location.bucket, Prefix=self._location.key(below)):
            for each in page.get("Contents", []):
                yield self._location.path(each["Key"]), each["ETag"]

    def _read(self, path: str) -> tuple[bytes, str]:
        key = self._location.key(path)
        answer = self._client.get_object(Bucket=self._location.bucket, Key=key)
        with contextlib.closing(answer["Body"]) as body:
            return body.read(), answer["Metadata"].get("sha256", "")


def _recorded_digest(file: Path) -> str:
    try:
        return os.getxattr(file, DIGEST_XATTR).decode("ascii", "replace")
    except FileNotFoundError:
        raise
    except OSError:
        return ""
