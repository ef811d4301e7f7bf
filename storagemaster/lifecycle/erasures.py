"""Erasures: a photo is deleted, then removed from every trash at once, with a proof of both.

A deleted photo stays in the trash of its nodes for some days. Where it must not, an erasure removes
it from every area of every node, and from the earlier versions of a bucket. The proof lists what
was removed, and what could not be reached.
"""

import time
from collections import Counter
from collections.abc import Callable

from permission_urls import KeySource, TombstoneProofs
from storagemaster.erasure_proof import ErasedNode, ErasureProof, signed_text
from storagemaster.lifecycle.deletes import Deletes
from storagemaster.mirrors.mirrors import OPERATOR_PATIENCE_SECONDS, Mirrors
from storagemaster.photos.photo_search import location_of
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import PhotoTombstone, PhotoVersion, VersionTombstone, VolumeId


class Erasures:
    """The erasures of one storagemaster."""

    def __init__(
        self,
        mirrors: Mirrors,
        deletes: Deletes,
        keys: KeySource,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._mirrors = mirrors
        self._deletes = deletes
        self._proofs = TombstoneProofs(keys)
        self._now_seconds = now_seconds

    async def erase(
        self, volume: VolumeId, photo: PhotoId, version: Version | None
    ) -> ErasureProof:
        """Delete a photo or a version, and remove it from every area. Repeating it is harmless.

        Raises:
            MasterError: As `Deletes.delete` does; nothing is removed then.
        """
        deletion = await self._deletes.delete(volume, photo, version)
        tombstone: PhotoTombstone | VersionTombstone = PhotoTombstone(volume, photo)
        if version is not None:
            tombstone = VersionTombstone(PhotoVersion(volume, photo, version))
        found = await self._mirrors.query(
            self._mirrors.everywhere,
            lambda _, node: node.erase(tombstone),
            patience_seconds=OPERATOR_PATIENCE_SECONDS,
        )
        cluster = self._mirrors.cluster
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._now_seconds()))
        proof = ErasureProof(
            cluster=cluster.name,
            photo="/".join(filter(None, (str(volume), photo, version))),
            erased_at=at,
            nodes=[
                ErasedNode(
                    node=node,
                    colo=cluster.node(node).colo,
                    is_mirror=node in cluster.volumes[volume].mirrors,
                    removed=dict(Counter(map(location_of, paths))),
                )
                for node, paths in found.results.items()
            ],
            unreachable={str(node): reason for node, reason in found.unreachable.items()},
            edges_purged=list(deletion.purged),
            edges_pending=list(deletion.purge_pending),
            is_complete=not (found.unreachable or deletion.purge_pending),
            signature="",
        )
        return {**proof, "signature": self._proofs.sign(signed_text(proof))}
