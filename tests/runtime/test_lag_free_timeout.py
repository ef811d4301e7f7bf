"""Timeouts count the silence of another machine, and not the lag of the own event loop."""

import asyncio
import time

import aiohttp
import pytest
from aiohttp import web

from runtime import lag_free_timeout as module
from runtime.lag_free_timeout import LagFreeClock, LagFreeConnector, lag_free_timeout

SECONDS = 0.25
LAG_SECONDS = 0.2


@pytest.fixture(autouse=True)
def _short_ticks(monkeypatch):
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)


async def lag():
    """Block the loop again and again, as work of other requests does."""
    while True:
        time.sleep(LAG_SECONDS)  # noqa: ASYNC251  # what a loop must not do
        await asyncio.sleep(0)


async def respond_while_lagging(request):
    """Send a request to a server that responds at once, over a loop that is always late."""

    async def respond(_):
        return web.Response(text="here")

    application = web.Application()
    application.router.add_get("/", respond)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    lagging = asyncio.create_task(lag())
    try:
        return await request(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    finally:
        lagging.cancel()
        await runner.cleanup()


def test_a_late_loop_does_not_end_a_request():
    """Several turns of the loop take longer than the timeout, and the response is still seen."""

    async def request(url):
        async with (
            aiohttp.ClientSession(connector=LagFreeConnector()) as session,
            lag_free_timeout(SECONDS),
            session.get(url, timeout=aiohttp.ClientTimeout(sock_connect=SECONDS)) as response,
        ):
            return await response.text()

    assert asyncio.run(respond_while_lagging(request)) == "here"


def test_a_silent_machine_ends_a_request():
    """The timeout ends a connection, and a block, that take too long."""

    async def never():
        async with lag_free_timeout(0.03):
            await asyncio.Event().wait()

    async def connect():
        connector = LagFreeConnector()
        connector._wrap_create_connection = lambda *_, **__: asyncio.Event().wait()
        timeout = aiohttp.ClientTimeout(sock_connect=0.03)
        async with aiohttp.ClientSession(connector=connector) as session:
            await session.get("http://127.0.0.1:1/", timeout=timeout)

    with pytest.raises(TimeoutError):
        asyncio.run(never())
    with pytest.raises(aiohttp.ConnectionTimeoutError):
        asyncio.run(connect())


def test_a_block_without_a_timeout_may_take_any_time():
    """As with `asyncio.timeout(None)`."""

    async def main():
        async with lag_free_timeout(None):
            return "done"

    assert asyncio.run(main()) == "done"


def test_the_clock_stands_still_while_the_loop_is_late():
    """A lag counts as one tick at most, and the clock never goes back."""

    async def main():
        with LagFreeClock() as clock:
            times = [clock()]
            for _ in range(3):
                time.sleep(LAG_SECONDS)  # noqa: ASYNC251  # what a loop must not do
                times.append(clock())
                await asyncio.sleep(0)
                times.append(clock())
            return times

    times = asyncio.run(main())
    assert times == sorted(times)
    assert times[-1] - times[0] < LAG_SECONDS
