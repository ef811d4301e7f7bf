"""The one job there is: make the sizes of an original, and hand them in to be mirrored."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence

from imageworker.child import SizesMaker
from imageworker.make_sizes import MadeSizes
from imageworker.recipe import Recipe
from imageworker.undoable import UndoablePhoto
from permission_urls import KeyRing, verify_job
from storagemaster.client import MasterClient, MasterRefused
from storagenode.client import FetchedFile, NodeClient
from storagenode.errors import Gone, NodeError
from storagenode.layout import Place
from storagenode.wire import BundledFile, render_bundle
from volumes.cluster import Cluster, Colo, Node, NodeId
from volumes.photo_path import Failure, Info, PhotoVersion, Variant, parse_path, render_path

log = logging.getLogger(__name__)


class OriginalUnavailable(Exception):
    """No mirror could send the original now."""


class SizesJob:
    """Makes the sizes of one photo after another, for one worker."""

    def __init__(
        self,
        cluster: Cluster,
        keys: KeyRing,
        nodes: Mapping[NodeId, NodeClient],
        masters: MasterClient,
        maker: SizesMaker,
        *,
        colo: Colo,
        recipe: Recipe,
    ) -> None:
        self._cluster = cluster
        self._keys = keys
        self._nodes = nodes
        self._masters = masters
        self._maker = maker
        self._colo = colo
        self._recipe = recipe

    async def run(self, path: str, signature: str) -> str:
        """What became of it: `ready`, `failed`, `gone` or `done before`.

        Raises:
            Forbidden: No storagemaster asked for this.
            OriginalUnavailable, NoMasterAnswered: Worth another try.
        """
        verify_job(self._keys, signature, {"job": "sizes", "path": path})
        original = parse_path(path)
        assert isinstance(original, Variant), "a storagemaster signs originals only"
        try:
            if await self._is_done(original.of):
                return "done before"
            fetched = await self._fetch(original)
        except Gone:
            return "gone"
        try:
            made = await asyncio.to_thread(self._maker.make, fetched.data, self._recipe)
        except UndoablePhoto as error:
            log.info("%s cannot be done: %s", path, error.reason)
            return await self._hand_in(
                original.of, [_failure(original.of, error)], fetched, "failed"
            )
        return await self._hand_in(original.of, _bundle(original.of, made), fetched, "ready")

    async def _hand_in(
        self, of: PhotoVersion, files: Sequence[BundledFile], fetched: FetchedFile, outcome: str
    ) -> str:
        # The sizes carry their original's second, so that every mirror and every retry agrees.
        mtime = fetched.note.mtime_seconds
        try:
            await self._masters.put_bundle(of, render_bundle(files), mtime_seconds=mtime)
        except MasterRefused as error:
            log.info("the sizes of %s were refused: %s", of, error)
            return "gone"
        return outcome

    async def _is_done(self, of: PhotoVersion) -> bool:
        """Whether a mirror has the info; raises `Gone` if one has a tombstone."""
        for node in self._mirrors(of):
            try:
                await self._nodes[node.id].stat(Place(Info(of)))
            except Gone:
                raise
            except NodeError:
                continue
            return True
        return False

    async def _fetch(self, original: Variant) -> FetchedFile:
        failures = []
        for node in self._mirrors(original.of):
            try:
                return await self._nodes[node.id].fetch(Place(original))
            except Gone:
                raise
            except NodeError as error:
                failures.append(f"{node.id}: {error}")
        raise OriginalUnavailable("; ".join(failures))

    def _mirrors(self, of: PhotoVersion) -> list[Node]:
        mirrors = self._cluster.mirrors_of(of.volume)
        return sorted(mirrors, key=lambda node: node.colo != self._colo)


def _bundle(of: PhotoVersion, made: MadeSizes) -> list[BundledFile]:
    variants = [_bundled(Variant(of, v.letter, v.ext), v.data) for v in made.variants]
    return [*variants, _bundled(Info(of), made.info)]


def _failure(of: PhotoVersion, error: UndoablePhoto) -> BundledFile:
    document = {"reason": error.reason, "kind": type(error).__name__}
    return _bundled(Failure(of), json.dumps(document, sort_keys=True).encode())


def _bundled(file: Variant | Info | Failure, data: bytes) -> BundledFile:
    return BundledFile(render_path(file), hashlib.sha256(data).hexdigest(), data)
