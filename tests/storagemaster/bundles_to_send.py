"""Bundles of sizes as an image worker would make them, without making images."""

import hashlib
import json

from storagenode.protocol.wire import BundledFile, render_bundle
from volumes.photo_path import Failure, Info, PhotoFile, PhotoVersion, Variant, render_path

SIZES = ("s", "q", "t")


def bundled(file: PhotoFile, data: bytes) -> BundledFile:
    """One file of a bundle, with its right digest."""
    return BundledFile(render_path(file), hashlib.sha256(data).hexdigest(), data)


def sizes_of(photo_version: PhotoVersion, *, sizes: tuple[str, ...] = SIZES) -> list[BundledFile]:
    """Some sizes of a version, and the info that says so, last."""
    variants = [
        bundled(Variant(photo_version, size, "jpg"), f"size {size} of {photo_version}".encode())
        for size in sizes
    ]
    made = [{"size": size, "ext": "jpg"} for size in sizes]
    info = json.dumps({"width": 64, "height": 48, "variants": made}).encode()
    return [*variants, bundled(Info(photo_version), info)]


def failure_of(photo_version: PhotoVersion, reason: str) -> list[BundledFile]:
    """The word that sizes could not be made."""
    return [
        bundled(Failure(photo_version), json.dumps({"reason": reason, "kind": "Damaged"}).encode())
    ]


def body_of(files: list[BundledFile]) -> bytes:
    """The files as one body."""
    return render_bundle(files)


def paths_of(files: list[BundledFile]) -> list[str]:
    """The photo paths of the files."""
    return [file.path for file in files]
