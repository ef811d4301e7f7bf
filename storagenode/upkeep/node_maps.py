"""The volume map that a node follows, and its vote for the next one.

A node starts with the newest map in force that it keeps, or with `cluster.toml`. It votes at most
once for each version. A map in force changes which volumes it holds: a volume that is new to it is
fenced, and one that it loses is served no longer and takes no new files, but its files stay.
"""

import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

from permission_urls import Forbidden, KeySource, verify_map
from storagenode.protocol.errors import BadRequest, Conflict, NotFound, OldMap
from storagenode.protocol.maps import MapKind
from storagenode.upkeep.fence import Fence
from volumes.cluster import Cluster, NodeId
from volumes.config.config_reader import InvalidConfig
from volumes.map.changes import is_outdated
from volumes.map.map_text import parse_map
from volumes.map.volume_map import MapId, VolumeMap, map_of, with_map
from volumes.map_digest import FollowedDigest
from volumes.photo_path import VolumeId


class Volumes(Protocol):
    """The volumes of a store."""

    def create_volumes(self, volumes: Iterable[VolumeId]) -> None:
        """Make this node a mirror of volumes, if it is not yet."""

    def take_only(self, volumes: Collection[VolumeId]) -> None:
        """Take new files of these volumes only."""


class KeptMaps(Protocol):
    """The maps that a disk keeps."""

    def keep(self, kind: MapKind, version: int, text: bytes) -> None:
        """Store a map."""

    def read(self, kind: MapKind, version: int) -> bytes | None:
        """Return a map, or None."""

    def newest(self, kind: MapKind) -> bytes | None:
        """Return the newest map of a kind, or None."""


class NodeMaps:
    """The maps of one node. A bucket keeps none: it follows, and does not vote."""

    def __init__(
        self, cluster: Cluster, node: NodeId, kept: KeptMaps | None, keys: KeySource
    ) -> None:
        """Read the newest maps.

        Raises:
            BadRequest: A map on the disk is damaged, or not of this cluster.
        """
        self.cluster = cluster
        """The cluster by the map in force."""
        self.map_digest = FollowedDigest(lambda: self.cluster).now
        """The digest of the map and of the settings that all processes share."""
        self.node = node
        self._kept = kept
        self._keys = keys
        self._changing = threading.Lock()
        self._on_change: list[Callable[[Cluster], object]] = []
        self._in_force = map_of(cluster)
        newest = kept.newest(MapKind.IN_FORCE) if kept else None
        if newest is not None and (found := self._parse(newest)).version > cluster.map_version:
            self._use(found)
        vote = kept.newest(MapKind.VOTE) if kept else None
        self.vote = self._parse(vote).id if vote else None
        """The newest map that the node votes for."""

    @property
    def in_force(self) -> MapId:
        """The map that the node follows."""
        return self._in_force.id

    def status_fields(self) -> dict[str, Any]:
        """Return the fields of the node's status about maps."""
        return {
            "map_version": self.in_force.version,
            "map_digest": self.in_force.digest,
            "vote_version": self.vote.version if self.vote else 0,
            "vote_digest": self.vote.digest if self.vote else "",
        }

    def subscribe(self, on_change: Callable[[Cluster], object]) -> None:
        """Call `on_change` with the cluster, now and before a new map counts as followed."""
        on_change(self.cluster)
        self._on_change.append(on_change)

    def refuse_other_map(self, map_version: int | None) -> None:
        """Refuse a request by another map than the one that the node follows.

        Raises:
            OldMap: One of both must follow the newer map first.
        """
        if map_version != self.in_force.version:
            raise OldMap(
                f"this node follows map {self.in_force.version}, and the request is by map "
                f"{map_version}"
            )

    def refuse_outdated(self, volume: VolumeId, map_version: int | None) -> None:
        """Refuse a request by a map in which the volume has other mirrors. None is never refused.

        Raises:
            OldMap: The sender must follow the newer map, and find the mirrors again.
        """
        known = self.cluster.volumes.get(volume)
        if map_version is not None and known and is_outdated(known, requested_by=map_version):
            raise OldMap(
                f"volume {volume} has other mirrors since map {known.since}, and the request is "
                f"by map {map_version}"
            )

    def keep(self, kind: MapKind, version: int, signed: bytes) -> None:
        """Vote for a map, or follow a map in force. It is durable on return.

        Raises:
            BadRequest: The map is invalid, or no key of this cluster signed it.
            Conflict: The node votes for another one, or it does not follow the map in force.
        """
        found = self._parse(signed)
        if found.version != version:
            raise BadRequest(f"the map is version {found.version}, not {version}")
        with self._changing:
            if kind is MapKind.VOTE:
                self._vote_for(found, signed)
            else:
                self._follow(found, signed)

    def read(self, kind: MapKind, version: int) -> bytes:
        """Return a signed map.

        Raises:
            NotFound: The node does not keep it.
        """
        text = self._kept.read(kind, version) if self._kept else None
        if text is None:
            raise NotFound(f"this node keeps no map {version} ({kind})")
        return text

    def _vote_for(self, found: VolumeMap, signed: bytes) -> None:
        if self._kept is None:
            raise BadRequest("a bucket does not vote")
        if found.id == self.vote:
            return
        current = self._in_force
        if (found.version, found.after) != (current.version + 1, current.id.digest):
            raise Conflict(
                f"map {found.version} follows {found.after}, and this node has map {current.id}"
            )
        try:
            self._kept.keep(MapKind.VOTE, found.version, signed)
        except Conflict:
            # A write that failed has left a vote all the same: report it, so that it counts.
            if (kept := self._kept.read(MapKind.VOTE, found.version)) is not None:
                self.vote = self._parse(kept).id
            raise
        self.vote = found.id

    def _follow(self, found: VolumeMap, signed: bytes) -> None:
        current = self._in_force
        if found.version < current.version or found.id == current.id:
            return
        if found.version == current.version:
            raise Conflict(f"map {current.id} is in force on this node, not {found.id}")
        if self._kept is not None:
            self._kept.keep(MapKind.IN_FORCE, found.version, signed)
        self._use(found)

    def _use(self, found: VolumeMap) -> None:
        cluster = with_map(self.cluster, found)
        for on_change in self._on_change:
            on_change(cluster)
        self.cluster, self._in_force = cluster, found

    def _parse(self, signed: bytes) -> VolumeMap:
        try:
            return parse_map(verify_map(self._keys, signed.decode()))
        except (Forbidden, UnicodeDecodeError, InvalidConfig) as error:
            reason = str(error) or "no key of this cluster signed it"
            raise BadRequest(f"invalid volume map: {reason}") from error


def follow_map(store: Volumes, fence: Fence, maps: NodeMaps) -> Fence:
    """Hold and guard the volumes that the map gives to the node, now and after each change.

    Return the fence.
    """

    def follow(cluster: Cluster) -> None:
        held = cluster.volumes_on(maps.node)
        store.create_volumes(held)
        # A volume that the map no longer gives to this node gets no deletes any more. Neither does
        # one that the node joins: it is fenced as soon as the node is a mirror.
        store.take_only(held)
        fence.follow(v for v in held if maps.node in cluster.volumes[v].mirrors)

    maps.subscribe(follow)
    return fence
