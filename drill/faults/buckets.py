"""Faults of S3: slow, busy, breaking off, lying, gone."""

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
from drill.cluster.faulty_s3_proxy import FaultyS3Proxy, to_objects
from drill.faults.evidence import Evidence

READS = 5
READ_SECONDS_MAX = 30.0
# Reconcile fills the bucket within seconds, on a machine that has time for it.
FILLED_SECONDS_MAX = 60.0
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class BucketSlow:
    """Every answer of S3 takes longer."""

    seconds: float = 1.0

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Hold every request."""
        with proxy_of(drill_cluster).failing(slow_seconds=self.seconds) as fault:
            yield
        evidence.add(fault.befell, f"{fault.befell} requests to S3 took {self.seconds} s more")


@dataclass(frozen=True, slots=True)
class BucketBusy:
    """S3 says 503 SlowDown to most requests."""

    share: float = 0.8

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Refuse by chance."""
        proxy = proxy_of(drill_cluster)
        with proxy.failing(status=503, code="SlowDown", share=self.share) as fault:
            yield
        evidence.add(fault.befell, f"{fault.befell} requests to S3 were answered 503 SlowDown")


@dataclass(frozen=True, slots=True)
class BucketBreaksOff:
    """The bodies of photos that S3 sends end early."""

    keep_bytes: int = 100

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Break connections off."""
        proxy = proxy_of(drill_cluster)
        with proxy.failing(keep_bytes=self.keep_bytes, applies=to_objects) as fault:
            yield
            seen = await read_from_bucket(drill_cluster)
        evidence.add(not seen.wrong, f"{seen.wrong} photos from the bucket's node were not whole")
        evidence.add(fault.befell, f"{fault.befell} bodies from S3 broke off")


@dataclass(frozen=True, slots=True)
class BucketCorrupts:
    """The bodies of photos that S3 sends have a wrong bit each."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Flip bits. What is wrong twice is set aside, though only the way from it was bad."""
        with proxy_of(drill_cluster).failing(flip=True, applies=to_objects) as fault:
            yield
            seen = await read_from_bucket(drill_cluster)
        evidence.add(not seen.wrong, f"{seen.wrong} photos from the bucket's node were wrong")
        evidence.add(fault.befell, f"{fault.befell} bodies from S3 had a wrong bit")
        # Not so many objects: two readers of one may each set it aside, each by its own two lies.
        evidence.damaged_files += fault.befell


@dataclass(frozen=True, slots=True)
class BucketRead:
    """No fault, but the proof that the bucket's node serves while others are away."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Read from it at the end."""
        yield
        seen = await read_from_bucket(drill_cluster)
        evidence.add(seen.whole, f"the bucket's node sent {seen.whole} of {READS} photos whole")


@dataclass(frozen=True, slots=True)
class BucketGone:
    """S3 hangs up on everybody."""

    @contextlib.asynccontextmanager
    async def injected(
        self, drill_cluster: DrillCluster, evidence: Evidence
    ) -> AsyncIterator[None]:
        """Answer nobody."""
        with proxy_of(drill_cluster).failing(hang_up=True) as fault:
            yield
        evidence.add(fault.befell, f"S3 hung up {fault.befell} times")


def proxy_of(drill_cluster: DrillCluster) -> FaultyS3Proxy:
    """The way to the bucket of a cluster that has one."""
    assert drill_cluster.bucket is not None, "the scenario has `has_bucket`"
    return drill_cluster.bucket.proxy


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader saw of photos that are in the bucket."""

    whole: int
    wrong: int


async def read_from_bucket(drill_cluster: DrillCluster) -> Seen:
    """Read some photos from the bucket's node itself, as soon as the bucket has so many."""
    held = await _photos_in_bucket(drill_cluster)
    whole = wrong = 0
    timeout = aiohttp.ClientTimeout(total=READ_SECONDS_MAX)
    base = f"http://{drill_cluster.cluster.nodes[COLD].read}"
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for path, digest in held.items():
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(base + drill_cluster.urls[path]) as response:
                    data = await response.read()
                    if response.status == HTTPStatus.OK:
                        is_complete = hashlib.sha256(data).hexdigest() == digest
                        whole, wrong = whole + is_complete, wrong + (not is_complete)
    return Seen(whole, wrong)


async def _photos_in_bucket(drill_cluster: DrillCluster) -> dict[str, str]:
    """Some of the photos that the cluster has told of, by path, with the digests of their bytes."""
    assert drill_cluster.bucket is not None, "the scenario has `has_bucket`"
    ends = time.monotonic() + FILLED_SECONDS_MAX
    while True:
        files = await asyncio.to_thread(list, drill_cluster.bucket.store.photo_files())
        told = [(path, data) for path, data, _ in files if path in drill_cluster.urls]
        if len(told) >= READS or time.monotonic() > ends:
            return {path: hashlib.sha256(data).hexdigest() for path, data in told[:READS]}
        await asyncio.sleep(POLL_SECONDS)
