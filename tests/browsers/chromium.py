"""Debian's Chromium, driven by Playwright, for tests of pages.

Playwright runs in a thread with its own event loop, so that tests with a loop and tests without one
share a browser.
"""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import pytest
from playwright.async_api import Browser, Page, async_playwright

PROGRAM = "chromium"
_Result = TypeVar("_Result")


class Chromium:
    """A running browser."""

    def __init__(self, browser: Browser, loop: asyncio.AbstractEventLoop) -> None:
        self._browser = browser
        self._loop = loop

    def run(self, visit: Callable[[Page], Awaitable[_Result]], **context: Any) -> _Result:
        """Call `visit` with a page that shares no storage with others, and return its result.

        An uncaught error of the page fails the test. `context` has options of Playwright's
        `new_context`, such as `viewport`. A test with a loop calls this with `asyncio.to_thread`.
        """
        future = asyncio.run_coroutine_threadsafe(self._run(visit, context), self._loop)
        return future.result()

    async def _run(
        self, visit: Callable[[Page], Awaitable[_Result]], context: dict[str, Any]
    ) -> _Result:
        async with await self._browser.new_context(**context) as opened:
            page = await opened.new_page()
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            result = await visit(page)
        if errors:
            raise AssertionError(f"uncaught errors of the page: {errors}")
        return result


@contextlib.contextmanager
def running_chromium() -> Iterator[Chromium]:
    """Run a browser until the block exits."""
    program = shutil.which(PROGRAM)
    if program is None:
        pytest.fail(f"{PROGRAM} is missing; proxy_config/install-servers.sh test installs it")
    started: Future[Chromium] = Future()
    stopped = asyncio.Event()

    async def serve() -> None:
        async with (
            async_playwright() as playwright,
            await playwright.chromium.launch(executable_path=program) as browser,
        ):
            started.set_result(Chromium(browser, asyncio.get_running_loop()))
            await stopped.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name=PROGRAM)
    thread.start()
    try:
        chromium = started.result()
        yield chromium
        chromium._loop.call_soon_threadsafe(stopped.set)
    finally:
        thread.join()
