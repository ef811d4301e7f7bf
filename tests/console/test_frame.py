"""The frame of the console: sessions, scopes, faults of the cluster, keyboard, and tabs."""

import contextlib
import time

import pytest

from permission_urls.sessions import SESSION_SECONDS
from tests.console.visits import go, open_page
from tests.glassplate.live_cluster import jpeg

# A tab that is shown again opens a new stream, which has the cookie that the browser has then.
HIDE_AND_SHOW = """for (const hidden of [true, false]) {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(name="reference", scope="module")
def _reference(cluster, seeds):
    return cluster.make_photo(jpeg(next(seeds), width=900, height=600))


def test_a_token_signs_in_and_leads_to_the_page(console, cluster):
    """The page of the address comes back after signing in, and is closed after signing out."""

    async def look(page):
        await page.goto("/console/cluster")
        await page.fill("#token", cluster.token("read", "status"))
        await page.keyboard.press("Enter")
        await page.wait_for_selector("h1 >> text=Cluster")
        assert page.url.endswith("/console/cluster")
        await page.click(".who >> text=Sign out")
        await page.wait_for_selector("#token")
        await page.goto("/console/photos")
        await page.wait_for_selector("#token")

    console.visit(look, scopes=())


def test_the_link_of_up_signs_in_once(console, cluster):
    """It shows the photos, does not stay in the address, and does not work again."""
    log = (cluster.data.parent / f"{cluster.data.name}.log").read_text()
    link = log.strip().splitlines()[-1]
    assert "/console/sign-in#" in link

    async def look(page):
        await page.goto(link)
        await page.wait_for_selector("figure")
        address = page.url
        await page.context.clear_cookies()
        await page.goto(link)
        await page.reload()
        await page.wait_for_selector("#token")
        return address, await page.locator("main").text_content()

    direct = console.of(link.partition("/console")[0])
    address, text = direct.visit(look, scopes=())
    assert address.endswith("/console/photos")
    assert "Sign in" in text


def test_a_revoked_token_ends_the_session(console, cluster):
    """The form appears by itself, with the reason, in all tabs."""

    async def look(page):
        await open_page(page, "/console/photos")
        await page.wait_for_selector(".health a")
        other = await page.context.new_page()
        await other.goto("/console/volumes")
        await other.wait_for_selector("table")
        session = await page.evaluate("fetch('/console/session').then((r) => r.json())")
        result = cluster.cli("token", "revoke", session["token_id"])
        assert result.returncode == 0, result.stderr
        for each in (page, other):
            await each.wait_for_selector("#token")
            assert "ended" in await each.locator("main").text_content()

    console.visit(look)


def test_a_session_ends_at_its_time(console, cluster):
    """The form appears by itself, and says so, without a request of the page.

    The page is complete before it gets the session that ends soon, on a slow machine too.
    """

    async def look(page):
        await open_page(page, "/console/photos")
        await page.wait_for_selector(".health a")
        began = time.time() - SESSION_SECONDS + 3
        cookie = cluster.cookie(None, console.address, began_seconds=began)
        await page.context.add_cookies([cookie])
        await page.evaluate(HIDE_AND_SHOW)
        await page.wait_for_selector("#token")
        assert "ended" in await page.locator("main").text_content()

    console.visit(look)


def test_a_session_that_was_forgotten_shows_the_form(console):
    """The form appears when the next request is refused."""

    async def look(page):
        await open_page(page, "/console/photos")
        await page.context.clear_cookies()
        await page.click("nav >> text=Photos")
        await page.wait_for_selector("#token")

    console.visit(look)


def test_acts_without_their_scope_are_hidden_and_refused(console, reference):
    """With `read` and `status` no button changes anything, and the API refuses the requests."""
    volume, photo, _ = reference.split("/")
    script = f"""fetch('/photos/{volume}/{photo}', {{method: 'DELETE',
        headers: {{'Glassplate-CSRF': 'secret of the page'}}}}).then((r) => r.status)"""

    async def look(page):
        await open_page(page, f"/console/photo/{reference}")
        assert await page.locator("text=/Delete…|Revoke…|Make again…/").count() == 0
        assert "Copy URL of size m" in await page.content()
        await go(page, "/console/cluster")
        assert await page.locator("text=Scrub…").count() == 0
        await go(page, "/console/volumes/1")
        await page.wait_for_selector(".panel >> text=admin")
        await go(page, "/console/work")
        assert await page.locator("text=Search all volumes").count() == 0
        return await page.evaluate(script)

    assert console.visit(look, scopes=("read", "status")) == 403


def test_a_colo_that_stops_is_seen_and_comes_back(console, cluster, seeds):
    """Cluster names the node and what to do, then the colo; uploads succeed meanwhile."""
    photo = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": jpeg(next(seeds))}

    async def look(page):
        await open_page(page, "/console/photos")
        await page.wait_for_selector(".health a")
        with contextlib.ExitStack() as stack:
            stack.enter_context(cluster.stopped("west-2"))
            await page.click(".pill.bad >> text=west-2 down")
            await page.wait_for_selector(".notice.bad >> text=west-2 in west is down.")
            assert await page.locator(".node.down b").first.text_content() == "west-2"
            await page.click("text=Open runbook")
            assert "glassplate node start" in await page.locator("dialog").text_content()
            await page.keyboard.press("Escape")
            stack.enter_context(cluster.stopped("west-1"))
            await page.wait_for_selector(".pill.bad >> text=west down")
            await page.wait_for_selector(".notice.bad >> text=west is down.")
            await page.click("nav >> text=Photos")
            await page.wait_for_selector(".notice >> text=west does not answer")
            await page.click("nav >> text=Upload")
            await page.set_input_files("input[type=file]", photo)
            await page.wait_for_selector("text=1 of 1 kept")
            await page.wait_for_selector(".file.ready")
            await page.click("nav >> text=Cluster")
        await page.wait_for_selector(".pill:not(.bad)")
        await page.wait_for_selector(".notice.bad", state="detached")
        await page.click("nav >> text=Photos")
        await page.wait_for_selector("figure")
        assert await page.locator(".notice").count() == 0

    console.visit(look)


def test_everything_works_by_keyboard(console, cluster, seeds):
    """Skip link, pages, menus, dialogs, and selection need no pointer, and focus comes back."""
    reference = cluster.make_photo(jpeg(next(seeds)))

    async def look(page):
        press = page.keyboard.press
        focused = "document.activeElement.ariaLabel || document.activeElement.textContent"
        await open_page(page, "/console/photos")
        await page.wait_for_selector("figure")
        await press("Tab")
        assert await page.evaluate(focused) == "Skip to content"
        await press("Enter")
        while not await page.evaluate("document.activeElement.matches('figure input')"):
            await press("Tab")
        await press("Space")
        await page.wait_for_selector("text=1 selected")
        await press("Space")
        await go(page, "/console/volumes")
        await page.focus("tbody a >> nth=0")
        await press("Enter")
        await page.wait_for_selector(".panel .facts-list")
        await page.focus("[aria-label=Close]")
        await press("Enter")
        await page.wait_for_selector(".panel", state="detached")
        await go(page, f"/console/photo/{reference}")
        await page.focus("[aria-label='Copy URL of size m']")
        await press("Enter")
        first = await page.evaluate(focused)
        await press("ArrowDown")
        second = await page.evaluate(focused)
        assert first.startswith("For")
        assert second.startswith("For 1 hour")
        await press("Escape")
        assert await page.evaluate(focused) == "Copy URL of size m"
        await page.focus("text=Delete…")
        await press("Enter")
        await page.wait_for_selector("dialog li")
        assert await page.evaluate(focused) == "Keep photo"
        await press("Escape")
        assert await page.evaluate(focused) == "Delete…"
        await press("Enter")
        await page.wait_for_selector("dialog li")
        await press("Tab")
        await press("Enter")
        await page.wait_for_selector("text=This photo was deleted")

    console.visit(look)


def test_tabs_share_one_stream_and_nothing_moves(console):
    """Another tab shows the status without a stream; with less motion nothing is animated."""
    streams = set()

    def note(change):
        return lambda request: change(request) if request.url.endswith("/stream") else None

    async def look(page):
        page.context.on("request", note(streams.add))
        page.context.on("requestfailed", note(streams.discard))
        page.context.on("requestfinished", note(streams.discard))
        await open_page(page, "/console/photos")
        await page.wait_for_selector(".health a")
        other = await page.context.new_page()
        await other.goto("/console/photos")
        await other.wait_for_selector(".health a")
        await other.wait_for_selector("figure")
        moving = await other.evaluate(
            """[...document.querySelectorAll('*')].map(getComputedStyle).filter((style) =>
                style.transitionDuration !== '0s' || style.animationName !== 'none').length"""
        )
        return len(streams), moving

    assert console.visit(look, reduced_motion="reduce") == (1, 0)
