"""Every page in every state: it says what is the case, axe-core finds nothing, and it fits a phone.

Each test visits one page once, and leads it through its states.
"""

import json

import pytest

from tests.console.visits import (
    begin_to_go,
    faults_of_view,
    go,
    mock,
    open_page,
    silence_stream,
    unmock,
)
from tests.glassplate.live_cluster import jpeg

REFUSED = {"title": "Temporarily unavailable", "detail": "Try again in a minute."}
NO_ENTRIES = {
    "since": "2026-01-30", "until": "2026-01-30", "entries": [], "is_complete": True,
    "unreachable": {"west-1": "connection refused"}, "lines": None, "findings": [],
}  # fmt: skip
FINDING = {"fault": "changed", "chain": "m1-a", "number": 3, "node": "west-1", "text": "entry 3"}
NO_PHOTOS = {"photos": [], "before": None, "unreachable": []}


def troubled(status):
    """Return a status with everything that can be wrong."""
    nodes = status["nodes"]
    nodes[0].update(up=False, read_up=False, reason="connection refused", days_to_full=None)
    nodes[1].update(reason="an fsync failed", accepts_new_photos=False)
    nodes[2].update(fenced_volumes=[1], days_to_full=3.0, pending_hints=12)
    for volume in status["volumes"]:
        volume["mirrors_up"] = [each for each in volume["mirrors"] if each != nodes[0]["id"]]
        volume["mirrors_readable"] = volume["mirrors_up"]
    step = {"action": "copy", "node": "west-1", "source": "east-1", "bytes": 5, "path": "1/k7/x"}
    status["repair"].update(
        steps_left=5,
        bytes_left=10_000,
        failed_total=1,
        failed=[{**step, "reason": "the source is corrupt"}],
    )
    status["waits"] = [{"volumes": [2], "for": "its mirrors to be compared"}]
    status["alerts"] = ["no worker is alive: no sizes are made, and 3 jobs wait"]
    return {**status, "pending_hints": 12, "workers_alive": 0, "oldest_job_seconds": 400.0}


@pytest.fixture(name="trouble", scope="module")
def _trouble(cluster):
    with cluster.client() as client:
        return troubled(client.status())


@pytest.fixture(name="reference", scope="module")
def _reference(cluster, seeds):
    return cluster.make_photo(jpeg(next(seeds), width=900, height=600))


async def faults_of_requests(page, path, route, shown):
    """Return the faults of a page while a request is pending, after it failed, and after a retry.

    `shown` is a selector of what the page shows in the end.
    """
    await mock(page, route, None)
    await begin_to_go(page, path)
    await page.wait_for_selector("main .frame")
    found = await faults_of_view(page, "loading")
    await unmock(page, route)
    await mock(page, route, REFUSED, 503)
    await go(page, path)
    await page.wait_for_selector(".failure >> text=Temporarily unavailable")
    found += await faults_of_view(page, "failed")
    await unmock(page, route)
    await page.click("button:has-text('Try again')")
    await page.wait_for_selector(shown)
    await page.wait_for_selector(".failure", state="detached")
    return found + await faults_of_view(page, "shown")


def test_photos(console):
    """Pending, failed, none yet, newest, of a volume, a search, and a selection."""

    async def look(page):
        await open_page(page, "/console/photos?find=")
        found = await faults_of_view(page, "look up")
        found += await faults_of_requests(page, "/console/photos", "/photos/recent", "figure")
        await page.check("figure input >> nth=0", force=True)
        found += await faults_of_view(page, "selected")
        await page.click(".selection >> text=Delete…")
        await page.wait_for_selector("dialog li")
        found += await faults_of_view(page, "dialog")
        await page.keyboard.press("Escape")
        await go(page, "/console/photos?volume=1")
        found += await faults_of_view(page, "volume")
        await page.route("**/photos/recent*", lambda route: route.abort())
        await go(page, "/console/photos")
        await page.wait_for_selector("text=The storagemaster does not answer")
        found += await faults_of_view(page, "no storagemaster")
        await page.unroute_all()
        await mock(page, "/photos/recent", NO_PHOTOS)
        await go(page, "/console/photos")
        await page.wait_for_selector("text=No photos yet")
        return found + await faults_of_view(page, "no photos")

    assert console.visit(look) == []


