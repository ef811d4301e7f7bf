"""The browser of the tests: pages without a common past, and their errors."""

import asyncio

import pytest


async def count_visits(page):
    """Return the number of visits that the browser remembers."""
    await page.route("http://shop.test/", lambda route: route.fulfill(body="<p>photos</p>"))
    await page.goto("http://shop.test/")
    return await page.evaluate("localStorage.n = 1 + Number(localStorage.n ?? 0)")


async def fail_in_a_handler(page):
    """Load a page with a script that fails."""
    await page.set_content("<script>undefined.length</script>")


def test_each_visit_begins_without_storage(chromium):
    """No test sees what another one has left, with or without an event loop."""

    async def with_loop():
        return await asyncio.to_thread(chromium.run, count_visits)

    assert chromium.run(count_visits) == 1
    assert asyncio.run(with_loop()) == 1


def test_an_uncaught_error_of_a_page_fails_the_test(chromium):
    """Otherwise a page that works by chance would pass."""
    with pytest.raises(AssertionError, match="undefined"):
        chromium.run(fail_in_a_handler)
