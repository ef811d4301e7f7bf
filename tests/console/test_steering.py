"""The pages Cluster, Volumes, Work, and Audit: what is wrong, what to do, and what was done."""

import json
import re

import pytest

from tests.console.visits import PHONE, violations, width_beyond
from tests.glassplate.live_cluster import jpeg

PAGES = ("cluster", "volumes", "work", "audit")
DARK = {"color_scheme": "dark"}


async def act(page, button, name):
    """Press a button that shows a plan, then the button that names the act; return the plan."""
    await page.click(button)
    await page.wait_for_selector("dialog[open]")
    plan = await page.locator("dialog").text_content()
    await page.click(f"dialog button:has-text('{name}')")
    await page.wait_for_selector(".toast")
    return plan


async def opened(page, path):
    """Open a page, and wait for its heading."""
    await page.goto(path)
    await page.wait_for_selector("h1")


async def mock(page, path, document, status=200):
    """Respond to a route with a document."""

    async def respond(route):
        await route.fulfill(status=status, json=document)

    await page.route(re.compile(rf"://[^/]+{path}(\?.*)?$"), respond)


async def silence_stream(page):
    """Keep the live status from replacing the one of a test."""
    await page.route("**/console/stream", lambda route: route.abort())


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


@pytest.fixture(name="trouble", scope="session")
def _trouble(cluster):
    with cluster.client() as client:
        return troubled(client.status())


def test_a_stopped_node_is_named_and_gone_from_the_alerts_when_it_is_back(console, cluster):
    """The page follows the cluster by itself, and says what to do."""

    async def look(page):
        await opened(page, "/console/cluster")
        await page.wait_for_selector(".colo")
        colos = await page.locator(".colo h2").all_text_contents()
        assert colos == ["east", "west"]
        assert "4 of 4 nodes up" in await page.locator(".line").first.text_content()
        cluster.control_process("stop", "west-2")
        await page.wait_for_selector(".notice.bad >> text=west-2 in west is down.")
        assert await page.locator(".node.down b").first.text_content() == "west-2"
        await page.click("text=Open runbook")
        assert "glassplate node start" in await page.locator("dialog").text_content()
        await page.keyboard.press("Escape")
        cluster.control_process("start", "west-2")
        await page.wait_for_selector(".notice.bad", state="detached")

    console.visit(look)


def test_a_difference_is_shown_repaired_and_in_the_audit_log(console, cluster, seeds):
    """The diff is a plan; the act says what it does, and leaves an entry."""
    reference = cluster.make_photo(jpeg(next(seeds)))
    volume, photo, _ = reference.split("/")
    with cluster.client() as client:
        mirror = client.explain(reference)["mirrors"][0]["node"]
    file = next((cluster.data / "nodes" / mirror / volume / photo[-2:]).glob(f"{photo}_*_m.jpg"))
    file.unlink()

    async def look(page):
        await opened(page, "/console/volumes")
        await page.click(f"text=Volume {volume}")
        await page.wait_for_selector(".panel .facts-list")
        assert file.name in await page.locator(".panel .paths").text_content()
        plan = await act(page, f"text=Repair volume {volume}…", f"Repair volume {volume}")
        assert "1 step" in plan
        await page.wait_for_selector(".panel >> text=All mirrors are equal.")
        await opened(page, "/console/audit")
        await page.wait_for_selector("tbody tr")
        return await page.locator("tbody tr").first.text_content()

    entry = console.visit(look)
    assert re.search(rf"repair{volume}", entry), entry
    assert "done" in entry
    assert file.exists()


def test_a_scrub_is_an_act_with_a_plan(console, cluster):
    """The safe button has the focus, and changes nothing."""

    async def look(page):
        await opened(page, "/console/cluster")
        await page.click("text=Scrub…")
        assert await page.evaluate("document.activeElement.value") == "keep"
        await page.keyboard.press("Enter")
        await page.wait_for_selector("dialog", state="detached")
        assert await page.evaluate("document.activeElement.textContent") == "Scrub…"
        await act(page, "text=Scrub…", "Scrub all disks")

    with cluster.client() as client:
        before = len(client.audit(act="scrub")["entries"])
        console.visit(look)
        assert len(client.audit(act="scrub")["entries"]) == before + 1


