"""Connections to the queue server: at one address, or at the primary that Sentinels report.

    redis://user:password@host:6379/0
    rediss://user:password@host:6379/0                                  with TLS
    redis+sentinel://user:password@host1:26379,host2:26379/service/0

Every new connection queries a Sentinel first, so that it reaches the new primary after a failover.
User and password are for the queue server; Sentinels have none. Every new connection also reads the
password file and the certificate, so that a process follows their changes.
"""

import contextlib
import os
import stat
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

from runtime.tls.machine_name import Role
from volumes.cluster import Cluster
from volumes.machines import certificate_files

TLS_SCHEME = "rediss://"
SENTINEL_SCHEME = "redis+sentinel://"
SENTINEL_PORT = 26379
# A Sentinel that takes longer counts as down, and the client queries the next one.
SENTINEL_SECONDS = 1.0


class InvalidQueueUrl(ValueError):
    """The text is not the URL of a queue server; the message has the reason."""


@dataclass(frozen=True, slots=True)
class QueueServer:
    """The queue server of a cluster, as one machine connects to it."""

    url: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """redis-py's options of every connection. Those in the URL have priority."""


def queue_server(cluster: Cluster, role: Role, id_: str) -> QueueServer:
    """Return the queue server for one machine of the cluster."""
    options: dict[str, Any] = {}
    if cluster.queue_password_file:
        options["credential_provider"] = PasswordFile(Path(cluster.queue_password_file))
    files = certificate_files(cluster, role, id_)
    if files is not None and cluster.queue_url.startswith(TLS_SCHEME):
        own = str(files.certificate)
        options |= {"ssl_certfile": own, "ssl_keyfile": own, "ssl_ca_certs": str(files.authority)}
    return QueueServer(cluster.queue_url, options)


class PasswordFile(redis.CredentialProvider):
    """The password in a file, which each connection reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_credentials(self) -> tuple[str]:
        """Return the password.

        Raises:
            AuthenticationError: The file cannot be read, or all users can read it.
        """
        try:
            with self._path.open(encoding="utf-8") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                password = file.read().strip()
        except (OSError, ValueError) as error:
            raise redis.AuthenticationError(
                f"cannot read queue_password_file: {error}; copy it to this machine"
            ) from error
        if mode & stat.S_IRWXO:
            raise redis.AuthenticationError(
                f"all users can read queue_password_file: mode is {mode:04o}; chmod o= {self._path}"
            )
        return (password,)

    async def get_credentials_async(self) -> tuple[str]:
        """Return the password, as `get_credentials` does."""
        return self.get_credentials()


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


def queue_client(server: QueueServer, **options: Any) -> redis.Redis:
    """Return a client of the queue server; `options` are more options of its connections.

    Raises:
        InvalidQueueUrl, ValueError: The URL is invalid.
    """
    options = {**server.options, **options}
    if not server.url.startswith(SENTINEL_SCHEME):
        return redis.Redis.from_url(server.url, **options)
    queue = parse_sentinel_url(server.url)
    # redis-py leaves its Sentinels untyped.
    known: Any = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        queue.sentinels, sentinel_kwargs=_sentinel_options()
    )
    client: redis.Redis = known.master_for(queue.service, **_options_of(queue), **options)
    return client


@contextlib.asynccontextmanager
async def async_queue_client(server: QueueServer) -> AsyncIterator[Any]:
    """Yield a client of the queue server for an event loop, and close it after the block."""
    if not server.url.startswith(SENTINEL_SCHEME):
        async with redis.asyncio.Redis.from_url(server.url, **server.options) as client:
            yield client
        return
    queue = parse_sentinel_url(server.url)
    known: Any = redis.asyncio.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        queue.sentinels, sentinel_kwargs=_sentinel_options()
    )
    try:
        async with known.master_for(
            queue.service, **_options_of(queue), **server.options
        ) as client:
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
