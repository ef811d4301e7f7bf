"""Time from an upload until all sizes are mirrored, as a client that waits sees it.

One photo of 12 megapixels at a time, with `?wait`. `make bench-sizes` also prints the steps: each
is measured alone, in the same cluster; the difference is queue, events, and status.
"""

import asyncio
import functools
import hashlib
import io
import itertools
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
from PIL import Image

from bench.figures import Figure, report, summarize
from bench.photo_chain import make_unique
from bench.scratch_cluster import named, scratch_cluster
from bench.ten_sizes import render_test_photo
from bench.wrk import LoadFailed
from glassplate.local.cluster import LocalCluster
from glassplate.local.plan import NODES
from glassplate.session.new_tokens import sign_new_token
from imageworker.recipe import DEFAULT_RECIPE
from imageworker.sandbox.child import SizesMaker
from permission_urls import InternalSigner
from runtime.tls.machine_name import Role
from storagemaster.client import MasterClient
from storagenode.client import NodeClient
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import BundledFile, render_bundle
from volumes.machines import own_certificate
from volumes.photo_path import (
    Info,
    PhotoFile,
    PhotoVersion,
    Variant,
    parse_photo_version,
    render_path,
)

PHOTOS = 100
STEP_PHOTOS = 25
WARMUPS = 3
QUALITY = 80
WAIT_SECONDS = 30
MEDIAN_SECONDS_MAX = 0.33
P99_SECONDS_MAX = 0.6
_Result = TypeVar("_Result")
_WORKERS = ("east-worker-1", "west-worker-1")


def main() -> int:
    """Measure the time and its steps, and return the exit status."""
    steps, totals = asyncio.run(_measure())
    median, p99 = statistics.median(totals), statistics.quantiles(totals, n=100)[98]
    steps["queue, events, and status"] = median - sum(steps.values())
    for step, seconds in [*steps.items(), ("median", median), ("p99", p99), ("max", max(totals))]:
        print(f"{step}: {seconds * 1000:,.0f} ms", file=sys.stderr)
    return report(
        "time-to-sizes",
        [
            _against(f"{MEDIAN_SECONDS_MAX} s / upload to ten sizes, median", totals),
            _against(f"{P99_SECONDS_MAX} s / the same, p99", [p99], P99_SECONDS_MAX),
        ],
    )


def _against(name: str, seconds: list[float], limit: float = MEDIAN_SECONDS_MAX) -> Figure:
    return summarize(name, 1.0, [(each, limit) for each in seconds], higher_is_better=False)


async def _measure() -> tuple[dict[str, float], list[float]]:
    """Return the median of each step, and the time of each photo."""
    photo = await asyncio.to_thread(_render_photo)
    photos = (make_unique(photo, number) for number in itertools.count())
    print(f"a photo has {len(photo):,} bytes", file=sys.stderr)
    async with scratch_cluster() as local:
        await local.start(named(local, "valkey", *NODES, "east-master", "west-master"))
        async with _steps_of(local) as steps:
            for _ in range(WARMUPS + STEP_PHOTOS):
                await steps.take(next(photos))
        await local.start(named(local, *_WORKERS))
        async with _client(local) as upload:
            totals = [await _seconds(upload(next(photos), True)) for _ in range(WARMUPS + PHOTOS)]
    return steps.medians(), totals[WARMUPS:]


class _Steps:
    """The steps of a photo, one after the other, without a worker."""

    def __init__(
        self,
        local: LocalCluster,
        upload: Callable[[bytes, bool], Awaitable[PhotoVersion]],
        session: aiohttp.ClientSession,
        maker: SizesMaker,
    ) -> None:
        signer = InternalSigner(local.keys)
        self._local = local
        self._upload = upload
        self._maker = maker
        own = own_certificate(local.cluster, Role.WORKER, "east")
        self._master = MasterClient([local.cluster.masters["east-master"]], session, signer, own)
        self._nodes = {
            node.id: NodeClient(node.id, node.write, session, local.keys, own)
            for node in local.cluster.nodes.values()
        }
        self._seconds: dict[str, list[float]] = {}

    async def take(self, photo: bytes) -> None:
        """Measure the steps of one photo."""
        photo_version = await self._timed("upload", self._upload(photo, False))
        mirror = self._local.cluster.mirrors_of(photo_version.volume)[0]
        fetch = self._nodes[mirror.id].fetch(Place(Variant(photo_version, "o", "jpg")))
        original = (await self._timed("fetch of the original", fetch)).data
        make = functools.partial(self._maker.make, original, DEFAULT_RECIPE)
        made = await self._timed("sizes, in a sandboxed process", asyncio.to_thread(make))
        files: list[tuple[PhotoFile, bytes]] = [
            (Variant(photo_version, v.letter, v.ext), v.data) for v in made.variants
        ]
        files.append((Info(photo_version), made.info))
        body = render_bundle(
            BundledFile(render_path(file), hashlib.sha256(data).hexdigest(), data)
            for file, data in files
        )
        put = self._master.put_bundle(photo_version, body, mtime_seconds=int(time.time()))
        await self._timed("mirroring of the sizes", put)

    def medians(self) -> dict[str, float]:
        """Return the median of each step, in seconds."""
        return {step: statistics.median(times[WARMUPS:]) for step, times in self._seconds.items()}

    async def _timed(self, step: str, work: Awaitable[_Result]) -> _Result:
        started = time.perf_counter()
        result = await work
        self._seconds.setdefault(step, []).append(time.perf_counter() - started)
        return result


@asynccontextmanager
async def _steps_of(local: LocalCluster) -> AsyncIterator[_Steps]:
    async with _client(local) as upload, aiohttp.ClientSession(auto_decompress=False) as session:
        with SizesMaker() as maker:
            yield _Steps(local, upload, session, maker)


@asynccontextmanager
async def _client(
    local: LocalCluster,
) -> AsyncIterator[Callable[[bytes, bool], Awaitable[PhotoVersion]]]:
    """Yield a function that uploads a photo, and waits for its sizes if its argument says so."""
    headers = {"Authorization": f"Bearer {sign_new_token(local.keys, ['upload'])}"}
    url = f"http://{local.cluster.masters['east-master'].address}/photos"
    async with aiohttp.ClientSession(headers=headers) as session:

        async def upload(photo: bytes, waits: bool) -> PhotoVersion:  # noqa: FBT001
            query = {"wait": str(WAIT_SECONDS)} if waits else {}
            async with session.post(url, params=query, data=photo) as response:
                receipt = await response.json()
            if response.status != 201 or receipt["state"] != ("ready" if waits else ""):
                raise LoadFailed(f"an upload returned {response.status}: {receipt}")
            return parse_photo_version(
                f"{receipt['volume']}/{receipt['photo']}/{receipt['version']}"
            )

        yield upload


async def _seconds(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


def _render_photo() -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(render_test_photo())).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
