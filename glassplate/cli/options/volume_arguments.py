"""Volumes that a command names, and requests and repairs for each."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click

from glassplate.client import Client

# A storagemaster queries two nodes for each volume, so more requests would only wait there.
CONCURRENT_VOLUMES = 4

NOT_APPLIED = "Nothing was changed. Use --apply to carry out the plan."

apply_option = click.option("--apply", "is_applied", is_flag=True, help="Carry out the plan.")

Document = dict[str, Any]


async def map_volumes(
    volumes: Sequence[int], request: Callable[[int], Awaitable[Document]]
) -> list[Document]:
    """Return the document of each volume, in order. Several requests run concurrently."""
    semaphore = asyncio.Semaphore(CONCURRENT_VOLUMES)

    async def request_one(volume: int) -> Document:
        async with semaphore:
            return await request(volume)

    return list(await asyncio.gather(*(request_one(volume) for volume in volumes)))


async def repair_all(client: Client, plans: Sequence[Document]) -> list[Document]:
    """Repair the volumes of these plans, and show the progress."""
    from glassplate.cli.views.progress import RepairProgress

    with RepairProgress(plans) as progress:

        async def repair(volume: int) -> Document:
            repaired = await client.repair(volume)
            progress.end(repaired)
            return repaired

        return await map_volumes([plan["volume"] for plan in plans], repair)


async def chosen_or_all(client: Client, volumes: Sequence[int]) -> list[int]:
    """Return the named volumes, each once, or all of the cluster if none is named."""
    if volumes:
        return list(dict.fromkeys(volumes))
    return [volume["number"] for volume in (await client.status())["volumes"]]
