"""Webhooks are signed, in order, tried again for a while, and given up without harm."""

import asyncio
import contextlib
import json

import aiohttp
import pytest
from aiohttp import web

from permission_urls import Forbidden, Key, KeyRing, KeyState, verify_webhook
from storagemaster.background import repeating
from storagemaster.events.events import Event, Events
from storagemaster.events.webhooks import ATTEMPTS_MAX, PAUSE_SECONDS_MAX, Webhooks, backoff_delays
from storagemaster.wire import SIGNATURE_HEADER
from tests.free_ports import free_port
from volumes.cluster_config import parse_cluster
from volumes.config_reader import InvalidConfig

KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(32)), state=KeyState.SIGNING),))
NOW = 1_700_000_000


def event(state="ready"):
    """An event; another state, another event."""
    return Event(volume=42, photo="01jd3x8m2c9qp4k7", version="3fz8qd", state=state)


class Application:
    """What gets webhooks, and answers each with the next of some statuses."""

    def __init__(self, *statuses):
        self.got = []
        self._statuses = list(statuses)
        self._news = asyncio.Event()

    async def take(self, request):
        """Note what came."""
        self.got.append((await request.read(), request.headers[SIGNATURE_HEADER]))
        self._news.set()
        return web.Response(status=self._statuses.pop(0) if self._statuses else 200)

    async def wait_for(self, count):
        """Return when so many have come."""
        while len(self.got) < count:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 10)

    @property
    def states(self):
        """The states that it was told."""
        return [json.loads(body)["state"] for body, _ in self.got]


@contextlib.asynccontextmanager
async def sending_to(*applications):
    """Webhooks to these applications, whose pauses are noted and not waited for."""
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
        webhooks = Webhooks(urls, session, KEYS, events, now_seconds=lambda: NOW, sleep=sleep)
        await stack.enter_async_context(repeating(webhooks.send_all, pause_seconds=0))
        yield events, paused


async def test_an_event_is_sent_signed_to_every_url():
    """The signature is of the body and of the second it was sent in."""
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
    }
    assert verify_webhook(KEYS, signature, body, now_seconds=NOW) == "a"


@pytest.mark.parametrize("change", ["body", "time", "mac", "old", "empty"])
async def test_a_webhook_that_is_not_as_it_was_sent_is_refused(change):
    """Another body, another second, another MAC, or long ago."""
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


async def test_what_is_refused_is_sent_again_in_its_order():
    """A later event waits for an earlier one, and the pauses grow."""
    application = Application(500, 503, 302)
    async with sending_to(application) as (events, paused):
        events.publish(event("ready"))
        events.publish(event("deleted"))
        await application.wait_for(5)
    assert application.states == ["ready"] * 4 + ["deleted"]
    assert paused == [1.0, 2.0, 4.0]


async def test_an_application_that_takes_nothing_is_given_up_and_delays_no_other():
    """After as many attempts as there are, with the next event."""
    broken, sound = Application(*[500] * ATTEMPTS_MAX), Application()
    async with sending_to(broken, sound) as (events, _):
        events.publish(event("ready"))
        events.publish(event("deleted"))
        await sound.wait_for(2)
        await broken.wait_for(ATTEMPTS_MAX + 1)
    assert sound.states == ["ready", "deleted"]
    assert broken.states == ["ready"] * ATTEMPTS_MAX + ["deleted"]


def test_pauses_double_up_to_a_minute():
    """So that an application that was away for minutes misses nothing."""
    assert len(backoff_delays()) == ATTEMPTS_MAX
    assert max(backoff_delays()) == PAUSE_SECONDS_MAX
    assert backoff_delays() == sorted(backoff_delays())


def problems_with(urls):
    """What is wrong with a config that has these webhooks."""
    try:
        parse_cluster(f"[webhooks]\nurls = {json.dumps(urls)}\n")
    except InvalidConfig as error:
        return [problem for problem in error.problems if "webhooks" in str(problem)]
    return []


def test_webhooks_go_over_https_or_stay_on_this_machine():
    """An event is the application's business."""
    good = ["https://app.example/hook", "https://app.example:8443", "http://127.0.0.1:9/x"]
    assert problems_with([*good, "http://localhost/hook", "http://[::1]:80/hook"]) == []
    for url in ("http://app.example/hook", "ftp://x", "", "http://127.0.0.1.example/", "https://"):
        assert len(problems_with([url])) == 1
