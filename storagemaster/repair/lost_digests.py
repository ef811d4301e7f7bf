"""Search for the digest of a file whose only mirror copy has lost it.

Bytes without a digest may be damaged. Without another copy to compare with, their own digest would
make them valid.
"""

import contextlib
import itertools
from collections.abc import Iterable, Mapping

from storagenode.client import NodeClient
from storagenode.protocol.errors import NotFound
from storagenode.protocol.layout import Place
from volumes.cluster import NodeId
from volumes.photo_path import PhotoFile, Variant, parse_name


async def digest_elsewhere(
    file: PhotoFile, mirrors: Mapping[NodeId, NodeClient], holders: Iterable[NodeClient]
) -> str:
    """Return the digest recorded for a hint of the file, or for the file in another version.

    `holders` are the nodes that hold hints. The result is "" if no copy has a digest, or if the
    digests differ.

    Raises:
        Unreachable: A node that may have a copy did not respond.
    """
    found = set()
    for mirror, holder in itertools.product(mirrors, holders):
        with contextlib.suppress(NotFound):
            found.add((await holder.stat(Place(file, hint_for=mirror))).digest)
    if isinstance(file, Variant):
        for node in mirrors.values():
            found |= await _digests_of_versions(file, node)
    return found.pop() if len(found) == 1 else ""


async def _digests_of_versions(file: Variant, node: NodeClient) -> set[str]:
    """Return the digests of a variant in all versions of a photo, for an original also in trash.

    The trash is not searched for sizes: another library may have made them, before a regeneration.
    """
    listed = await node.list_photo(file.photo_version.volume, file.photo_version.photo)
    recorded = [(parse_name(file.photo_version.volume, each.name), each.digest) for each in listed]
    if file.is_original:
        trashed = await node.list_trash(file.photo_version.volume, file.photo_version.photo)
        recorded += [(each.file, each.digest) for each in trashed]
    return {
        digest
        for other, digest in recorded
        if digest
        and isinstance(other, Variant)
        and (other.size, other.ext) == (file.size, file.ext)
    }
