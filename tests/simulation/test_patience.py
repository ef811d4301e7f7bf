"""Requests in the first moments of a fault, when a colo hangs and no storagemaster knows it.

The clock is virtual, so the durations are exact. Each of the two nodes of the colo hangs once, and
is then marked down.
"""

import asyncio
from random import Random

import pytest

from storagemaster.mirrors.mirrors import PATIENCE_SECONDS
from storagemaster.uploads.upload_body import DeclaredBody, UploadBody
from storagemaster.uploads.uploads import UploadRequest
from tests.simulation.simulation import close_loop
from tests.simulation.sparse_shards import with_sparse_shards
from tests.simulation.virtual_loop import VirtualLoop
from tests.simulation.world import TWO_COLOS, World
from volumes.photo_path import VolumeId, parse_photo_version

# Seeds of clusters with two colos. Each lets the colo hang at another moment between two polls.
SEEDS = (2, 3, 4, 5, 6, 7)
# More than the latency of all messages of one request.
LATENCY_SECONDS = 0.1
BODY = b"GIF89a" + b"\xe8\x03" * 2 + bytes(3) + b"," + bytes(4) + b"\xe8\x03" * 2 + b"a photo"


async def upload(master, key=None):
    """Upload a photo, to volume 1 unless it has a key, and return its version."""

    async def chunks():
        yield BODY

    receipt, _ = await master.uploads.take(
        UploadBody(chunks(), DeclaredBody(), bytes_max=len(BODY)),
        UploadRequest(
            declared=DeclaredBody(), volume=None if key else VolumeId(1), idempotency_key=key
        ),
    )
    return parse_photo_version(receipt.reference)


async def delete(master, photo_version):
    """Delete a photo."""
    await master.deletes.delete(photo_version.volume, photo_version.photo, None)


async def undelete(master, photo_version):
    """Undelete a photo."""
    await master.undeletes.undelete(photo_version.volume, photo_version.photo)


REQUESTS = {
    "upload": lambda master, _: upload(master),
    "delete": delete,
    "revoke": lambda master, photo_version: master.revokes.revoke(photo_version),
    "undelete": undelete,
    "keyed retry": lambda master, _: upload(master, "a key"),
}


async def duration_of(name, seed, shards):
    """Return the duration of a request that starts when colo west has begun to hang."""
    random = Random(seed)
    world = World(random, shards)
    assert world.cluster.nodes.keys() == TWO_COLOS.keys(), "this seed has another cluster"
    master, loop = world.masters[0], asyncio.get_running_loop()
    await asyncio.sleep(2)
    photo_version = await upload(master, "a key")
    if name == "undelete":
        await delete(master, photo_version)
    await asyncio.sleep(1 + random.random())
    for node in world.nodes.values():
        if node.node.colo == "west":
            node.freeze()
    started = loop.time()
    await REQUESTS[name](master, photo_version)
    return loop.time() - started


@pytest.mark.parametrize("name", REQUESTS)
def test_a_node_that_hangs_delays_a_request_by_its_patience_only(name):
    """Every request has the patience of an upload."""
    for seed in SEEDS:
        loop = VirtualLoop()
        with with_sparse_shards() as shards:
            duration_seconds = loop.run_until_complete(duration_of(name, seed, shards))
            close_loop(loop)
        assert 0 < duration_seconds <= 2 * PATIENCE_SECONDS + LATENCY_SECONDS, f"seed {seed}"
