"""Responses of the edges to one URL, for its explanation."""

import asyncio
from collections.abc import Iterable
from typing import Any

import aiohttp

from glassplate.session.exchange import address

RESPONSE_SECONDS = 10.0


async def responses_of(
    session: aiohttp.ClientSession, edges: Iterable[str], request_target: str
) -> list[dict[str, Any]]:
    """Return the status of a GET at each edge, or the reason if it does not respond."""

    async def get(edge: str) -> dict[str, Any]:
        try:
            async with (
                asyncio.timeout(RESPONSE_SECONDS),
                session.get(address(edge, request_target), allow_redirects=False) as response,
            ):
                return {"edge": edge, "status": response.status, "reason": ""}
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # The message of an error of aiohttp can contain the URL.
            return {"edge": edge, "status": None, "reason": type(error).__name__}

    return list(await asyncio.gather(*map(get, edges)))
