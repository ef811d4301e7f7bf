"""Settlement of a version with two originals, which two uploads with one Idempotency-Key left.

Each of them was stored where the other could not be seen. The original on more nodes stays, hints
included, because an acknowledged photo is on two. If as many have either, the original on the first
mirror stays, in the order of the volume map. So every storagemaster decides the same, without a
clock. The other original goes to the quarantine, with all that was made from either.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from storagemaster.audit.entries import Act
from storagemaster.lifecycle.tombstone_delivery import TombstoneDelivery
from storagemaster.mirrors.mirroring import pull_seconds
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.strays import find_strays
from storagemaster.repair.steps import Conflict, HeldOriginal
from storagenode.protocol.errors import Corrupt, NodeError
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import Pull
from volumes.cluster import NodeId
from volumes.photo_path import (
    PhotoTombstone,
    PhotoVersion,
    Variant,
    VersionTombstone,
    parse_name,
)
from volumes.version_files import originals_in

log = logging.getLogger(__name__)


def original_that_stays(originals: Sequence[HeldOriginal], nodes: Sequence[NodeId]) -> HeldOriginal:
    """Return a copy of the original that stays, on the first node that has one.

    `originals` are all copies: those on the nodes that hold the volume, and the hints for them.
    """
    copies = Counter(each.content for each in originals)

    def rank(each: HeldOriginal) -> tuple[int, bool, int]:
        node = each.hint_for or each.node
        place = nodes.index(node) if node in nodes else len(nodes)
        return (-copies[each.content], each.hint_for is not None, place)

    return min(originals, key=rank)


Record = Callable[[Act], Awaitable[object]]
"""Return when an act is in the audit log."""


class Settlements:
    """The settlements of one storagemaster.

    The nodes that have the other original in their quarantine report it, which is an alert, and the
    audit log has an entry.
    """

    def __init__(
        self, mirrors: Mirrors, tombstone_delivery: TombstoneDelivery, *, record: Record
    ) -> None:
        self._record = record
        self._mirrors = mirrors
        self._nodes = mirrors.nodes
        self._tombstone_delivery = tombstone_delivery

    async def settle_all(self, conflicts: Sequence[Conflict]) -> tuple[Conflict, ...]:
        """Settle conflicts, and return the ones left."""
        return tuple([each for each in conflicts if not await self.settle(each)])

    async def settle(self, conflict: Conflict) -> bool:
        """Leave one original on all mirrors, once every node is up; return True when it is done.

        Repeating it is harmless: each step names the digest of the file that it moves.
        """
        if not all(view.up for view in self._mirrors.fleet.view().values()):
            return False
        try:
            await self._settle(conflict.photo_version)
        except Corrupt as error:
            # The node has quarantined the damaged copy, so the next pass finds no conflict.
            log.warning("version %s has a damaged original: %s", conflict.photo_version, error)
        except NodeError as error:
            log.warning("version %s was not settled: %s", conflict.photo_version, error)
            return False
        return True

    async def _settle(self, photo_version: PhotoVersion) -> None:
        homes = self._mirrors.volume(photo_version.volume).homes
        # A volume can have moved since an original was acknowledged.
        strays = find_strays(self._mirrors.cluster, self._mirrors.fleet.view())
        nodes = [*homes, *strays.get(photo_version.volume, ())]
        originals = await self._verified_originals(photo_version, nodes)
        hints = await self._verified_hints(photo_version)
        stays = original_that_stays([*originals, *hints], nodes)
        losers = [each for each in originals if each.content != stays.content]
        # Before the originals, because the conflict is what makes the next pass repeat a failure.
        await self._quarantine_sizes(photo_version, nodes)
        for loser in losers:
            await self._nodes[loser.node].quarantine(Place(loser.file), digest=loser.digest)
            if loser.node in homes:
                await self._copy(stays, loser.node)
        # Again, because a worker may have sent sizes of the other original meanwhile.
        await self._quarantine_sizes(photo_version, nodes)
        await self._tombstone_delivery.purge([photo_version])
        log.error("%s was settled: SHA-256 %s stays", photo_version, stays.digest)
        await self._record(Act(act="settle", target=str(photo_version), result="done"))

    async def _verified_originals(
        self, photo_version: PhotoVersion, nodes: Sequence[NodeId]
    ) -> list[HeldOriginal]:
        """Return the originals on all of these nodes: a comparison can have missed some.

        Raises:
            Corrupt: An original does not have its digest, so it is damaged.
        """
        found = []
        for node in nodes:
            client = self._nodes[node]
            listed = await client.list_photo(photo_version.volume, photo_version.photo)
            for each in listed:
                for file in originals_in([parse_name(photo_version.volume, each.name)]):
                    if file.photo_version == photo_version and each.digest:
                        await client.restore_digest(Place(file), each.digest)
                        found.append(HeldOriginal(node, file, each.digest, each.bytes))
        return found

    async def _verified_hints(self, photo_version: PhotoVersion) -> list[HeldOriginal]:
        """Return the hints of the version's originals on all nodes.

        Raises:
            Corrupt: A hint does not have its digest, so it must not count as a copy.
        """
        found = []
        for node, client in list(self._nodes.items()):
            for hint in await client.list_photo_hints(photo_version.volume, photo_version.photo):
                for file in originals_in([hint.place.file]):
                    if file.photo_version == photo_version and hint.digest:
                        await client.restore_digest(hint.place, hint.digest)
                        mirror = hint.place.hint_for
                        found.append(HeldOriginal(node, file, hint.digest, hint.bytes, mirror))
        return found

    async def _quarantine_sizes(self, photo_version: PhotoVersion, nodes: Sequence[NodeId]) -> None:
        """Quarantine all files of a version on these nodes, except originals and tombstones."""
        for node in nodes:
            client = self._nodes[node]
            listed = await client.list_photo(photo_version.volume, photo_version.photo)
            for each in listed:
                file = parse_name(photo_version.volume, each.name)
                if isinstance(file, PhotoTombstone | VersionTombstone):
                    continue
                is_original = isinstance(file, Variant) and file.is_original
                if file.photo_version == photo_version and not is_original:
                    await client.quarantine(Place(file), digest=each.digest)

    async def _copy(self, original: HeldOriginal, node: NodeId) -> None:
        place = Place(original.file)
        pull = Pull(
            place=place,
            source_node=original.node,
            source=self._nodes[original.node].url,
            source_place=replace(place, hint_for=original.hint_for),
            digest=original.digest,
        )
        await self._nodes[node].pull(pull, timeout_seconds=pull_seconds(original.size_bytes))
