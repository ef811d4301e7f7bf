"""Signed requests to a node's write port, and what becomes of their answers and failures."""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from yarl import URL

from permission_urls import InternalSigner
from storagenode.protocol import wire
from storagenode.protocol.errors import NodeError, Unreachable
from storagenode.transport.raw_http import MalformedResponse, RawHttpClient
from volumes.address import Address

CONNECT_SECONDS = 0.5
CALL_SECONDS = 5.0
# A node that sends a file may take its time, but not fall silent.
SILENCE_SECONDS = 10.0
# How long a signature is good: longer than any transfer, and short enough to be worthless later.
SIGNATURE_SECONDS = 300

# Also what is no HTTP: of a node behind that nothing is known either.
_UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError)


class SignedRequests:
    """Sends what is asked of one node. Not answering in time is `Unreachable`, never a no."""

    def __init__(
        self,
        address: Address,
        session: aiohttp.ClientSession,
        signer: InternalSigner,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self.url = f"http://{address}"
        self._session = session
        self._short = RawHttpClient(address, connect_seconds=CONNECT_SECONDS)
        self._signer = signer
        self._now_seconds = now_seconds

    def close(self) -> None:
        """Let go of the connections that were kept for whole files."""
        self._short.close()

    async def _call_short(self, method: str, path: str, body: bytes, *, signed: bytes) -> Any:
        """As `_call`, for a body that is signed by a part of it; there is no time-out here."""
        digest = hashlib.sha256(signed).hexdigest()
        headers = {wire.SIGNATURE_HEADER: self._sign(method, path, digest)}
        try:
            answer = await self._short.send(method, path, headers, body)
            if answer.status >= 400:
                name = answer.headers.get(wire.ERROR_HEADER.lower(), "")
                raise wire.parse_error(answer.status, name, answer.body.decode("utf-8", "replace"))
            return json.loads(answer.body)
        except (MalformedResponse, ValueError) as error:
            raise self._no_node(error) from error
        except _UNREACHABLE as error:
            raise _unreachable(self.url, error) from error

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        timeout_seconds: float | None = CALL_SECONDS,
    ) -> Any:
        digest = hashlib.sha256(body).hexdigest()
        headers = {wire.SIGNATURE_HEADER: self._sign(method, path, digest)}
        return await self._send(
            method, path, data=body, headers=headers, timeout_seconds=timeout_seconds
        )

    async def _send(
        self,
        method: str,
        path: str,
        *,
        data: Any,
        headers: dict[str, str],
        timeout_seconds: float | None,
    ) -> Any:
        try:
            async with self._session.request(
                method,
                self._url(path),
                data=data,
                headers=headers,
                timeout=_timeout(timeout_seconds),
            ) as response:
                await _raise_refusal(response)
                return await response.json()
        except (aiohttp.ContentTypeError, ValueError) as error:
            raise self._no_node(error) from error
        except _UNREACHABLE as error:
            raise _unreachable(self.url, error) from error

    @contextlib.asynccontextmanager
    async def _streaming(
        self, path: str, method: str, *, timeout_seconds: float | None, body: bytes = b""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        digest = hashlib.sha256(body).hexdigest()
        headers = {wire.SIGNATURE_HEADER: self._sign(method, path, digest)}
        try:
            async with self._session.request(
                method,
                self._url(path),
                data=body or None,
                headers=headers,
                timeout=_timeout(timeout_seconds, silence_seconds=SILENCE_SECONDS),
            ) as response:
                await _raise_refusal(response)
                yield response
        except _UNREACHABLE as error:
            raise _unreachable(self.url, error) from error

    def _sign(self, method: str, path: str, digest: str) -> str:
        return self._signer.sign_request(
            method=method,
            path=path,
            digest=digest,
            expiry_seconds=int(self._now_seconds()) + SIGNATURE_SECONDS,
        )

    def _url(self, path: str) -> URL:
        return URL(self.url + path, encoded=True)

    def _no_node(self, error: Exception) -> NodeError:
        return NodeError(f"{self.url} does not answer as a node does: {error}")


def _timeout(
    total_seconds: float | None, *, silence_seconds: float | None = None
) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=total_seconds, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds
    )


async def _raise_refusal(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    name = response.headers.get(wire.ERROR_HEADER, "")
    raise wire.parse_error(response.status, name, await response.text())


def _unreachable(url: str, error: BaseException) -> Unreachable:
    if isinstance(error, asyncio.TimeoutError):
        return Unreachable(f"{url} did not answer in time")
    return Unreachable(f"{url}: {type(error).__name__}: {error}")
