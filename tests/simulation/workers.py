"""Image workers without images: a size is a text with the worker's library and the original."""

import asyncio
import hashlib
import json
from random import Random
from typing import Any

from storagemaster.errors import MasterError
from storagenode.protocol.errors import NodeError
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import BundledFile, render_bundle
from tests.simulation.simulated_master import SimulatedMaster
from tests.simulation.world import World
from volumes.attempts import next_failure_record
from volumes.photo_path import Failure, Info, PhotoFile, Variant, render_path

PAUSE_SECONDS = 0.15
SIZES = "mh"
# Share of photos that cannot be decoded.
UNDECODABLE_PER_CENT = 8


async def work(world: World, library: str) -> None:
    """Process jobs until cancelled."""
    random: Random = world.random
    while True:
        await asyncio.sleep(PAUSE_SECONDS * (0.5 + random.random()))
        if world.queue.jobs:
            original = world.queue.jobs.popleft()
            master = random.choice(world.masters)
            if master.is_up:
                doing = master.run_task(_make(master, original, library, random.random() * 0.4))
                await asyncio.wait((doing,))
                _report_error(world, doing)


async def _make(
    master: SimulatedMaster, original: Variant, library: str, duration_seconds: float
) -> None:
    photo_version = original.photo_version
    files = await master.reads.files_of(photo_version.volume, photo_version.photo)
    holders = files.holders.get(original, ())
    if not holders or {Info(photo_version), Failure(photo_version)} & files.holders.keys():
        return
    data = await master.reads.fetch(original, files)
    await asyncio.sleep(duration_seconds)
    metadata = await master._nodes[holders[0]].stat(Place(original))
    if sum(data) % 100 < UNDECODABLE_PER_CENT:
        failure = next_failure_record(photo_version, files.holders)
        made = [_file(failure, json.dumps({"reason": "undecodable"}).encode())]
    else:
        made = _sizes(original, data, library)
    await master.bundles.take(
        photo_version, render_bundle(made), mtime_seconds=metadata.mtime_seconds
    )


def _sizes(original: Variant, data: bytes, library: str) -> list[BundledFile]:
    photo_version = original.photo_version
    made = [
        _file(Variant(photo_version, size, "jpg"), f"{size} by {library} of ".encode() + data)
        for size in SIZES
    ]
    info = {
        "original": {"ext": original.ext, "sha256": hashlib.sha256(data).hexdigest()},
        "variants": [
            {"size": size, "ext": "jpg", "sha256": file.digest}
            for size, file in zip(SIZES, made, strict=True)
        ],
    }
    return [*made, _file(Info(photo_version), json.dumps(info).encode())]


def _file(file: PhotoFile, data: bytes) -> BundledFile:
    return BundledFile(render_path(file), hashlib.sha256(data).hexdigest(), data)


def _report_error(world: World, task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        error = task.exception()
        if error is not None and not isinstance(error, MasterError | NodeError):
            world.ledger.add_violation(f"unexpected error of a worker's request: {error!r}")
