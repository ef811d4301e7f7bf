"""Proof that nodes have all files that another node has, by the digests of names and bytes."""

from collections.abc import Iterable, Iterator, Sequence

from storagemaster.repair.volume_comparison import VolumeComparison
from storagemaster.repair.volume_plan import SHARDS_AT_ONCE
from storagenode.protocol.files import ListedFile
from volumes.cluster import NodeId
from volumes.photo_path import VolumeId, parse_name
from volumes.version_files import originals_in

LACKING_MAX = 10_000
"""Files that a node lacks at most, so that they are worth a list."""

Lacking = set[tuple[NodeId, str]]


async def have_all(
    comparison: VolumeComparison, volume: VolumeId, *, of: NodeId, nodes: Sequence[NodeId]
) -> bool:
    """Return True if each node has every file of a volume that another one has.

    A node that does not respond proves nothing.
    """
    return await find_lacking(comparison, volume, of=of, nodes=nodes) == set()


async def find_lacking(
    comparison: VolumeComparison, volume: VolumeId, *, of: NodeId, nodes: Sequence[NodeId]
) -> Lacking | None:
    """Return the names of files that a node lacks and another one has, by node.

    Return None if there are too many, or a node does not respond.
    """
    lacking: Lacking = set()
    digests = await comparison.shard_digests(volume, [of, *nodes])
    if not digests.keys() >= {of, *nodes}:
        return None
    differing = [
        shard
        for shard, digest in sorted(digests[of].items())
        if any(digests[node].get(shard) != digest for node in nodes)
    ]
    for at in range(0, len(differing), SHARDS_AT_ONCE):
        shards = differing[at : at + SHARDS_AT_ONCE]
        listed = await comparison.list_shards(volume, shards, [of, *nodes])
        if not listed.keys() >= {of, *nodes}:
            return None
        for node in nodes:
            for shard in shards:
                names = lacking_names(volume, wanted=listed[of][shard], files=listed[node][shard])
                lacking.update((node, name) for name in names)
        if len(lacking) > LACKING_MAX:
            return None
    return lacking


def lacking_names(
    volume: VolumeId, *, wanted: Iterable[ListedFile], files: Iterable[ListedFile]
) -> Iterator[str]:
    """Yield the names of the wanted files that are not among the files.

    An original counts only with the same digest. Two workers can make the same sizes with different
    bytes, and either are good.
    """
    digests = {each.name: each.digest for each in files}
    for each in wanted:
        is_original = bool(list(originals_in([parse_name(volume, each.name)])))
        is_same = bool(each.digest) and digests.get(each.name) == each.digest
        if each.name not in digests or (is_original and not is_same):
            yield each.name
