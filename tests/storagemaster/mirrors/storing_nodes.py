"""Nodes that store what they get, fail, or respond late, for tests of mirroring."""

import asyncio
import hashlib

from storagemaster.mirrors.mirroring import Mirroring, pull_seconds
from storagemaster.mirrors.placement import Placement, Target
from storagenode.protocol.files import Published
from tests.storagemaster.manual_clock import JumpingClockLoop
from tests.storagemaster.mirrors.test_placement import DOWN, TWO_COLOS, UP, cluster_of, views_of
from volumes.photo_path import PhotoVersion, Variant

FILE = Variant(PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd"), "o", "jpg")
DATA = b"bytes of a photo"
SHA256 = hashlib.sha256(DATA).hexdigest()
EAST, WEST = Target("e1"), Target("w1")
PLACED = Placement(1, (EAST, WEST))
PATIENCE = 0.7


class Node:
    """A node that stores what it gets, or fails, or responds late."""

    def __init__(self, name, cluster):
        self.url, self.name, self.cluster = f"http://{name}", name, cluster
        self.error, self.seconds, self.existed, self.delay = None, 7, False, 0.0
        self.reported_bytes = len(DATA)

    async def _store(self, call, place):
        self.cluster.calls.append((self.name, call, place))
        await asyncio.sleep(self.delay)
        if self.error:
            raise self.error
        size = self.reported_bytes
        return Published(place.path, SHA256, size, self.seconds, existed=self.existed)

    async def put(self, place, body, *, mtime_seconds, bytes_total, digest):
        """Store a streamed body."""
        data = b"".join([chunk async for chunk in body])
        assert (data, mtime_seconds, bytes_total) == (DATA, 7, len(DATA))
        assert digest() == SHA256
        return await self._store("put", place)

    async def put_whole(self, place, data, *, mtime_seconds, digest):
        """Store a body."""
        assert (data, mtime_seconds, digest) == (DATA, 7, SHA256)
        return await self._store("put", place)

    async def pull(self, pull, *, timeout_seconds):
        """Store a copy."""
        assert timeout_seconds == pull_seconds(self.reported_bytes)
        assert pull.digest == SHA256
        assert pull.source == f"http://{pull.source_node}"
        self.cluster.pulls.append(pull)
        return await self._store("pull", pull.place)


class Nodes:
    """Two nodes in each of two colos, and a mirroring over them."""

    def __init__(self):
        self.calls, self.pulls, self.down = [], [], set()
        self.nodes = {name: Node(name, self) for name in TWO_COLOS}
        self.cluster = cluster_of()
        self.patience_seconds = PATIENCE
        self.fleet = self
        self.mirroring = Mirroring(self)

    def __getitem__(self, name):
        """Return a node."""
        return self.nodes[name]

    def volume(self, number):
        """Return a volume."""
        return self.cluster.volumes[number]

    def view(self):
        """Return the views of all nodes."""
        others = dict.fromkeys(self.nodes.keys() - TWO_COLOS.keys(), UP)
        return views_of(**others, **dict.fromkeys(self.down, DOWN))

    def mark_down(self, name, reason):
        """Record that a node is down."""
        assert reason
        self.down.add(name)

    def stream(self, *, is_whole=False, placed=PLACED, strict=False):
        """Store the photo; return its copies."""

        async def body():
            for byte in DATA:
                yield bytes([byte])

        async def run():
            return await self.mirroring.stream(
                FILE,
                DATA if is_whole else body(),
                placed,
                mtime_seconds=7,
                bytes_total=len(DATA),
                digest=lambda: SHA256,
                strict=strict,
            )

        return jumping(run())


def jumping(coroutine):
    """Run a coroutine with a clock that jumps."""
    with asyncio.Runner(loop_factory=JumpingClockLoop) as runner:
        return runner.run(coroutine)