def test_photo(console, cluster, reference, seeds):
    """Pending, failed, ready, its menu, its dialog, deleted, and none at all."""
    deleted = cluster.make_photo(jpeg(next(seeds)))
    with cluster.client() as client:
        client.delete(deleted.rpartition("/")[0])
        ready = client.info(reference)
    status = {"volume": ready.volume, "photo": ready.photo, "version": ready.version, "urls": {},
              "info": None, "position": 2, "reason": "", "state": "pending"}  # fmt: skip
    path, route = f"/console/photo/{reference}", f"/photos/{reference}"

    async def look(page):
        await open_page(page, "/console/upload")
        found = await faults_of_requests(page, path, route, ".columns img")
        await page.click("[aria-label='Copy URL of size m']")
        found += await faults_of_view(page, "menu")
        await page.keyboard.press("Escape")
        await page.click("text=Delete…")
        await page.wait_for_selector("dialog li")
        found += await faults_of_view(page, "dialog")
        await page.keyboard.press("Escape")
        for state, text in (("pending", "The sizes are being made"), ("failed", "is kept")):
            await mock(page, route, {**status, "state": state, "reason": "The file is cut"})
            await go(page, path)
            await page.wait_for_selector(f"main >> text={text}")
            found += await faults_of_view(page, state)
            await page.unroute_all()
        await go(page, f"/console/photo/{deleted}")
        await page.wait_for_selector("text=This photo was deleted")
        found += await faults_of_view(page, "deleted")
        await go(page, "/console/photo/1/0000000000000000/000000")
        await page.wait_for_selector(".failure")
        return found + await faults_of_view(page, "unknown")

    assert console.visit(look) == []


def test_upload(console, seeds):
    """Nothing yet, and rows that are ready, refused, and paused."""
    files = [
        {"name": "good.jpg", "mimeType": "image/jpeg", "buffer": jpeg(next(seeds))},
        {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"no photo at all" * 99},
    ]

    async def look(page):
        await page.route("**/capabilities", lambda route: route.abort())
        await open_page(page, "/console/upload")
        await page.wait_for_selector("text=Photos of any usual format")
        found = await faults_of_view(page, "empty")
        await page.unroute_all()
        await page.set_input_files("input[type=file]", files)
        await page.wait_for_selector(".file.ready")
        await page.wait_for_selector(".file.failed")
        await page.route("**/uploads", lambda _: None)
        await page.set_input_files("input[type=file]", {**files[0], "name": "other.jpg"})
        await page.wait_for_selector("text=/Sending/")
        await page.click("text=Pause all")
        await page.wait_for_selector("text=/Paused at/")
        return found + await faults_of_view(page, "rows")

    assert console.visit(look) == []


def test_cluster(console, trouble):
    """Pending, failed, well, with everything wrong, its runbook, its tables, and old numbers."""

    async def look(page):
        await silence_stream(page)
        await open_page(page, "/console/upload")
        found = await faults_of_requests(page, "/console/cluster", "/status", ".chart")
        await page.click("text=as tables")
        await page.wait_for_selector(".as-tables")
        captions = await page.locator(".chart .numbers caption").all_text_contents()
        assert "Files to deliver" in captions
        found += await faults_of_view(page, "tables")
        await page.route(
            "**/console/stream",
            lambda route: route.fulfill(
                content_type="text/event-stream",
                body=f"retry: 90000\n\nevent: status\ndata: {json.dumps(trouble)}\n\n",
            ),
        )
        await mock(page, "/status", trouble)
        await open_page(page, "/console/cluster")
        days = page.locator(".node.down .days b")
        assert await days.text_content() == "\u2013", "unknown is not 0"
        await page.click("text=Open runbook >> nth=0")
        found += await faults_of_view(page, "runbook")
        await page.keyboard.press("Escape")
        await page.wait_for_selector(".stale >> text=All numbers are from")
        return found + await faults_of_view(page, "trouble, and old")

    assert console.visit(look) == []


