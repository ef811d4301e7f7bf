"""Finding the digest of bytes at whose homes it is lost, by copies that are elsewhere.

Where the digest is lost the bytes may be damaged as well. With no other copy in its place they
would be believed.
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
    """What is noted of a copy that is held for a home, or of the same bytes of another version.

    `holders` are the nodes that hold something for others. Empty if there is no such copy, or if
    such copies differ: then nobody can tell.

    Raises:
        Unreachable: A node that may have one did not answer.
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
    """What is noted of a size of all versions of a photo; of an original also in the trash.

    The trash may have sizes that were made by another library, before a rebuild.
    """
    listed = await node.list_photo(file.photo_version.volume, file.photo_version.photo)
    noted = [(parse_name(file.photo_version.volume, each.name), each.digest) for each in listed]
    if file.is_original:
        trashed = await node.list_trash(file.photo_version.volume, file.photo_version.photo)
        noted += [(each.file, each.digest) for each in trashed]
    return {
        digest
        for other, digest in noted
        if digest
        and isinstance(other, Variant)
        and (other.size, other.ext) == (file.size, file.ext)
    }
