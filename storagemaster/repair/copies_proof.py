"""Proof that nodes have all files that another node has, by the digests of names and bytes."""

from collections.abc import Iterable, Sequence

from storagemaster.repair.volume_comparison import VolumeComparison
from storagemaster.repair.volume_plan import SHARDS_AT_ONCE
from storagenode.protocol.files import ListedFile
from volumes.cluster import NodeId
from volumes.photo_path import VolumeId, parse_name
from volumes.version_files import originals_in


async def have_all(
    comparison: VolumeComparison, volume: VolumeId, *, of: NodeId, nodes: Sequence[NodeId]
) -> bool:
    """Return True if each node has every file of a volume that another one has.

    A node that does not respond proves nothing.
    """
    digests = await comparison.shard_digests(volume, [of, *nodes])
    if not digests.keys() >= {of, *nodes}:
        return False
    differing = [
        shard
        for shard, digest in sorted(digests[of].items())
        if any(digests[node].get(shard) != digest for node in nodes)
    ]
    for at in range(0, len(differing), SHARDS_AT_ONCE):
        shards = differing[at : at + SHARDS_AT_ONCE]
        listed = await comparison.list_shards(volume, shards, [of, *nodes])
        if not listed.keys() >= {of, *nodes}:
            return False
        if not all(
            has_all(volume, wanted=listed[of][shard], files=listed[node][shard])
            for node in nodes
            for shard in shards
        ):
            return False
    return True


def has_all(volume: VolumeId, *, wanted: Iterable[ListedFile], files: Iterable[ListedFile]) -> bool:
    """Return True if every wanted file is among the files.

    An original counts only with the same digest. Two workers can make the same sizes with different
    bytes, and either are good.
    """
    digests = {each.name: each.digest for each in files}
    for each in wanted:
        is_original = bool(list(originals_in([parse_name(volume, each.name)])))
        if each.name not in digests:
            return False
        if is_original and not (each.digest and digests[each.name] == each.digest):
            return False
    return True
