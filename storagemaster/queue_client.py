"""Connections to the queue server: at one address, or at the primary that Sentinels report.

    redis://user:password@host:6379/0
    redis+sentinel://user:password@host1:26379,host2:26379/service/0

Every new connection queries a Sentinel first, so that it reaches the new primary after a failover.
User and password are for the queue server; Sentinels have none.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

SENTINEL_SCHEME = "redis+sentinel://"
SENTINEL_PORT = 26379
# A Sentinel that takes longer counts as down, and the client queries the next one.
SENTINEL_SECONDS = 1.0


class InvalidQueueUrl(ValueError):
    """The text is not the URL of a queue server; the message has the reason."""


@dataclass(frozen=True, slots=True)
class SentinelQueue:
    """The Sentinels, the service that they monitor, and the login of the queue server."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int = 0
    username: str | None = None
    password: str | None = None


def parse_sentinel_url(url: str) -> SentinelQueue:
    """Parse a `redis+sentinel://` URL.

    Raises:
        InvalidQueueUrl: The URL has no service, no host, or an invalid number.
    """
    login, _, rest = url.removeprefix(SENTINEL_SCHEME).rpartition("@")
    hosts, _, path = rest.partition("/")
    service, _, database = path.partition("/")
    username, _, password = login.partition(":")
    try:
        sentinels = tuple(_host_and_port(host) for host in hosts.split(","))
        number = int(database or 0)
    except ValueError as error:
        raise InvalidQueueUrl(f"invalid port or database in queue_url: {error}") from error
    if not service or not all(host for host, _ in sentinels):
        raise InvalidQueueUrl(
            f"invalid queue_url: it must be {SENTINEL_SCHEME}HOST:PORT,.../SERVICE, with the "
            "service that the Sentinels monitor"
        )
    return SentinelQueue(
        sentinels, service, number, unquote(username) or None, unquote(password) or None
    )


def queue_client(url: str, **options: Any) -> redis.Redis:
    """Return a client of the queue server; `options` are redis-py's options of connections.

    Raises:
        InvalidQueueUrl, ValueError: The URL is invalid.
    """
    if not url.startswith(SENTINEL_SCHEME):
        return redis.Redis.from_url(url, **options)
    queue = parse_sentinel_url(url)
    # redis-py leaves its Sentinels untyped.
    known: Any = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        queue.sentinels, sentinel_kwargs=_sentinel_options()
    )
    client: redis.Redis = known.master_for(queue.service, **_options_of(queue), **options)
    return client


@contextlib.asynccontextmanager
async def async_queue_client(url: str) -> AsyncIterator[Any]:
    """Yield a client of the queue server for an event loop, and close it after the block."""
    if not url.startswith(SENTINEL_SCHEME):
        async with redis.asyncio.Redis.from_url(url) as client:
            yield client
        return
    queue = parse_sentinel_url(url)
    known: Any = redis.asyncio.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        queue.sentinels, sentinel_kwargs=_sentinel_options()
    )
    try:
        async with known.master_for(queue.service, **_options_of(queue)) as client:
            yield client
    finally:
        for each in known.sentinels:
            await each.aclose()


def _options_of(queue: SentinelQueue) -> dict[str, Any]:
    return {"db": queue.database, "username": queue.username, "password": queue.password}


def _sentinel_options() -> dict[str, Any]:
    return {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon else (text, SENTINEL_PORT)
