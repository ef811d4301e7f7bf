"""Faults of S3: slow, busy, breaking off, lying, gone."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from glassplate.drill.drilled import Drilled
from glassplate.drill.evidence import Evidence
from glassplate.drill.s3_through_faults import S3ThroughFaults, to_objects


@dataclass(frozen=True, slots=True)
class BucketSlow:
    """Every answer of S3 takes longer."""

    seconds: float = 1.0

    @contextlib.asynccontextmanager
    async def at_work(self, drilled: Drilled, evidence: Evidence) -> AsyncIterator[None]:
        """Hold every request."""
        with proxy_of(drilled).failing(slow_seconds=self.seconds) as fault:
            yield
        evidence.add(fault.befell, f"{fault.befell} requests to S3 took {self.seconds} s more")


@dataclass(frozen=True, slots=True)
class BucketBusy:
    """S3 says 503 SlowDown to most requests."""

    share: float = 0.8

    @contextlib.asynccontextmanager
    async def at_work(self, drilled: Drilled, evidence: Evidence) -> AsyncIterator[None]:
        """Refuse by chance."""
        proxy = proxy_of(drilled)
        with proxy.failing(status=503, code="SlowDown", share=self.share) as fault:
            yield
        evidence.add(fault.befell, f"{fault.befell} requests to S3 were answered 503 SlowDown")


@dataclass(frozen=True, slots=True)
class BucketBreaksOff:
    """The bodies of photos that S3 sends end early."""

    keep_bytes: int = 100

    @contextlib.asynccontextmanager
    async def at_work(self, drilled: Drilled, evidence: Evidence) -> AsyncIterator[None]:
        """Break connections off."""
        proxy = proxy_of(drilled)
        with proxy.failing(keep_bytes=self.keep_bytes, applies=to_objects) as fault:
            yield
        evidence.add(fault.befell, f"{fault.befell} bodies from S3 broke off")


@dataclass(frozen=True, slots=True)
class BucketLies:
    """The bodies of photos that S3 sends have a wrong bit each."""

    @contextlib.asynccontextmanager
    async def at_work(self, drilled: Drilled, evidence: Evidence) -> AsyncIterator[None]:
        """Flip bits. What is wrong twice is set aside, though only the way from it was bad."""
        lied: set[str] = set()

        def applies(method: str, path: str) -> bool:
            if to_objects(method, path):
                lied.add(path)
                return True
            return False

        with proxy_of(drilled).failing(flip=True, applies=applies) as fault:
            yield
        evidence.add(fault.befell, f"{fault.befell} bodies from S3 had a wrong bit")
        evidence.damaged_files += len(lied)


@dataclass(frozen=True, slots=True)
class BucketGone:
    """S3 hangs up on everybody."""

    @contextlib.asynccontextmanager
    async def at_work(self, drilled: Drilled, evidence: Evidence) -> AsyncIterator[None]:
        """Answer nobody."""
        with proxy_of(drilled).failing(hang_up=True) as fault:
            yield
        evidence.add(fault.befell, f"S3 hung up {fault.befell} times")


def proxy_of(drilled: Drilled) -> S3ThroughFaults:
    """The way to the bucket of a cluster that has one."""
    assert drilled.bucket is not None, "the scenario has `has_bucket`"
    return drilled.bucket.proxy
