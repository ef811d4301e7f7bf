"""Signed requests to a node's write port, with failures as `NodeError`."""

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from yarl import URL

from permission_urls import SIGNATURE_SECONDS, InternalSigner, KeySource
from runtime.lag_free_timeout import lag_free_timeout
from runtime.request_scope import forwarded_headers
from runtime.tls.certificate import Certificate
from runtime.tls.machine_name import MachineName, Role
from storagenode.protocol import errors, wire
from storagenode.protocol.errors import NodeError, Unreachable
from storagenode.protocol.routes import Signed, Target, signed_digest
from storagenode.transport.proven_tombstones import ProvenTombstones
from storagenode.transport.raw_http import MalformedResponse, RawHttpClient
from volumes.address import Address
from volumes.cluster import NodeId
from volumes.json_text import parse_json

CONNECT_SECONDS = 0.5
# The process of the node takes part in a handshake, and a busy one is later than its kernel.
TLS_CONNECT_SECONDS = 1.5
CALL_SECONDS = 5.0
# A node can take long to send a file, but sends some of it at least this often.
SILENCE_SECONDS = 10.0

# Responses that are not HTTP count as well: they tell nothing about the node.
_UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError)
# Another machine answers at the node's address. Some of these errors are also a `ValueError`.
_NOT_TRUSTED = (ssl.SSLError, aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError)


class SignedRequests:
    """Sender of signed requests to one node. A missing response raises `Unreachable`."""

    def __init__(
        self,
        receiver: NodeId,
        address: Address,
        session: aiohttp.ClientSession,
        keys: KeySource,
        certificate: Certificate | None = None,
        *,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        self.url = f"{'https' if certificate else 'http'}://{address}"
        self._receiver = receiver
        self._session = session
        self._certificate = certificate
        self._connect_seconds = TLS_CONNECT_SECONDS if certificate else CONNECT_SECONDS
        self._short = RawHttpClient(
            address, connect_seconds=self._connect_seconds, tls_options=self._tls
        )
        self._signer = InternalSigner(keys)
        self.proven = ProvenTombstones(receiver, keys)
        self._now_seconds = now_seconds

    def close(self) -> None:
        """Close the connections for short requests."""
        self._short.close()

    async def _call_short(
        self, target: Target, *body: bytes, timeout_seconds: float | None = CALL_SECONDS
    ) -> Any:
        """Send a request as `_call` does, at less cost. It must be one that can arrive twice.

        The body is given in parts. If only its header is signed, that is the first one.
        """
        signed = body[0] if target.signed is Signed.HEADER else b"".join(body)
        headers = self._signature(target, signed)
        try:
            async with lag_free_timeout(timeout_seconds):
                response = await self._short.send(target.method, target.path, headers, body)
            if response.status >= 400:
                name = response.headers.get(wire.ERROR_HEADER.lower(), "")
                text = response.body.decode("utf-8", "replace")
                raise errors.parse_error(response.status, name, text)
            return parse_json(response.body)
        except _NOT_TRUSTED as error:
            raise _unreachable(self.url, error) from error
        except (MalformedResponse, ValueError) as error:
            raise self._not_a_node(error) from error
        except _UNREACHABLE as error:
            raise _unreachable(self.url, error) from error

    async def _call(
        self,
        target: Target,
        body: bytes = b"",
        *,
        timeout_seconds: float | None = CALL_SECONDS,
    ) -> Any:
        headers = self._signature(target, body)
        return await self._send(target, data=body, headers=headers, timeout_seconds=timeout_seconds)

    async def _send(
        self,
        target: Target,
        *,
        data: Any,
        headers: dict[str, str],
        timeout_seconds: float | None,
    ) -> Any:
        try:
            async with (
                lag_free_timeout(timeout_seconds),
                self._session.request(
                    target.method,
                    self._url(target.path),
                    data=data,
                    headers=headers,
                    timeout=self._timeout(),
                    **self._tls(),
                ) as response,
            ):
                await _raise_for_error(response)
                return await response.json()
        except _NOT_TRUSTED as error:
            raise _unreachable(self.url, error) from error
        except (aiohttp.ContentTypeError, ValueError) as error:
            raise self._not_a_node(error) from error
        except _UNREACHABLE as error:
            raise _unreachable(self.url, error) from error

    async def _send_stream(
        self,
        target: Target,
        body: AsyncIterator[bytes],
        *,
        bytes_total: int | None,
        digest: Callable[[], str],
    ) -> Any:
        """Send a body with its closing signature. `digest` returns its SHA-256 after its end."""
        headers = self._signature(target)
        if bytes_total is not None:
            headers["Content-Length"] = str(bytes_total + wire.TRAILER_BYTES)

        async def signed() -> AsyncIterator[bytes]:
            async for chunk in body:
                yield chunk
            yield wire.render_trailer(self._sign(target, digest()))

        return await self._send(target, data=signed(), headers=headers, timeout_seconds=None)

    @contextlib.asynccontextmanager
    async def _streaming(
        self, target: Target, body: bytes = b"", *, timeout_seconds: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with (
                lag_free_timeout(timeout_seconds),
                self._session.request(
                    target.method,
                    self._url(target.path),
                    data=body or None,
                    headers=self._signature(target, body),
                    timeout=self._timeout(silence_seconds=SILENCE_SECONDS),
                    **self._tls(),
                ) as response,
            ):
                await _raise_for_error(response)
                yield response
        except _UNREACHABLE as error:
            raise _unreachable(self.url, error) from error

    def _signature(self, target: Target, body: bytes = b"") -> dict[str, str]:
        digest = signed_digest(target.signed, body)
        headers = {wire.SIGNATURE_HEADER: self._sign(target, digest)}
        if body:
            headers[wire.DIGEST_HEADER] = digest
        # Only logs show it, so the signature does not cover it.
        return headers | forwarded_headers()

    def _sign(self, target: Target, digest: str) -> str:
        return self._signer.sign_request(
            receiver=self._receiver,
            method=target.method,
            path=target.path,
            digest=digest,
            expiry_seconds=int(self._now_seconds()) + SIGNATURE_SECONDS,
        )

    def _tls(self) -> dict[str, Any]:
        if self._certificate is None:
            return {}
        # TLS compares the name of the node with its certificate: no other machine can answer.
        return self._certificate.options_for(MachineName(Role.NODE, self._receiver))

    def _url(self, path: str) -> URL:
        return URL(self.url + path, encoded=True)

    def _timeout(self, *, silence_seconds: float | None = None) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(sock_connect=self._connect_seconds, sock_read=silence_seconds)

    def _not_a_node(self, error: Exception) -> NodeError:
        return NodeError(f"{self.url} did not respond as a storagenode: {error}")


async def _raise_for_error(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    name = response.headers.get(wire.ERROR_HEADER, "")
    raise errors.parse_error(response.status, name, await response.text())


def _unreachable(url: str, error: BaseException) -> Unreachable:
    if isinstance(error, asyncio.TimeoutError):
        return Unreachable(f"{url} did not respond in time")
    number = error.os_error.errno if isinstance(error, aiohttp.ClientConnectorError) else None
    if number is not None and number > 0:  # names that are not found have negative ones
        return Unreachable(f"no connection to {url}: {os.strerror(number)}")
    return Unreachable(f"{url}: {type(error).__name__}: {error}")
