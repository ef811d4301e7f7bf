"""Webhooks: signed events sent to the application's URLs, with a limited number of retries.

Each storagemaster sends only its own events. They wait in memory, so an application that must not
miss an event also queries the status of the photo.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass

import aiohttp

from permission_urls import (
    KeySource,
    Purpose,
    VolumeRange,
    VolumeRanges,
    application_key,
    is_in_ranges,
    sign_webhook,
)
from storagemaster.events.events import Event, Events
from storagemaster.wire import SIGNATURE_HEADER
from volumes.cluster import Application, Cluster

log = logging.getLogger(__name__)

WAITING_MAX = 10_000
RESPONSE_SECONDS = 10.0
ATTEMPTS_MAX = 8
FIRST_PAUSE_SECONDS = 1.0
PAUSE_SECONDS_MAX = 60.0


@dataclass(slots=True)
class Counts:
    """Outcomes of the webhooks to one receiver."""

    delivered: int = 0
    given_up: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Receiver:
    """A URL that receives the events of some volumes, signed with its application's key."""

    url: str
    volumes: VolumeRanges | None
    """None for all, also for a volume that is opened later."""
    application: str | None = None
    """None for the whole cluster, whose own key signs."""


def receivers_of(cluster: Cluster) -> tuple[Receiver, ...]:
    """Return the receivers of a cluster and of its applications."""
    return (
        *(Receiver(url, None) for url in cluster.webhook_urls),
        *(
            Receiver(url, _ranges_of(application), application.name)
            for application in cluster.applications.values()
            for url in application.webhook_urls
        ),
    )


def _ranges_of(application: Application) -> VolumeRanges | None:
    ranges = application.volumes
    return None if ranges is None else tuple(VolumeRange(*each) for each in ranges)


class Webhooks:
    """The events that wait for each receiver: in order for one, independent of the others."""

    def __init__(
        self,
        receivers: Iterable[Receiver],
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
        self._waiting: dict[Receiver, asyncio.Queue[Event]] = {
            receiver: asyncio.Queue(WAITING_MAX) for receiver in receivers
        }
        self.counts = {receiver: Counts() for receiver in self._waiting}
        events.subscribe_local(self._send_soon)

    async def send_all(self) -> None:
        """Send queued events until cancelled."""
        async with asyncio.TaskGroup() as group:
            for receiver in self._waiting:
                group.create_task(self._send_to(receiver))
            group.create_task(asyncio.Event().wait())  # there may be no receiver

    def _send_soon(self, event: Event) -> None:
        for receiver, waiting in self._waiting.items():
            if not is_in_ranges(event.volume, receiver.volumes):
                continue
            try:
                waiting.put_nowait(event)
            except asyncio.QueueFull:
                self.counts[receiver].dropped += 1

    async def _send_to(self, receiver: Receiver) -> None:
        while True:
            event = await self._waiting[receiver].get()
            if await self._deliver(receiver, event):
                self.counts[receiver].delivered += 1
            else:
                self.counts[receiver].given_up += 1
                log.warning(
                    "webhook %s: gave up on photo %s, state %s, after %d attempts",
                    receiver.url,
                    event.photo,
                    event.state,
                    ATTEMPTS_MAX,
                )

    async def _deliver(self, receiver: Receiver, event: Event) -> bool:
        for pause_seconds in [*backoff_delays(), None]:
            if await self._post(receiver, json.dumps(asdict(event)).encode()):
                return True
            if pause_seconds is not None:
                await self._sleep(pause_seconds)
        return False

    async def _post(self, receiver: Receiver, body: bytes) -> bool:
        """Return True if the receiver responded with a 2xx status."""
        application = receiver.application
        key = application_key(self._keys, Purpose.WEBHOOK, application) if application else None
        signature = sign_webhook(key or self._keys, body, now_seconds=self._now_seconds())
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signature}
        try:
            async with self._session.post(
                receiver.url,
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