def test_volumes(console, trouble):
    """Pending, failed, well, with everything wrong, a comparison, and a plan."""

    async def look(page):
        await silence_stream(page)
        await open_page(page, "/console/upload")
        found = await faults_of_requests(page, "/console/volumes", "/status", "table")
        await mock(page, "/status", trouble)
        await go(page, "/console/volumes/1")
        await page.wait_for_selector(".panel .buttons")
        found += await faults_of_view(page, "trouble")
        await page.click("text=Offload…")
        await page.wait_for_selector("dialog li")
        found += await faults_of_view(page, "plan")
        await page.keyboard.press("Escape")
        await mock(page, "/repairs/1", REFUSED, 503)
        await page.click("text=Compare again")
        await page.wait_for_selector(".panel .failure")
        return found + await faults_of_view(page, "no comparison")

    assert console.visit(look) == []


def test_work(console, trouble):
    """Pending, failed, nothing to do, and with everything wrong."""

    async def look(page):
        await silence_stream(page)
        await open_page(page, "/console/upload")
        found = await faults_of_requests(page, "/console/work", "/status", ".figures")
        await page.wait_for_selector("text=No node holds a file for another.")
        await mock(page, "/status", trouble)
        await go(page, "/console/work")
        await page.wait_for_selector("text=1 file could not be repaired.")
        return found + await faults_of_view(page, "trouble")

    assert console.visit(look) == []


def test_audit(console):
    """Pending, failed, entries, none, a node that did not answer, and lines that were changed."""

    async def look(page):
        await open_page(page, "/console/upload")
        found = await faults_of_requests(page, "/console/audit", "/audit", "tbody tr")
        await mock(page, "/audit", NO_ENTRIES)
        await go(page, "/console/audit?since=2026-01-30")
        await page.wait_for_selector("text=Nothing was changed on these days.")
        await page.wait_for_selector("text=Not every node answered.")
        found += await faults_of_view(page, "empty")
        await page.unroute_all()
        await mock(page, "/audit", {**NO_ENTRIES, "lines": 9, "findings": [FINDING]})
        await page.click("text=Verify these days")
        await page.wait_for_selector("text=1 line of the log is not as it was written.")
        await page.wait_for_selector("text=entry 3")
        return found + await faults_of_view(page, "findings")

    assert console.visit(look) == []


def test_signed_out(console):
    """The form, and a token that is refused, on a page of the console."""

    async def look(page):
        await page.goto("/console/cluster")
        await page.wait_for_selector("#token")
        found = await faults_of_view(page, "form")
        await page.fill("#token", "gp2.wrong")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("text=/token was refused/")
        return found + await faults_of_view(page, "refused")

    assert console.visit(look, scopes=()) == []


@pytest.mark.parametrize(
    ("scopes", "closed"),
    [
        (("read",), {"upload": "upload", "cluster": "status", "volumes": "status",
                     "work": "status", "audit": "audit"}),
        (("status",), {"photos": "read"}),
    ],
)  # fmt: skip
def test_not_allowed(console, scopes, closed):
    """A page whose scope the token lacks says which one it needs."""

    async def look(page):
        found = []
        await open_page(page, f"/console/{next(iter(closed))}")
        for name, scope in closed.items():
            await go(page, f"/console/{name}")
            await page.wait_for_selector(f".failure code >> text=--scope {scope}")
            found += await faults_of_view(page, name)
        return found

    assert console.visit(look, scopes=scopes) == []
