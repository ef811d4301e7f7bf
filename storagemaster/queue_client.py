"""Connections to the queue server, at one address or at the primary that Sentinels report.

    redis://user:password@host:6379/0
    redis+sentinel://user:password@host1:26379,host2:26379/service/0

Every new connection queries one of the Sentinels, so it reaches the new primary after a failover.
User and password belong to the queue server; Sentinels have none.
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
# A Sentinel that is slower counts as down, and the next one is queried.
SENTINEL_SECONDS = 1.0


class InvalidQueueUrl(ValueError):
    """The text is not the URL of a queue server; the message states the reason."""


@dataclass(frozen=True, slots=True)
class SentinelQueue:
    """The Sentinels, their name for the primary, and the credentials of the primary."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int = 0
    username: str | None = None
    password: str | None = None


def parse_sentinel_url(url: str) -> SentinelQueue:
    """Parse a `redis+sentinel://` URL.

    Raises:
        InvalidQueueUrl: The URL is malformed.
    """
    login, _, location = url.removeprefix(SENTINEL_SCHEME).rpartition("@")
    hosts, _, path = location.partition("/")
    service, _, database = path.partition("/")
    username, _, password = login.partition(":")
    try:
        sentinels = tuple(_host_and_port(host) for host in hosts.split(","))
        number = int(database or 0)
    except ValueError as error:
        raise InvalidQueueUrl(f"invalid port or database in queue_url: {error}") from error
    if not service or not all(host for host, _ in sentinels):
        raise InvalidQueueUrl(
            f"invalid queue_url: must be {SENTINEL_SCHEME}HOST:PORT,.../SERVICE, where SERVICE is "
            "the name that the Sentinels monitor"
        )
    return SentinelQueue(
        sentinels, service, number, unquote(username) or None, unquote(password) or None
    )


def queue_client(url: str, **options: Any) -> redis.Redis:
    """Return a client of the queue server; `options` are redis-py's connection options.

    Raises:
        InvalidQueueUrl, ValueError: The URL is malformed.
    """
    if not url.startswith(SENTINEL_SCHEME):
        return redis.Redis.from_url(url, **options)
    queue = parse_sentinel_url(url)
    # redis-py has no types for Sentinels.
    sentinel: Any = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        queue.sentinels, sentinel_kwargs=_sentinel_options()
    )
    client: redis.Redis = sentinel.master_for(queue.service, **_options_of(queue), **options)
    return client


@contextlib.asynccontextmanager
async def async_queue_client(url: str) -> AsyncIterator[Any]:
    """Yield a client for an event loop, and close it when the block exits."""
    if not url.startswith(SENTINEL_SCHEME):
        async with redis.asyncio.Redis.from_url(url) as client:
            yield client
        return
    queue = parse_sentinel_url(url)
    sentinel: Any = redis.asyncio.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        queue.sentinels, sentinel_kwargs=_sentinel_options()
    )
    try:
        async with sentinel.master_for(queue.service, **_options_of(queue)) as client:
            yield client
    finally:
        for each in sentinel.sentinels:
            await each.aclose()


def _options_of(queue: SentinelQueue) -> dict[str, Any]:
    return {"db": queue.database, "username": queue.username, "password": queue.password}


def _sentinel_options() -> dict[str, Any]:
    return {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon else (text, SENTINEL_PORT)
