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
