"""Photos that are in no cache: new names on a node's disk for existing bytes."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

from bench.photo_set import BYTES_MIN, SIZE_LETTER, PhotoOfSet
from bench.wrk import LoadFailed, run_wrk, write_paths
from glassplate.local.cluster import LocalCluster
from permission_urls import ReadSigner
from volumes.address import Address
from volumes.cluster import Node
from volumes.photo_path import render_path
from volumes.sizes import size_classes

# Names per photo: enough that one run cannot request all of them.
NAMES_EACH = 30

_SEED = 1893


class UncachedPhotos:
    """New names for a photo set, created before each run."""

    def __init__(self, local: LocalCluster, photos: Sequence[PhotoOfSet], node: Node) -> None:
        self._paths = local.data / "paths-never-read"
        self._photos = photos
        self._root = Path(node.store)
        self._signer = ReadSigner(local.keys)
        self._size_class = size_classes(local.cluster.sizes)[SIZE_LETTER]
        self._rng = random.Random(_SEED)

    async def per_second(self, address: Address, *, seconds: int) -> float:
        """Return the photos per second of a server, each requested only once.

        Raises:
            LoadFailed: A response was not a photo, or the photos ran out.
        """
        urls = [url for photo in self._photos for url in self._link_new_names(photo)]
        paths = write_paths(self._paths, urls)
        result = await run_wrk(address, paths, seconds=seconds, bytes_each_min=BYTES_MIN)
        # Each thread requests its own part and must not reach the end of it.
        if result.requests > len(urls) * 0.9:
            raise LoadFailed(f"{result.requests} requests for only {len(urls)} uncached photos")
        return result.per_second

    def _link_new_names(self, photo: PhotoOfSet) -> list[str]:
        # The digest is an xattr of the file, so every name has it.
        source, urls = self._root / render_path(photo.variant), []
        for variant in photo.other_names(NAMES_EACH, self._rng):
            path = render_path(variant)
            (self._root / path).parent.mkdir(exist_ok=True)
            os.link(source, self._root / path)
            urls.append(self._signer.url(path, size_class=self._size_class))
        return urls