def test_a_failed_photo_is_found_and_tried_again(console, cluster, seeds):
    """Its reason is shown; it stays failed, because the same bytes fail again."""
    broken = jpeg(next(seeds), width=1200, height=800)
    with cluster.client() as client:
        reference = client.put(broken[: len(broken) // 3]).reference

    async def look(page):
        await opened(page, "/console/work")
        for _ in range(20):
            await page.click("text=Search all volumes")
            await page.wait_for_selector("button:enabled:has-text('Search all volumes')")
            if await page.locator(f"text={reference}").count():
                break
            await page.wait_for_timeout(500)
        row = await page.locator(f"tr:has-text('{reference}')").text_content()
        await page.click(f"[aria-label='Try {reference} again']")
        await page.click("dialog button:has-text('Try again')")
        await page.wait_for_selector(".toast")
        return row

    assert len(console.visit(look)) > len(reference) + 20


def test_the_audit_log_is_filtered_exported_and_verified(console, cluster, seeds):
    """The export has what the page shows, and verification says how many lines it read."""
    reference = cluster.make_photo(jpeg(next(seeds)))
    photo = reference.rpartition("/")[0]
    with cluster.client() as client:
        client.delete(photo)

    async def look(page):
        await opened(page, "/console/audit")
        await page.fill("[name=photo]", photo)
        await page.click("button:has-text('Show')")
        await page.wait_for_url("**/audit?*photo=*")
        await page.wait_for_selector("td >> text=delete")
        assert await page.locator("tbody tr").count() == 1
        async with page.expect_download() as download:
            await page.click("text=Export JSON")
        exported = json.loads((await (await download.value).path()).read_text())
        await page.click("text=Verify these days")
        await page.wait_for_selector("text=none was removed, changed, or reordered")
        return exported["entries"]

    (entry,) = console.visit(look)
    assert (entry["act"], entry["target"], entry["result"]) == ("delete", photo, "done")


def test_acts_without_their_scope_are_hidden(console):
    """A token that may only see the cluster sees which scope is missing."""

    async def look(page):
        await opened(page, "/console/cluster")
        assert await page.locator("text=Scrub…").count() == 0
        await opened(page, "/console/volumes/1")
        await page.wait_for_selector(".panel >> text=admin")
        await opened(page, "/console/work")
        assert await page.locator("text=Search all volumes").count() == 0
        await opened(page, "/console/audit")
        await page.wait_for_selector(".failure >> text=Your token does not open this page")

    console.visit(look, scopes=("status",))


@pytest.mark.parametrize("name", PAGES)
def test_a_failed_request_is_shown_and_can_be_repeated(console, name):
    """The page says what happened, and works once the storagemaster does."""
    route = "/audit" if name == "audit" else "/status"

    async def look(page):
        await mock(page, route, {"title": "Temporarily unavailable", "detail": "try again"}, 503)
        await opened(page, f"/console/{name}")
        await page.wait_for_selector(".failure >> text=Temporarily unavailable")
        await page.unroute_all()
        await page.click("button:has-text('Try again')")
        await page.wait_for_selector(".failure", state="detached")
        await page.wait_for_selector(".card, table, .figures, .empty-line")

    console.visit(look)


def test_unknown_is_not_zero_and_silence_has_a_time(console, trouble):
    """Old numbers have a time, and a node that is down has no days to full."""

    async def look(page):
        await mock(page, "/status", trouble)
        await page.route(
            "**/console/stream",
            lambda route: route.fulfill(
                content_type="text/event-stream",
                body=f"retry: 90000\n\nevent: status\ndata: {json.dumps(trouble)}\n\n",
            ),
        )
        await opened(page, "/console/cluster")
        down = page.locator(".node.down")
        assert await down.locator(".days b").text_content() == "\u2013"
        await page.wait_for_selector(".stale >> text=All numbers are from")

    console.visit(look)


def test_empty_pages_say_so(console):
    """Nothing to do, and nothing in the log, are sentences."""
    page_of_nothing = {
        "since": "2026-01-30", "until": "2026-01-30", "entries": [], "is_complete": True,
        "unreachable": {"west-1": "connection refused"}, "lines": None, "findings": [],
    }  # fmt: skip

    async def look(page):
        await mock(page, "/audit", page_of_nothing)
        await opened(page, "/console/audit?since=2026-01-30")
        await page.wait_for_selector("text=Nothing was changed on these days.")
        await page.wait_for_selector("text=Not every node answered.")
        await opened(page, "/console/work")
        await page.wait_for_selector("text=No node holds a file for another.")

    console.visit(look)


def test_findings_of_the_audit_log_are_named(console):
    """Each line that is not as it was written has its fault and its node."""
    finding = {
        "fault": "changed",
        "chain": "m1-a",
        "number": 3,
        "node": "west-1",
        "text": "entry 3",
    }
    document = {"since": "", "until": "", "entries": [], "is_complete": True, "unreachable": {},
                "lines": 9, "findings": [finding]}  # fmt: skip

    async def look(page):
        await mock(page, "/audit", document)
        await opened(page, "/console/audit")
        await page.click("text=Verify these days")
        await page.wait_for_selector("text=1 line of the log is not as it was written.")
        await page.wait_for_selector("text=entry 3")

    console.visit(look)


@pytest.mark.parametrize("context", [{}, DARK, PHONE], ids=["light", "dark", "phone"])
@pytest.mark.parametrize("name", ["cluster", "volumes/1", "work", "audit"])
def test_pages_are_accessible_and_fit(console, trouble, name, context):
    """With everything wrong, axe-core finds nothing, and nothing scrolls sideways."""

    async def look(page):
        await silence_stream(page)
        await mock(page, "/status", trouble)
        await opened(page, f"/console/{name}")
        await page.wait_for_selector("table, .colo, .panel .buttons")
        assert await violations(page) == []
        assert await width_beyond(page) <= 0

    console.visit(look, **context)


def test_charts_have_tables(console):
    """The numbers of each chart can be read as a table."""

    async def look(page):
        await opened(page, "/console/cluster")
        await page.wait_for_selector(".chart")
        await page.click("text=as tables")
        await page.wait_for_selector(".as-tables")
        return await page.locator(".chart .numbers caption").all_text_contents()

    assert "Files to deliver" in console.visit(look)


def test_the_keyboard_is_enough(console):
    """A volume is chosen, compared, and closed without a mouse."""

    async def look(page):
        await opened(page, "/console/volumes")
        await page.focus("tbody a >> nth=0")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".panel .facts-list")
        await page.focus("[aria-label=Close]")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".panel", state="detached")

    console.visit(look)
