"""Counting an attempt whose worker did not live to count it."""

import hashlib
import json
from collections.abc import Mapping

from storagemaster.bundles import Bundles
from storagemaster.errors import MasterError, PhotoGone, UnknownPhoto
from storagemaster.photo_files import PhotoReads
from storagenode.client import NodeClient
from storagenode.errors import NodeError
from storagenode.layout import Place
from storagenode.wire import BundledFile, render_bundle
from volumes.attempts import note_of_failed_attempt
from volumes.cluster import NodeId
from volumes.photo_path import (
    Failure,
    Info,
    PhotoTombstone,
    Variant,
    VersionTombstone,
    render_path,
)


class Attempts:
    """Notes failed attempts beside the photos."""

    def __init__(
        self, nodes: Mapping[NodeId, NodeClient], reads: PhotoReads, bundles: Bundles
    ) -> None:
        self._nodes = nodes
        self._reads = reads
        self._bundles = bundles

    async def note(self, original: Variant, reason: str) -> bool:
        """Note one more failed attempt at a photo; whether it is to be tried again.

        A note that cannot be written now is not missed: the photo is tried once more than it
        should be.
        """
        of = original.of
        settled = {Info(of), Failure(of), VersionTombstone(of), PhotoTombstone(of.volume, of.photo)}
        try:
            files = await self._reads.files_of(of.volume, of.photo)
            if not settled.isdisjoint(files.holders):
                return False
            note = note_of_failed_attempt(of, files.holders)
            mtime_seconds = await self._mtime_of(original, files.holders.get(original, ()))
            document = json.dumps({"kind": "WorkerDied", "reason": reason}).encode()
            digest = hashlib.sha256(document).hexdigest()
            body = render_bundle([BundledFile(render_path(note), digest, document)])
            await self._bundles.take(of, body, mtime_seconds=mtime_seconds)
        except (PhotoGone, UnknownPhoto):
            return False
        except (MasterError, NodeError):
            return True
        return not isinstance(note, Failure)

    async def _mtime_of(self, original: Variant, holders: tuple[NodeId, ...]) -> int:
        for node in holders:
            return (await self._nodes[node].stat(Place(original))).mtime_seconds
        raise UnknownPhoto(f"no mirror that answered has {render_path(original)}")
