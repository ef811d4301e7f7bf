"""Storage backend for Django: model fields that keep photos in a cluster.

    STORAGES = {
        "default": {
            "BACKEND": "glassplate.django.GlassplateStorage",
            "OPTIONS": {"application": "/etc/shop/shop.toml", "size": "b"},
        },
        ...
    }

A name is `VOLUME/PHOTO/VERSION.ext`, and the cluster chooses it. `url` signs without a network.
"""

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible

from glassplate.blocking import Client
from glassplate.errors import BadReference, NotFound, PhotoGone
from glassplate.urls.references import parse_version_reference
from volumes.photo_path import EXTENSIONS, PhotoVersion
from volumes.sizes import ORIGINAL_LETTER

# A longer file is sent in chunks.
MEMORY_BYTES_MAX = 8 * 1024 * 1024


@deconstructible(path="glassplate.django.GlassplateStorage")
class GlassplateStorage(Storage):
    """Photos in a cluster, by an application's file.

    `application` is the path of the file that `glassplate application export` writes. `url` gives
    the URL of `size`, or of the original for "o". URLs never end unless `expires` is given, as a
    timedelta or in seconds.
    """

    def __init__(
        self,
        application: str | Path,
        *,
        size: str = "b",
        expires: timedelta | float | None = None,
    ) -> None:
        self._application = application
        self._size = size
        self._expires = timedelta(seconds=expires) if isinstance(expires, int | float) else expires
        self._lock = threading.Lock()
        self._opened: tuple[int, Client] | None = None

    @property
    def client(self) -> Client:
        """The client of this process, for `picture`, `ticket`, and everything else."""
        with self._lock:
            # A process that is forked has the client of its parent, but not its thread.
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = os.getpid(), Client.from_application(self._application).__enter__()
            return self._opened[1]

    def reference(self, name: str) -> PhotoVersion:
        """Return the reference of a stored name."""
        return _parse_name(name)[0]

    def url(self, name: str | None) -> str:
        """Return the URL of the size that this storage shows."""
        if name is None:
            raise ValueError("this field has no photo")
        photo_version, ext = _parse_name(name)
        ext = ext if self._size == ORIGINAL_LETTER else "jpg"
        return self.client.url(photo_version, self._size, ext=ext, expires=self._expires)

    def size(self, name: str) -> int:
        """Return the length of the original in bytes."""
        info = self.client.info(self.reference(name)).info
        return int(info["original"]["bytes"]) if info else len(self._read(name))

    def delete(self, name: str) -> None:
        """Delete the photo permanently. A photo that does not exist is not an error."""
        try:
            self.client.delete(self.reference(name))
        except (NotFound, PhotoGone):
            return

    def exists(self, name: str) -> bool:
        """Return False: no upload ever takes the name of another."""
        del name
        return False

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return the name: the cluster replaces it."""
        del max_length
        return name

    def generate_filename(self, filename: str) -> str:
        """Return the name: the cluster replaces it."""
        return os.fspath(filename)

    def _save(self, name: str, content: "File[Any]") -> str:
        """Upload a file, and return its name in the cluster.

        Raises:
            UnsupportedFormat: It is not a photo. An `ImageField` refuses most of these before.
        """
        del name
        if hasattr(content, "temporary_file_path"):
            receipt = self.client.put(content.temporary_file_path())
        elif content.size <= MEMORY_BYTES_MAX:
            receipt = self.client.put(b"".join(_chunks_of(content)))
        else:
            receipt = self.client.put(_chunks_of(content), length=content.size)
        return f"{receipt.reference}.{receipt.format}"

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        if mode != "rb":
            raise ValueError(f"a stored photo never changes: open it with mode rb, not {mode!r}")
        return ContentFile(self._read(name), name=name)

    def _read(self, name: str) -> bytes:
        photo_version, ext = _parse_name(name)
        return self.client.get(self.client.url(photo_version, ORIGINAL_LETTER, ext=ext))


def _parse_name(name: str) -> tuple[PhotoVersion, str]:
    """Return the reference and the format of a name.

    Raises:
        BadReference: Another storage gave the name.
    """
    reference, _, ext = name.rpartition(".")
    if ext not in EXTENSIONS:
        raise BadReference(f"{name!r} is not the name of a photo: must be VOLUME/PHOTO/VERSION.jpg")
    return parse_version_reference(reference), ext


def _chunks_of(content: "File[Any]") -> Iterator[bytes]:
    for chunk in content.chunks():
        yield chunk if isinstance(chunk, bytes) else chunk.encode()
