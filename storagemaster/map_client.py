"""Client of the volume map, for machines without a storagemaster: edges and workers.

A storagemaster writes the map in force beside the config of its machine, and the processes of the
machine follow that file. On other machines, this client keeps the file.
"""

import asyncio
import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
from yarl import URL

from permission_urls import (
    SIGNATURE_SECONDS,
    Forbidden,
    InternalSigner,
    InvalidKeys,
    KeySource,
    Purpose,
    Unsignable,
    verify_map,
)
from runtime.tls.certificate import Certificate
from runtime.tls.machine_name import MachineName, Role
from storagemaster import wire
from volumes.cluster import Cluster, Master
from volumes.config.cluster_file import MAP_NAME, save_map
from volumes.config.config_reader import InvalidConfig
from volumes.config.followed_cluster import FollowedCluster
from volumes.map.map_text import parse_map

log = logging.getLogger(__name__)

PASS_SECONDS = 1.0
RESPONSE_SECONDS = 5.0
CONNECT_SECONDS = 1.5
NOT_FOLLOWED = "the volume map is not followed"
EMPTY_DIGEST = hashlib.sha256(b"").hexdigest()


class NoMap(Exception):
    """The map could not be read; the message has the reason."""


class MapFollower:
    """Thread that keeps the file of the volume map beside a config."""

    def __init__(
        self,
        config: Path,
        keys: KeySource,
        *,
        colo: str = "",
        certificate: Certificate | None = None,
        report: Callable[[str], None] = log.warning,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        """Query the storagemasters of a colo first. With TLS, a worker has a certificate.

        Raises:
            InvalidConfig, OSError: The config cannot be read.
        """
        self._path = config.with_name(MAP_NAME)
        self._followed = FollowedCluster(config)
        self._keys = keys
        self._signer = InternalSigner(keys, Purpose.MAP)
        self._colo = colo
        self._certificate = certificate
        self._report = report
        self._now_seconds = now_seconds
        self._reported = ""
        self._stopped = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the thread until the block exits."""
        threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True).start()
        try:
            yield
        finally:
            self._stopped.set()

    async def follow(self, session: aiohttp.ClientSession) -> None:
        """Store the map in force, if it is newer than the one of this machine.

        Raises:
            NoMap: It cannot be read, verified, or stored.
        """
        cluster = self._followed.now()
        signed = await self._newer(cluster, session)
        if signed is None:
            return
        try:
            found = parse_map(verify_map(self._keys, signed))
        except Forbidden as error:
            raise NoMap(f"{NOT_FOLLOWED}: no key of this cluster signed it") from error
        except (InvalidKeys, InvalidConfig) as error:
            raise NoMap(f"{NOT_FOLLOWED}: {error}") from error
        # A storagemaster of the machine may have stored it meanwhile.
        if found.version > self._followed.now().map_version:
            try:
                save_map(signed, self._path)
            except OSError as error:
                raise NoMap(f"the volume map cannot be stored: {error}") from error

    async def _run(self) -> None:
        async with aiohttp.ClientSession() as session:
            while not self._stopped.is_set():
                try:
                    await self.follow(session)
                except NoMap as error:
                    if str(error) != self._reported:
                        self._report(str(error))
                    self._reported = str(error)
                else:
                    self._reported = ""
                await asyncio.sleep(PASS_SECONDS)

    async def _newer(self, cluster: Cluster, session: aiohttp.ClientSession) -> str | None:
        """Return the signed text of the map in force, or None if it is not newer."""
        failures = []
        for master in sorted(cluster.masters.values(), key=lambda each: each.colo != self._colo):
            try:
                return await self._read(cluster.map_version, master, session)
            except (InvalidKeys, Unsignable) as error:
                raise NoMap(
                    f"{NOT_FOLLOWED}: {error}; export keys with --purpose map, or "
                    f"copy {MAP_NAME} from a storagemaster's machine"
                ) from error
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failures.append(f"{master.id}: {type(error).__name__}: {error}")
        raise NoMap(f"{NOT_FOLLOWED}: {'; '.join(failures)}")

    async def _read(
        self, version: int, master: Master, session: aiohttp.ClientSession
    ) -> str | None:
        path = wire.INTERNAL_MAP.path(query=[("version", str(version))])
        tls = self._certificate
        address = master.address if tls is None else master.for_workers
        options = {} if tls is None else tls.options_for(MachineName(Role.MASTER, master.id))
        signature = self._signer.sign_request(
            receiver=master.id,
            method=wire.INTERNAL_MAP.method,
            path=path,
            digest=EMPTY_DIGEST,
            expiry_seconds=int(self._now_seconds()) + SIGNATURE_SECONDS,
        )
        async with session.get(
            URL(f"{'http' if tls is None else 'https'}://{address}{path}", encoded=True),
            headers={wire.SIGNATURE_HEADER: signature, wire.SIGNED_DIGEST_HEADER: EMPTY_DIGEST},
            timeout=aiohttp.ClientTimeout(total=RESPONSE_SECONDS, sock_connect=CONNECT_SECONDS),
            **options,
        ) as response:
            response.raise_for_status()
            return await response.text() if response.status == 200 else None
