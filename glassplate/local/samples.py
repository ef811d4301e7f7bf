"""Upload of the sample photos to a local cluster. A second upload changes nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from glassplate.client import Client
from glassplate.errors import NotReadyInTime, SizesFailed
from storagemaster.wire import Receipt
from volumes.cluster import Cluster

READY_SECONDS_MAX = 120.0
_FOLDER = files("storagemaster.console") / "sample_photos"

Report = Callable[[int, int, str], None]
"""Receives the number of finished steps, the total, and the current step."""


@dataclass(frozen=True, slots=True)
class SampleOutcome:
    """Result of uploading one sample photo."""

    name: str
    state: str
    urls: dict[str, str]


def read_sample_photos() -> dict[str, bytes]:
    """Return the sample photos by file name, which the console has as well."""
    photos = [each for each in _FOLDER.iterdir() if each.name.endswith(".jpg")]
    return {photo.name: photo.read_bytes() for photo in sorted(photos, key=lambda each: each.name)}


async def upload_samples(cluster: Cluster, token: str, report: Report) -> list[SampleOutcome]:
    """Upload every sample photo, wait for its sizes, and return its state and URLs."""
    masters = [f"http://{master.address}" for master in cluster.masters.values()]
    photos = await asyncio.to_thread(read_sample_photos)
    async with Client(masters, token=token) as client:
        receipts = []
        for number, (name, data) in enumerate(photos.items()):
            report(number, 2 * len(photos), f"Uploading {name}")
            receipts.append((name, await client.put(data, idempotency_key=f"sample {name}")))
        outcomes = []
        for number, (name, receipt) in enumerate(receipts):
            report(len(photos) + number, 2 * len(photos), f"Sizes of {name}")
            outcomes.append(await _wait_for(client, name, receipt))
        report(2 * len(photos), 2 * len(photos), "All sizes are made")
        return outcomes


async def _wait_for(client: Client, name: str, receipt: Receipt) -> SampleOutcome:
    try:
        status = await client.wait_until_ready(receipt.reference, timeout_seconds=READY_SECONDS_MAX)
    except (SizesFailed, NotReadyInTime) as error:
        return SampleOutcome(name, str(error), receipt.urls)
    return SampleOutcome(name, status.state, status.urls)
