"""Volumes on the command line, and what is done to several of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click

from glassplate.client import Client

VOLUME = click.IntRange(1, 65535)
# Storagemasters ask two nodes for each; more at once would only wait there.
VOLUMES_AT_ONCE = 4

Document = dict[str, Any]


async def map_volumes(
    volumes: Sequence[int], ask: Callable[[int], Awaitable[Document]]
) -> list[Document]:
    """The documents of volumes, in their order; several are asked for at once."""
    gate = asyncio.Semaphore(VOLUMES_AT_ONCE)

    async def one(volume: int) -> Document:
        async with gate:
            return await ask(volume)

    return list(await asyncio.gather(*(one(volume) for volume in volumes)))


async def chosen_or_all(client: Client, volumes: Sequence[int]) -> list[int]:
    """The volumes that were named, each once; all of the cluster where none was."""
    if volumes:
        return list(dict.fromkeys(volumes))
    return [volume["number"] for volume in (await client.status())["volumes"]]
