"""Photos that no cache has seen: other names on a node's disk for the bytes that are there."""

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

# Of each photo: so many that a node cannot send them all in one run.
NAMES_EACH = 30

_SEED = 1893


class NeverRead:
    """New names for a photo set, made for each run."""

    def __init__(self, local: LocalCluster, photos: Sequence[PhotoOfSet], node: Node) -> None:
        self._paths = local.data / "paths-never-read"
        self._photos = photos
        self._root = Path(node.store)
        self._signer = ReadSigner(local.keys)
        self._size_class = size_classes(local.cluster.sizes)[SIZE_LETTER]
        self._rng = random.Random(_SEED)

    async def per_second(self, address: Address, *, seconds: int) -> float:
        """How many photos a server gives in a second, none of them for the second time.

        Raises:
            LoadFailed: It did not give photos only, or it gave all there are.
        """
        urls = [url for photo in self._photos for url in self._name_anew(photo)]
        paths = write_paths(self._paths, urls)
        result = await run_wrk(address, paths, seconds=seconds, bytes_each_min=BYTES_MIN)
        # Each thread has a part of its own, and must not come to the end of it.
        if result.requests > len(urls) * 0.9:
            raise LoadFailed(f"{result.requests} requests, and only {len(urls)} photos to miss")
        return result.per_second

    def _name_anew(self, photo: PhotoOfSet) -> list[str]:
        # A digest is noted beside the bytes, so that it is there under every name.
        source, urls = self._root / render_path(photo.variant), []
        for variant in photo.other_names(NAMES_EACH, self._rng):
            path = render_path(variant)
            (self._root / path).parent.mkdir(exist_ok=True)
            os.link(source, self._root / path)
            urls.append(self._signer.url(path, size_class=self._size_class))
        return urls
