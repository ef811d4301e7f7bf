"""Lookups of 100 photos in one request: with memcached, without it, and photo by photo.

`python -m bench.batch_lookup` runs a cluster with two storagemasters; only one of them uses
memcached. All processes are on one machine with warm files, where memcached saves the least. With a
slow disk it saves more.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import aiohttp

from bench.figures import Figure, compare_async, report
from bench.photo_bytes import render_photo
from bench.scratch_cluster import named, scratch_cluster
from bench.servers import free_address, listens
from bench.ten_sizes import RECIPE, render_test_photo
from bench.wrk import LoadFailed
from glassplate import Client
from glassplate.local.cluster import LocalCluster
from glassplate.local.plan import NODES
from glassplate.local.processes import SupervisedProcess
from glassplate.session.new_tokens import sign_new_token
from imageworker.make_sizes import make_sizes
from permission_urls import InternalSigner
from runtime.tls.machine_name import Role
from storagemaster import wire
from storagemaster.client import MasterClient
from storagenode.protocol.wire import BundledFile, render_bundle
from volumes.address import Address
from volumes.machines import own_certificate
from volumes.photo_path import Info, Variant, parse_photo_version, render_path

PHOTOS = 400
BATCH_PHOTOS = 100
AT_ONCE = 4
SECONDS_EACH = 3.0
PHOTO_BYTES = 3_000
WANTED_PER_SECOND = 280.0
WANTED_WITHOUT_PER_SECOND = 56.0


def main() -> int:
    """Measure everything, and return the exit status."""
    figures = asyncio.run(_measure())
    for figure in figures:
        rates = "{measured:,.1f} and {baseline:,.1f} batches a second".format(**figure.detail)
        print(f"{figure.name}: {rates}", file=sys.stderr)
    return report("batch-lookup", figures)


async def _measure() -> list[Figure]:
    async with scratch_cluster() as local:
        await local.start(named(local, "valkey", "memcached-1", *NODES, "east-master"))
        references = await _upload(local)
        async with _master_without_memcached(local) as without, aiohttp.ClientSession() as session:
            load = Load(session, sign_new_token(local.keys, ["read"]), references)
            cached = str(local.cluster.masters["east-master"].address)

            async def batches_with() -> float:
                return await load.rate(lambda: load.lookup(cached))

            async def batches_without() -> float:
                return await load.rate(lambda: load.lookup(without))

            async def photo_by_photo() -> float:
                return await load.rate(lambda: load.one_by_one(without))

            async def against(
                what: str, measured: Callable[[], Awaitable[float]], wanted: float
            ) -> Figure:
                async def baseline() -> float:
                    return wanted

                name = f"lookups of 100 photos {what}, against {wanted:,.0f} a second"
                return await compare_async(name, 1.0, measured, baseline)

            return [
                await compare_async(
                    "lookups of 100 photos, with memcached against without",
                    3.0,
                    batches_with,
                    batches_without,
                ),
                await against("with memcached", batches_with, WANTED_PER_SECOND),
                await against("without memcached", batches_without, WANTED_WITHOUT_PER_SECOND),
                await compare_async(
                    "lookups of 100 photos without memcached, against 100 requests",
                    4.0,
                    batches_without,
                    photo_by_photo,
                    runs=3,
                ),
            ]


class Load:
    """Load generator: requests random batches of the photos, several at once."""

    def __init__(self, session: aiohttp.ClientSession, token: str, references: list[str]) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}
        self._references = references
        self._rng = random.Random(7)

    async def rate(self, lookup: Callable[[], Awaitable[None]]) -> float:
        """Return batches per second of `AT_ONCE` clients, each with one request at a time."""
        started = time.perf_counter()

        async def run_client() -> int:
            done = 0
            while time.perf_counter() - started < SECONDS_EACH:
                await lookup()
                done += 1
            return done

        batches = sum(await asyncio.gather(*(run_client() for _ in range(AT_ONCE))))
        return batches / (time.perf_counter() - started)

    async def lookup(self, master: str) -> None:
        """Look up one batch in one request."""
        versions = [parse_photo_version(reference) for reference in self._sample()]
        async with self._session.post(
            f"http://{master}{wire.LOOKUP.path()}",
            data=wire.render_batch_request(versions),
            headers=self._headers,
        ) as response:
            body = await response.read()
        if response.status != 200 or body.count(b'"state": "ready"') != BATCH_PHOTOS:
            raise LoadFailed(f"a lookup returned {response.status}: {body[:200]!r}")

    async def one_by_one(self, master: str) -> None:
        """Look up one batch as concurrent requests of one photo each."""
        await asyncio.gather(*(self._photo(master, reference) for reference in self._sample()))

    async def _photo(self, master: str, reference: str) -> None:
        url = f"http://{master}/photos/{reference}"
        async with self._session.get(url, headers=self._headers) as response:
            await response.read()
        if response.status != 200:
            raise LoadFailed(f"{url} returned {response.status}")

    def _sample(self) -> list[str]:
        return self._rng.sample(self._references, BATCH_PHOTOS)


async def _upload(local: LocalCluster) -> list[str]:
    """Upload the photos, each with sizes and info of a large photo; return their references.

    A storagemaster would make sizes again that an info describes and no node has.
    """
    made = await asyncio.to_thread(lambda: make_sizes(render_test_photo(), recipe=RECIPE))
    large = json.loads(made.info)
    master = local.cluster.masters["east-master"]
    async with (
        Client(f"http://{master.address}", keys=local.keys) as client,
        aiohttp.ClientSession() as session,
    ):
        own = own_certificate(local.cluster, Role.WORKER, "east")
        worker = MasterClient([master], session, InternalSigner(local.keys), own)
        references = []
        for number in range(PHOTOS):
            receipt = await client.put(render_photo(number, PHOTO_BYTES))
            photo_version = parse_photo_version(receipt.reference)
            # A node refuses the info of another original.
            large["original"]["sha256"] = receipt.sha256
            files = [
                _bundled(Variant(photo_version, each.letter, each.ext), each.data)
                for each in made.variants
            ]
            files.append(_bundled(Info(photo_version), json.dumps(large).encode()))
            bundle = render_bundle(files)
            await worker.put_bundle(photo_version, bundle, mtime_seconds=1_700_000_000)
            references.append(receipt.reference)
    return references


def _bundled(file: Variant | Info, data: bytes) -> BundledFile:
    return BundledFile(render_path(file), hashlib.sha256(data).hexdigest(), data)


@contextlib.asynccontextmanager
async def _master_without_memcached(local: LocalCluster) -> AsyncIterator[str]:
    """Run a storagemaster like `east-master` without memcached; yield its address."""
    address = free_address()
    (master,) = named(local, "east-master")
    config, other = str(local.data / "cluster.toml"), str(local.data / "without.toml")
    write_without_memcached(local, address, Path(other))
    process = SupervisedProcess(
        dataclasses.replace(
            master.plan,
            name="without",
            argv=[other if part == config else part for part in master.plan.argv],
            is_ready=partial(listens, address),
        )
    )
    await process.start()
    try:
        yield str(address)
    finally:
        await process.stop()


def write_without_memcached(local: LocalCluster, address: Address, path: Path) -> None:
    """Write a config in which `east-master` has no memcached, and no port that it uses already."""
    config = (local.data / "cluster.toml").read_text()
    master = local.cluster.masters["east-master"]
    for own, other in ((master.address, address), (master.internal, free_address())):
        config = config.replace(str(own), str(other))
    lines = [line for line in config.splitlines() if not line.startswith("memcached")]
    path.write_text("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
