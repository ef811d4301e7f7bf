"""The versions of the volume map up to the one in force, as the nodes keep them."""

import asyncio
import logging
from functools import partial

from permission_urls import Forbidden, InvalidKeys, KeySource
from storagemaster.maps.documents import MapChange, MapLog, MapVersion
from storagemaster.maps.following import MapFollowing, parse_signed
from storagemaster.mirrors.mirrors import Mirrors
from storagenode.protocol.errors import NodeError, NotFound
from storagenode.protocol.maps import MapKind
from volumes.config.config_reader import InvalidConfig
from volumes.map.changes import changes_between
from volumes.map.volume_map import MapId, VolumeMap, map_of

log = logging.getLogger(__name__)


class MapHistory:
    """The log of the volume map. Each version names the digest of the one before it."""

    def __init__(self, mirrors: Mirrors, following: MapFollowing, keys: KeySource) -> None:
        self._mirrors = mirrors
        self._following = following
        self._keys = keys
        self._known: dict[MapId, tuple[MapVersion, str]] = {}
        """The entries that were made before, each with the digest of the version before it."""
        self._last = following.in_force
        """The version that was read last, which the next entry needs."""

    async def page(self, limit: int) -> MapLog:
        """Return the last versions, the newest first."""
        self._last = self._following.in_force
        wanted, found = self._last.id, list[MapVersion]()
        while len(found) < limit and wanted.version > 0:
            known = self._known.get(wanted) or await self._make(wanted)
            if known is None:
                return {"versions": found, "is_complete": False}
            entry, after = known
            found.append(entry)
            wanted = MapId(version=wanted.version - 1, digest=after)
        return {"versions": found, "is_complete": True}

    async def _make(self, wanted: MapId) -> tuple[MapVersion, str] | None:
        """Return the entry of a version, and the digest of the version before it."""
        volume_map = self._last if self._last.id == wanted else await self._read(wanted)
        if volume_map is None:
            return None
        before = None
        if wanted.version > 1:
            before = await self._read(MapId(version=wanted.version - 1, digest=volume_map.after))
        entry = _entry(volume_map, before)
        if before is not None:
            self._last = before
            self._known[wanted] = entry, volume_map.after
        return entry, volume_map.after

    async def _read(self, wanted: MapId) -> VolumeMap | None:
        """Return a version from any node that keeps it; None if no node that responds does."""
        if wanted.version == 1:
            cluster = self._mirrors.cluster
            first = map_of(cluster.first or cluster)
            return first if first.id == wanted else None
        for node in filter(self._mirrors.fleet.is_up, self._mirrors.everywhere):
            # A node that was down has no vote for some versions, or learned a later one only.
            for kind in (MapKind.IN_FORCE, MapKind.VOTE):
                try:
                    signed = await self._mirrors.nodes[node].read_map(kind, wanted.version)
                    found = await asyncio.to_thread(partial(parse_signed, self._keys), signed)
                except NotFound:
                    continue
                except (NodeError, InvalidConfig, Forbidden, InvalidKeys, ValueError) as error:
                    log.warning("map %s of node %s cannot be read: %s", wanted, node, error)
                    continue
                if found.id == wanted:
                    return found
        return None


def _entry(volume_map: VolumeMap, before: VolumeMap | None) -> MapVersion:
    changes: list[MapChange] | None = [] if volume_map.version == 1 else None
    if before is not None:
        changes = [
            {"what": each.what, "before": each.before, "after": each.after}
            for each in changes_between(before.tables, volume_map.tables)
        ]
    return {
        "version": volume_map.version,
        "digest": volume_map.id.digest,
        "at": volume_map.at,
        "by": volume_map.by,
        "why": volume_map.why,
        "changes": changes,
    }
