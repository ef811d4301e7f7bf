"""Bundles of sizes as a worker creates them, without processing images."""

import hashlib
import json

from storagenode.protocol.wire import BundledFile, render_bundle
from volumes.photo_path import Failure, Info, PhotoFile, PhotoVersion, Variant, render_path

SIZES = ("s", "q", "t")


def bundled(file: PhotoFile, data: bytes) -> BundledFile:
    """Return one file of a bundle, with its digest."""
    return BundledFile(render_path(file), hashlib.sha256(data).hexdigest(), data)


def sizes_of(photo_version: PhotoVersion, *, sizes: tuple[str, ...] = SIZES) -> list[BundledFile]:
    """Return some sizes of a version, and then the info that lists them."""
    variants = [
        bundled(Variant(photo_version, size, "jpg"), f"size {size} of {photo_version}".encode())
        for size in sizes
    ]
    made = [{"size": size, "ext": "jpg"} for size in sizes]
    info = json.dumps({"width": 64, "height": 48, "variants": made}).encode()
    return [*variants, bundled(Info(photo_version), info)]


def with_info(photo_version: PhotoVersion, *, color: str = "#000000") -> list[BundledFile]:
    """Return sizes of a version, with an info that is as complete as a real one."""
    *variants, info = sizes_of(photo_version)
    document = json.loads(info.data) | {"original": {"ext": "jpg"}, "color": color}
    return [*variants, bundled(Info(photo_version), json.dumps(document).encode())]


def failure_of(photo_version: PhotoVersion, reason: str) -> list[BundledFile]:
    """Return a bundle with a failure record."""
    return [
        bundled(Failure(photo_version), json.dumps({"reason": reason, "kind": "Damaged"}).encode())
    ]


def body_of(files: list[BundledFile]) -> bytes:
    """Return the files as one body."""
    return render_bundle(files)


def paths_of(files: list[BundledFile]) -> list[str]:
    """Return the photo paths of the files."""
    return [file.path for file in files]
