"""The formats of photos that the cluster accepts, and the names that their files have."""

from collections.abc import Mapping
from types import MappingProxyType

FILE_SUFFIXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "jpg": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
        "png": (".png", ".apng"),
        "gif": (".gif",),
        "webp": (".webp",),
        "avif": (".avif", ".avifs"),
        "heic": (".heic", ".heif", ".hif", ".heics", ".heifs"),
        "tif": (".tif", ".tiff"),
    }
)
"""For each ext in photo paths, what programs and cameras call such files."""

_PHOTO_SUFFIXES = tuple(suffix for suffixes in FILE_SUFFIXES.values() for suffix in suffixes)


def is_photo_name(name: str) -> bool:
    """Return True if a file with this name is a photo, and is not hidden.

    >>> is_photo_name("IMG_0001.JPG"), is_photo_name("notes.txt"), is_photo_name(".cat.jpg")
    (True, False, False)
    """
    return name.lower().endswith(_PHOTO_SUFFIXES) and not name.startswith(".")
