"""Connections to the queue: at one address, or wherever Sentinels say that its primary is now.

    redis://user:password@host:6379/0
    redis+sentinel://user:password@host1:26379,host2:26379/service/0

Of Sentinels any one is asked whenever a connection is made, so that after a failover the next
connection is to the new primary. User and password are those of the queue; Sentinels have none.
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
# A Sentinel that takes longer is taken as away, and the next one is asked.
SENTINEL_SECONDS = 1.0


class InvalidQueueUrl(ValueError):
    """The text is not the URL of a queue; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class SentinelQueue:
    """Who knows the primary, what they call it, and how to log in there."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int = 0
    username: str | None = None
    password: str | None = None


def parse_sentinel_url(url: str) -> SentinelQueue:
    """A `redis+sentinel://` URL, taken apart.

    Raises:
        InvalidQueueUrl: It is none.
    """
    login, _, rest = url.removeprefix(SENTINEL_SCHEME).rpartition("@")
    hosts, _, path = rest.partition("/")
    service, _, database = path.partition("/")
    username, _, password = login.partition(":")
    try:
        sentinels = tuple(_host_and_port(host) for host in hosts.split(","))
        number = int(database or 0)
    except ValueError as error:
        raise InvalidQueueUrl(f"a port or database of queue_url is no number: {error}") from error
    if not service or not all(host for host, _ in sentinels):
        raise InvalidQueueUrl(
            f"queue_url needs {SENTINEL_SCHEME}HOST:PORT,.../SERVICE, with the service that the "
            "Sentinels monitor"
        )
    return SentinelQueue(
        sentinels, service, number, unquote(username) or None, unquote(password) or None
    )


def queue_client(url: str, **options: Any) -> redis.Redis:
    """A client of the queue; `options` are redis-py's for connections.

    Raises:
        InvalidQueueUrl, ValueError: The URL is none.
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
    """The same for an event loop, for as long as the block lasts."""
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
