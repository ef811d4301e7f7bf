"""Failed attempts at photos whose worker died before it could record them."""

import hashlib
import json

from storagemaster.errors import PhotoGone, Unavailable, UnknownPhoto
from storagemaster.jobs.bundles import Bundles
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.photo_files import PhotoFiles, PhotoReader
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import BundledFile, render_bundle
from volumes.attempts import next_failure_record
from volumes.photo_path import Failure, Variant, render_path
from volumes.version_files import UNFINISHED_STATES


class Attempts:
    """The failed attempts that storagemasters record beside the photos."""

    def __init__(self, mirrors: Mirrors, reads: PhotoReader, bundles: Bundles) -> None:
        self._nodes = mirrors.nodes
        self._reads = reads
        self._bundles = bundles

    async def record(self, original: Variant, reason: str) -> bool:
        """Record one more failed attempt at a photo, and return True if it can be retried.

        Raises:
            MasterError, NodeError: The attempt cannot be recorded now.
        """
        photo_version = original.photo_version
        try:
            files = await self._reads.files_of(photo_version.volume, photo_version.photo)
            if files.version(photo_version).state not in UNFINISHED_STATES:
                return False
            record = next_failure_record(photo_version, files.holders)
            mtime_seconds = await self._mtime_of(original, files)
            document = json.dumps({"kind": "WorkerDied", "reason": reason}).encode()
            digest = hashlib.sha256(document).hexdigest()
            body = render_bundle([BundledFile(render_path(record), digest, document)])
            await self._bundles.take(photo_version, body, mtime_seconds=mtime_seconds)
        except (PhotoGone, UnknownPhoto):
            return False
        return not isinstance(record, Failure)

    async def _mtime_of(self, original: Variant, files: PhotoFiles) -> int:
        for node in files.holders.get(original, ()):
            return (await self._nodes[node].stat(Place(original))).mtime_seconds
        if files.unreachable:
            raise Unavailable(f"no reachable mirror has {render_path(original)}; try again")
        raise UnknownPhoto(f"no mirror has {render_path(original)}")
