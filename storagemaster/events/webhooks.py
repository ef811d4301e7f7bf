"""Webhooks: signed events sent to the application's URLs, with a limited number of retries.

Each storagemaster sends only its own events. They wait in memory, so an application that must not
miss an event also queries the status of the photo.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

import aiohttp

from permission_urls import KeySource, sign_webhook
from storagemaster.events.events import Event, Events
from storagemaster.wire import SIGNATURE_HEADER
from volumes.cluster import Cluster

log = logging.getLogger(__name__)

WAITING_MAX = 10_000
RESPONSE_SECONDS = 10.0
ATTEMPTS_MAX = 8
FIRST_PAUSE_SECONDS = 1.0
PAUSE_SECONDS_MAX = 60.0


@dataclass(slots=True)
class Counts:
    """Outcomes of the webhooks to one URL."""

    delivered: int = 0
    given_up: int = 0
    dropped: int = 0


def receivers_of(cluster: Cluster) -> dict[str, Callable[[int], bool]]:
    """Return the URLs of a cluster and of its applications, each with the volumes it may see."""
    volumes = {url: set(cluster.volumes) for url in cluster.webhook_urls}
    for application in cluster.applications.values():
        own = {number for number in cluster.volumes if application.has_volume(number)}
        for url in application.webhook_urls:
            volumes.setdefault(url, set()).update(own)
    return {url: seen.__contains__ for url, seen in volumes.items()}


class Webhooks:
    """The events that wait for each URL: in order for one URL, independent of other URLs."""

    def __init__(
        self,
        receivers: Mapping[str, Callable[[int], bool]],
        session: aiohttp.ClientSession,
        keys: KeySource,
        events: Events,
        *,
        now_seconds: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._session = session
        self._keys = keys
        self._now_seconds = now_seconds
        self._sleep = sleep
        self._waiting: dict[str, asyncio.Queue[Event]] = {
            url: asyncio.Queue(WAITING_MAX) for url in receivers
        }
        self._receivers = receivers
        self.counts = {url: Counts() for url in receivers}
        events.subscribe_local(self._send_soon)

    async def send_all(self) -> None:
        """Send queued events until cancelled."""
        async with asyncio.TaskGroup() as group:
            for url in self._waiting:
                group.create_task(self._send_to(url))
            group.create_task(asyncio.Event().wait())  # there may be no URL

    def _send_soon(self, event: Event) -> None:
        for url, waiting in self._waiting.items():
            if not self._receivers[url](event.volume):
                continue
            try:
                waiting.put_nowait(event)
            except asyncio.QueueFull:
                self.counts[url].dropped += 1

    async def _send_to(self, url: str) -> None:
        while True:
            event = await self._waiting[url].get()
            if await self._deliver(url, event):
                self.counts[url].delivered += 1
            else:
                self.counts[url].given_up += 1
                log.warning(
                    "webhook %s: gave up on photo %s, state %s, after %d attempts",
                    url,
                    event.photo,
                    event.state,
                    ATTEMPTS_MAX,
                )

    async def _deliver(self, url: str, event: Event) -> bool:
        for pause_seconds in [*backoff_delays(), None]:
            if await self._post(url, json.dumps(asdict(event)).encode()):
                return True
            if pause_seconds is not None:
                await self._sleep(pause_seconds)
        return False

    async def _post(self, url: str, body: bytes) -> bool:
        """Return True if the URL responded with a 2xx status."""
        headers = {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: sign_webhook(self._keys, body, now_seconds=self._now_seconds()),
        }
        try:
            async with self._session.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=RESPONSE_SECONDS),
            ) as response:
                return 200 <= response.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


def backoff_delays() -> list[float]:
    """Return the pauses between failed attempts: doubling, up to one minute."""
    return [
        min(PAUSE_SECONDS_MAX, FIRST_PAUSE_SECONDS * 2**number)
        for number in range(ATTEMPTS_MAX - 1)
    ]
