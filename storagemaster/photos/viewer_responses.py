"""Responses that a viewer of a photo gets now: from the mirrors' read ports, and from the edges."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from yarl import URL

from permission_urls import ReadSigner
from runtime.lag_free_timeout import lag_free_timeout
from storagemaster.mirrors.mirrors import Mirrors
from volumes.address import Address
from volumes.photo_path import Variant, render_path
from volumes.sizes import size_classes

RESPONSE_SECONDS = 5.0
# Longer than the clocks of a cluster may differ.
URL_SECONDS = 3600


class ViewerResponses:
    """Requests of one photo with a URL of this storagemaster's signing key."""

    def __init__(
        self,
        mirrors: Mirrors,
        signer: ReadSigner,
        session: aiohttp.ClientSession,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._mirrors = mirrors
        self._signer = signer
        self._session = session
        self._now_seconds = now_seconds
        self._classes = {k: str(v) for k, v in size_classes(mirrors.cluster.sizes).items()}

    async def of(self, variant: Variant) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the response of each mirror and of each edge, by id: `status` and `reason`.

        The status is None without a response. A size that is not in the config has no URL,
        and no responses.
        """
        if variant.size not in self._classes:
            return {}, {}
        path = self._signer.url(
            render_path(variant),
            size_class=self._classes[variant.size],
            expiry_seconds=int(self._now_seconds()) + URL_SECONDS,
        )
        cluster = self._mirrors.cluster
        mirrors = cluster.mirrors_of(variant.photo_version.volume)
        return (
            await self._get_all({node.id: node.read for node in mirrors}, path),
            await self._get_all({i: edge.listen for i, edge in cluster.edges.items()}, path),
        )

    async def _get_all(self, servers: Mapping[str, Address], path: str) -> dict[str, Any]:
        responses = await asyncio.gather(*(self._get(each, path) for each in servers.values()))
        return dict(zip(servers, responses, strict=True))

    async def _get(self, server: Address, path: str) -> dict[str, Any]:
        url = URL(f"http://{server}{path}", encoded=True)
        try:
            async with (
                lag_free_timeout(RESPONSE_SECONDS),
                self._session.get(url, allow_redirects=False) as response,
            ):
                return {"status": response.status, "reason": ""}
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # The message of an error of aiohttp can contain the URL.
            return {"status": None, "reason": type(error).__name__}
