"""Faults of S3: slow, busy, truncated, corrupt, and unreachable."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from drill.cluster.drill_bucket import COLD
from drill.cluster.drill_cluster import DrillCluster
from drill.cluster.faulty_s3_proxy import FaultyS3Proxy, is_photo_read
from drill.faults.evidence import Evidence

READS = 5
READ_SECONDS_MAX = 30.0
# Reconcile fills the bucket within seconds on an idle machine.
FILLED_SECONDS_MAX = 60.0
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class BucketSlow:
    """Every response of S3 is delayed."""

    seconds: float = 1.0

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Delay every request until the block exits."""
        with proxy_of(drill_cluster).failing(slow_seconds=self.seconds) as fault:
            yield
        evidence.add(
            fault.injected_count,
            f"{fault.injected_count} requests to S3 took {self.seconds} s more",
        )


@dataclass(frozen=True, slots=True)
class BucketBusy:
    """S3 rejects most requests with 503 SlowDown."""

    share: float = 0.8

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Reject a share of the requests at random until the block exits."""
        proxy = proxy_of(drill_cluster)
        with proxy.failing(status=503, code="SlowDown", share=self.share) as fault:
            yield
        evidence.add(
            fault.injected_count, f"{fault.injected_count} requests to S3 got 503 SlowDown"
        )


@dataclass(frozen=True, slots=True)
class BucketBreaksOff:
    """S3 truncates the bodies of photos."""

    keep_bytes: int = 100

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Close connections in the body until the block exits, and read some photos."""
        proxy = proxy_of(drill_cluster)
        with proxy.failing(keep_bytes=self.keep_bytes, applies=is_photo_read) as fault:
            yield
            seen = await read_from_bucket(drill_cluster)
        evidence.add(not seen.wrong, f"{seen.wrong} incomplete photos from the bucket's node")
        evidence.add(fault.injected_count, f"{fault.injected_count} bodies from S3 were truncated")


@dataclass(frozen=True, slots=True)
class BucketCorrupts:
    """S3 returns the bodies of photos with a flipped bit."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Flip bits until the block exits. The node quarantines a file after two wrong reads."""
        with proxy_of(drill_cluster).failing(flip=True, applies=is_photo_read) as fault:
            yield
            seen = await read_from_bucket(drill_cluster)
        evidence.add(not seen.wrong, f"{seen.wrong} corrupt photos from the bucket's node")
        evidence.add(fault.injected_count, f"{fault.injected_count} bodies from S3 had a wrong bit")
        # An upper bound: two concurrent readers can each quarantine the same object.
        evidence.damaged_files += fault.injected_count


@dataclass(frozen=True, slots=True)
class BucketRead:
    """No fault: proof that the bucket's node serves photos while other mirrors are down."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Read some photos after the block."""
        yield
        seen = await read_from_bucket(drill_cluster)
        evidence.add(seen.whole, f"the bucket's node served {seen.whole} of {READS} photos")


@dataclass(frozen=True, slots=True)
class BucketGone:
    """S3 closes every connection without a response."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Close connections until the block exits."""
        with proxy_of(drill_cluster).failing(hang_up=True) as fault:
            yield
        evidence.add(fault.injected_count, f"S3 closed {fault.injected_count} connections")


def proxy_of(drill_cluster: DrillCluster) -> FaultyS3Proxy:
    """Return the proxy of the cluster's first bucket."""
    return drill_cluster.buckets[0].proxy


@dataclass(frozen=True, slots=True)
class Seen:
    """Number of complete and of corrupt photos that a reader got."""

    whole: int
    wrong: int


async def read_from_bucket(drill_cluster: DrillCluster) -> Seen:
    """Read some photos from the bucket's node once the bucket has `READS` photos."""
    stored = await _photos_in_bucket(drill_cluster)
    whole = wrong = 0
    timeout = aiohttp.ClientTimeout(total=READ_SECONDS_MAX)
    base = f"http://{drill_cluster.cluster.nodes[COLD].read}"
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for path, digest in stored.items():
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(base + drill_cluster.urls[path]) as response:
                    data = await response.read()
                    if response.status == HTTPStatus.OK:
                        is_complete = hashlib.sha256(data).hexdigest() == digest
                        whole, wrong = whole + is_complete, wrong + (not is_complete)
    return Seen(whole, wrong)


async def _photos_in_bucket(drill_cluster: DrillCluster) -> dict[str, str]:
    """Return `READS` known photos in the bucket: the digest of the bytes, by path."""
    ends = time.monotonic() + FILLED_SECONDS_MAX
    while True:
        files = await asyncio.to_thread(list, drill_cluster.buckets[0].store.photo_files())
        known = [(path, data) for path, data, _ in files if path in drill_cluster.urls]
        if len(known) >= READS or time.monotonic() > ends:
            return {path: hashlib.sha256(data).hexdigest() for path, data in known[:READS]}
        await asyncio.sleep(POLL_SECONDS)
