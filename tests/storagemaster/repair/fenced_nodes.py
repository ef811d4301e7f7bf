"""A fenced node and its mirrors, which only record."""

from types import SimpleNamespace

from storagemaster.repair.fence_lifting import FenceLifter
from storagenode.protocol.errors import NodeError, UnprovenTombstone
from volumes.cluster import Volume


class Node:
    """A node that reports what a test gives it, and records what it receives."""

    def __init__(self, name, *, tombstones=(), files=("k7",)):
        self.name, self.tombstones_by_shard, self.files = name, dict(tombstones), files
        self.hints, self.failing, self.listed, self.progress = {}, {}, [], []
        self.lifted, self.received, self.compared = [], [], []
        self.lift_requests, self.silent, self.deleted_in = 0, (), {1, 2}
        self.status = SimpleNamespace(
            fenced=(), fence_serial="1", hints=0, volumes=(1, 2), cold_tiers={}, map_version=2
        )

    def _fail_at(self, step):
        if step in self.failing:
            raise self.failing[step]

    async def tombstone_digests(self, volumes, *, on_progress):
        """Return a digest of the names in each volume."""
        self._fail_at("digests")
        self.compared.append(list(volumes))
        await on_progress()
        names = {each: self._tombstones(each) for each in volumes if each not in self.silent}
        return {each: str(sorted(found.items())) for each, found in names.items()}

    async def tombstone_shards(self, volumes):
        """Return a digest of the names in each shard of volumes."""
        self._fail_at("shards")
        return {
            each: {shard: str(sorted(names)) for shard, names in self._tombstones(each).items()}
            for each in volumes
        }

    async def tombstone_names(self, shards):
        """Return the names in some shards of volumes."""
        self._fail_at("names")
        self.listed.append(shards)
        return {
            volume: {name for each in some for name in self._tombstones(volume).get(each, ())}
            for volume, some in shards.items()
        }

    def _tombstones(self, volume):
        return self.tombstones_by_shard if volume in self.deleted_in else {}

    async def shard_digests(self, volume):
        """Return a digest of each shard with files."""
        assert volume == 1, "only this volume has strays"
        return dict.fromkeys(self.files, "")

    async def list_hints(self, mirror):
        """Return the hints for a mirror."""
        self._fail_at("hints")
        return self.hints.get(mirror, [])

    async def note_lifting(self, serial):
        """Record progress."""
        self.progress.append(serial)

    async def lift_fences(self, serial, volumes):
        """Record lifted fences."""
        self._fail_at("lift")
        self.lift_requests += 1
        self.lifted += [(volume, serial) for volume in volumes]


class Cluster:
    """Three nodes. East and west are the mirrors of volumes 1 and 2."""

    def __init__(self):
        self.nodes = {name: Node(name) for name in ("east", "west", "north")}
        self.nodes["north"].status.volumes = ()
        volume = Volume(number=1, mirrors=("east", "west"), since=2)
        self.volumes = {1: volume, 2: volume}
        self.down = set()
        self.unproven, self.unwritable = set(), set()
        self.owned = {1, 2}
        self.now_seconds = 0.0
        self.seconds_each = 0.0
        mirrors = SimpleNamespace(
            cluster=self, nodes=self.nodes, fleet=self, owns=lambda volume: volume in self.owned
        )
        self.lifter = FenceLifter(mirrors, self, now_seconds=lambda: self.now_seconds)

    @property
    def east(self):
        """The node that is fenced."""
        return self.nodes["east"]

    def view(self):
        """Return the views of all nodes."""
        return {
            name: SimpleNamespace(up=name not in self.down, status=node.status)
            for name, node in self.nodes.items()
        }

    def is_up(self, name):
        """Return True if a node is up."""
        return name not in self.down

    def mark_down(self, name, reason):
        """Record that a node is down."""
        assert reason
        self.down.add(name)

    async def seconds_of(self, name, tombstone):
        """Return the second of a delete."""
        if tombstone in self.unproven:
            raise UnprovenTombstone("no proof")
        return len(name)

    async def write_tombstone(self, name, tombstone, *, mtime_seconds):
        """Record a delivered tombstone, which takes some time."""
        self.now_seconds += self.seconds_each
        if tombstone in self.unwritable:
            raise NodeError("the disk failed")
        self.nodes[name].received.append((tombstone, mtime_seconds))

    def fence(self, *volumes, serial="1"):
        """Fence volumes of east."""
        self.east.status.fenced, self.east.status.fence_serial = volumes, serial
