"""Webhooks are signed, sent in order, retried, and finally given up."""

import asyncio
import contextlib
import json

import aiohttp
import pytest
from aiohttp import web

from permission_urls import (
    Forbidden,
    Key,
    KeyRing,
    KeyState,
    Purpose,
    VolumeRange,
    application_keys,
    verify_webhook,
)
from storagemaster.background import repeating
from storagemaster.events.events import Event, Events
from storagemaster.events.webhooks import (
    ATTEMPTS_MAX,
    PAUSE_SECONDS_MAX,
    Receiver,
    Webhooks,
    backoff_delays,
)
from storagemaster.wire import SIGNATURE_HEADER
from tests.free_ports import free_port
from volumes.config.cluster_config import parse_cluster
from volumes.config.config_reader import InvalidConfig

KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32)), state=KeyState.SIGNING),))
NOW = 1_700_000_000


def event(state="ready"):
    """Return an event; its state identifies it."""
    return Event(volume=42, photo="01jd3x8m2c9qp4k7", version="3fz8qd", state=state)


class Application:
    """A receiver of webhooks that responds with the given statuses in turn."""

    def __init__(self, *statuses):
        self.got = []
        self._statuses = list(statuses)
        self._news = asyncio.Event()

    async def take(self, request):
        """Record a webhook, and respond."""
        self.got.append((await request.read(), request.headers[SIGNATURE_HEADER]))
        self._news.set()
        return web.Response(status=self._statuses.pop(0) if self._statuses else 200)

    async def wait_for(self, count):
        """Return when `count` webhooks have arrived."""
        while len(self.got) < count:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 10)

    @property
    def states(self):
        """The states of the received events."""
        return [json.loads(body)["state"] for body, _ in self.got]


@contextlib.asynccontextmanager
async def sending_to(*applications, name=None):
    """Run webhooks to these applications with zero pauses; yield the events and the pauses."""
    paused = []

    async def sleep(seconds):
        paused.append(seconds)
        await asyncio.sleep(0)

    async with contextlib.AsyncExitStack() as stack:
        urls = []
        for application in applications:
            runner = web.ServerRunner(web.Server(application.take))
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            port = free_port()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            urls.append(f"http://127.0.0.1:{port}/hook")
        session = await stack.enter_async_context(aiohttp.ClientSession())
        events = Events("boot")
        receivers = [Receiver(url, (VolumeRange(42, 42),), name) for url in urls]
        webhooks = Webhooks(receivers, session, KEYS, events, now_seconds=lambda: NOW, sleep=sleep)
        await stack.enter_async_context(repeating(webhooks.send_all, pause_seconds=0))
        yield events, paused


async def test_an_event_is_sent_signed_to_every_url():
    """The signature covers the body and the time."""
    first, second = Application(), Application()
    async with sending_to(first, second) as (events, _):
        events.publish(event())
        await first.wait_for(1)
        await second.wait_for(1)
    body, signature = first.got[0]
    assert json.loads(body) == {
        "volume": 42,
        "photo": "01jd3x8m2c9qp4k7",
        "version": "3fz8qd",
        "state": "ready",
        "reason": "",
        "ref": "",
        "request_id": "",
    }
    assert verify_webhook(KEYS, signature, body, now_seconds=NOW) == "a"


async def test_an_application_checks_its_webhooks_with_its_own_key():
    """Neither the key of another application nor the cluster's verifies them."""
    application = Application()
    async with sending_to(application, name="shop") as (events, _):
        events.publish(event())
        await application.wait_for(1)
    ((body, signature),) = application.got
    keys = {name: application_keys(KEYS, Purpose.WEBHOOK, name) for name in ("shop", "blog")}
    assert verify_webhook(keys["shop"], signature, body, now_seconds=NOW) == "a"
    for others in (keys["blog"], KEYS):
        with pytest.raises(Forbidden):
            verify_webhook(others, signature, body, now_seconds=NOW)


@pytest.mark.parametrize("change", ["body", "time", "mac", "old", "empty"])
async def test_a_changed_or_old_webhook_is_rejected(change):
    """The body, the time, or the MAC differs, or the webhook is too old."""
    application = Application()
    async with sending_to(application) as (events, _):
        events.publish(event())
        await application.wait_for(1)
    body, signature = application.got[0]
    now = NOW
    match change:
        case "body":
            body = body.replace(b"ready", b"gone!")
        case "time":
            signature = signature.replace(str(NOW), str(NOW + 1))
        case "mac":
            signature = signature[:-1] + ("A" if signature[-1] != "A" else "B")
        case "old":
            now = NOW + 301
        case "empty":
            signature = ""
    with pytest.raises(Forbidden):
        verify_webhook(KEYS, signature, body, now_seconds=now)


async def test_a_failed_webhook_is_retried_in_order():
    """A later event waits for an earlier one, and the pauses grow."""
    application = Application(500, 503, 302)
    async with sending_to(application) as (events, paused):
        events.publish(event("ready"))
        events.publish(event("deleted"))
        await application.wait_for(5)
    assert application.states == ["ready"] * 4 + ["deleted"]
    assert paused == [1.0, 2.0, 4.0]


async def test_a_failing_application_is_given_up_and_delays_no_other():
    """After the last attempt, the next event is sent."""
    broken, sound = Application(*[500] * ATTEMPTS_MAX), Application()
    async with sending_to(broken, sound) as (events, paused):
        events.publish(event("ready"))
        events.publish(event("deleted"))
        await sound.wait_for(2)
        await broken.wait_for(ATTEMPTS_MAX + 1)
        # No pause follows the last attempt.
        assert paused == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    assert sound.states == ["ready", "deleted"]
    assert broken.states == ["ready"] * ATTEMPTS_MAX + ["deleted"]


def test_pauses_double_up_to_a_minute():
    """An application that is down for some minutes misses no event."""
    assert len(backoff_delays()) == ATTEMPTS_MAX - 1
    assert max(backoff_delays()) == PAUSE_SECONDS_MAX
    assert backoff_delays() == sorted(backoff_delays())


def problems_with(urls):
    """Return the problems of a config with these webhooks."""
    try:
        parse_cluster(f"[webhooks]\nurls = {json.dumps(urls)}\n")
    except InvalidConfig as error:
        return [problem for problem in error.problems if "webhooks" in str(problem)]
    return []


def test_webhooks_need_https_or_a_local_address():
    """An event must not cross a network unencrypted."""
    good = ["https://app.example/hook", "https://app.example:8443", "http://127.0.0.1:9/x"]
    assert problems_with([*good, "http://localhost/hook", "http://[::1]:80/hook"]) == []
    for url in ("http://app.example/hook", "ftp://x", "", "http://127.0.0.1.example/", "https://"):
        assert len(problems_with([url])) == 1
