"""Events between storagemasters, through Valkey's pub/sub. Without Valkey they are lost.

Any client of Valkey can publish on the channel, so each event is signed like a job.
"""

import asyncio
import contextlib
import json
import logging
from dataclasses import asdict
from typing import Any

import redis

from permission_urls import Forbidden, KeySource, sign_job, verify_job
from storagemaster.events.events import Event, Events
from storagemaster.queue_client import QueueServer, async_queue_client
from volumes.json_text import parse_json

log = logging.getLogger(__name__)

CHANNEL = "glassplate:events"
WAITING_MAX = 10_000
RECONNECT_SECONDS = 1.0


class EventRelay:
    """The exchange of events between this storagemaster and the others."""

    def __init__(self, server: QueueServer, keys: KeySource, events: Events, *, boot: str) -> None:
        self._server = server
        self._keys = keys
        self._events = events
        self._boot = boot
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(WAITING_MAX)
        events.subscribe_local(self._send_soon)

    async def run(self) -> None:
        """Send and receive events until the connection breaks."""
        try:
            async with async_queue_client(self._server) as client, client.pubsub() as channel:
                await channel.subscribe(CHANNEL)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._send(client))
                    group.create_task(self._receive(channel))
        except* (redis.RedisError, OSError) as error:
            log.debug("events are not relayed: %s", error.exceptions)

    def _send_soon(self, event: Event) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(event)

    async def _send(self, client: Any) -> None:
        while True:
            event = await self._waiting.get()
            await client.publish(CHANNEL, render_message(event, self._boot, self._keys))

    async def _receive(self, channel: Any) -> None:
        async for message in channel.listen():
            if message["type"] == "message":
                event = parse_message(message["data"], self._boot, self._keys)
                if event is not None:
                    self._events.publish_remote(event)


def render_message(event: Event, boot: str, keys: KeySource) -> str:
    """Return an event as a signed message to the other storagemasters."""
    text = json.dumps(asdict(event))
    signature = sign_job(keys, {"event": text, "boot": boot})
    return json.dumps({"event": text, "boot": boot, "signature": signature})


def parse_message(data: bytes | str, boot: str, keys: KeySource) -> Event | None:
    """Parse what `render_message` returns, or return None for an own or an unsigned message."""
    try:
        message = parse_json(data)
        fields = {"event": message["event"], "boot": message["boot"]}
        if fields["boot"] == boot:
            return None
        verify_job(keys, message["signature"], fields)
        return Event(**parse_json(fields["event"]))
    except (Forbidden, ValueError, KeyError, TypeError) as error:
        log.warning("an event from the queue server was dropped: not signed: %s", error)
        return None
