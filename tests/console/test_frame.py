"""The frame of the console: sessions, faults of the cluster, and every state of every page."""

import time

import pytest

from tests.console.visits import PHONE, open_page, violations, width_beyond
from tests.glassplate.live_cluster import jpeg

PAGES = ("photos", "upload", "cluster", "volumes", "work", "audit")


@pytest.fixture(name="reference", scope="module")
def _reference(cluster, seeds):
    return cluster.make_photo(jpeg(next(seeds), width=900, height=600))


def test_a_token_signs_in_and_leads_to_the_page(console, cluster):
    """A wrong token is refused with the reason, beside the field, and the page comes back."""

    async def look(page):
        await page.goto("/console/cluster")
        await page.fill("#token", "gp2.wrong")
        await page.click("text=Sign in >> nth=-1")
        await page.wait_for_selector("text=/token was refused/")
        await page.fill("#token", cluster.token("read", "status"))
        await page.keyboard.press("Enter")
        await page.wait_for_selector("nav")
        assert page.url.endswith("/console/cluster")
        await page.wait_for_selector("h1")
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

    direct = replace_address(console, link)
    address, text = direct.visit(look, scopes=())
    assert address.endswith("/console/photos")
    assert "Sign in" in text


def replace_address(console, link):
    """Return a visitor of the storagemaster that a link names."""
    other = object.__new__(type(console))
    other.__dict__.update(console.__dict__, address=link.partition("/console")[0])
    return other


def test_a_revoked_token_ends_the_session(console, cluster):
    """The form appears by itself within seconds, with the reason."""
    token = None

    async def look(page):
        nonlocal token
        text = cluster.token("read", "status")
        await page.goto("/console/photos")
        await page.fill("#token", text)
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".health a")
        token = await page.evaluate("fetch('/console/session').then((r) => r.json())")
        revoke(cluster, token["token_id"])
        started = time.monotonic()
        await page.wait_for_selector("#token")
        assert "ended" in await page.locator("main").text_content()
        return time.monotonic() - started

    assert console.visit(look, scopes=()) < 5


def revoke(cluster, token_id):
    """Revoke a token, as `glassplate token revoke` does."""
    result = cluster.cli("token", "revoke", token_id)
    assert result.returncode == 0, result.stderr


def test_a_session_that_ended_shows_the_form(console):
    """The page says what happened when the next request is refused."""

    async def look(page):
        await open_page(page, "/console/photos")
        await page.context.clear_cookies()
        await page.click("nav >> text=Photos")
        await page.wait_for_selector("#token")

    console.visit(look)


@pytest.mark.parametrize(
    ("scopes", "page_name", "shown"),
    [
        (("read",), "cluster", "scope status"),
        (("read",), "upload", "scope upload"),
        (("status",), "photos", "scope read"),
    ],
)
def test_a_page_without_its_scope_says_what_it_needs(console, scopes, page_name, shown):
    """The reason is on the page, and acts without their scope are hidden."""

    async def look(page):
        await open_page(page, f"/console/{page_name}")
        return await page.locator("main").text_content()

    assert shown.replace("scope ", "the scope ") in console.visit(look, scopes=scopes)


def test_acts_without_their_scope_are_hidden_and_refused(console, reference):
    """With `read` alone a photo has no button that changes it, and the API refuses the request."""
    volume, photo, _ = reference.split("/")
    script = f"""fetch('/photos/{volume}/{photo}', {{method: 'DELETE',
        headers: {{'Glassplate-CSRF': 'secret of the page'}}}}).then((r) => r.status)"""

    async def look(page):
        await open_page(page, f"/console/photo/{reference}")
        assert await page.locator("text=/Delete…|Revoke…|Make again…/").count() == 0
        assert "Copy URL of size m" in await page.content()
        return await page.evaluate(script)

    assert console.visit(look, scopes=("read",)) == 403


def test_a_colo_that_stops_is_seen_and_comes_back(console, cluster):
    """The pill names it, and the page of photos says that photos are missing but not lost."""

    async def look(page):
        await open_page(page, "/console/photos")
        await page.wait_for_selector(".health a")
        for node in ("west-1", "west-2"):
            cluster.control_process("stop", node)
        await page.wait_for_selector(".pill.bad >> text=west down")
        await page.wait_for_selector(".notice >> text=west does not answer")
        found = await violations(page)
        for node in ("west-1", "west-2"):
            cluster.control_process("start", node)
        await page.wait_for_selector(".pill:not(.bad)")
        await page.wait_for_selector(".notice", state="detached")
        return found

    assert console.visit(look) == []


def test_no_storagemaster_is_a_state_of_the_page(console):
    """The page says that nothing is lost, and tries again."""

    async def look(page):
        await open_page(page, "/console/photos")
        await page.route("**/photos/recent*", lambda route: route.abort())
        await page.click("nav >> text=Upload")
        await page.click("nav >> text=Photos")
        await page.wait_for_selector("text=The storagemaster does not answer")
        found = await violations(page)
        await page.unroute("**/photos/recent*")
        await page.click("button:has-text('Try again')")
        await page.wait_for_selector("figure")
        return found

    assert console.visit(look) == []


def test_empty_and_loading_are_states_of_the_page(console):
    """Without photos there is a drop zone; while they load there are frames."""

    async def look(page):
        await page.route(
            "**/photos/recent*",
            lambda route: route.fulfill(json={"photos": [], "before": None, "unreachable": []}),
        )
        await open_page(page, "/console/photos")
        await page.wait_for_selector("text=No photos yet")
        found = await violations(page)
        await page.unroute("**/photos/recent*")
        await page.route("**/photos/info", lambda _: None)
        await page.click("nav >> text=Photos")
        await page.wait_for_selector(".frame")
        return found + await violations(page)

    assert console.visit(look) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_phone(console, reference, scheme):
    """axe-core finds nothing in either palette, and nothing scrolls sideways at 360 pixels."""

    async def look(page):
        found = []
        for name in (*PAGES, f"photo/{reference}", "photos?volume=1", "photos?find="):
            await open_page(page, f"/console/{name}")
            found += [f"{name}: {each}" for each in await violations(page)]
            if await width_beyond(page):
                found.append(f"{name} is wider than the window")
        return found

    assert console.visit(look, color_scheme=scheme, **PHONE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_floats_is_accessible(console, reference, scheme):
    """The form to sign in, a menu, a dialog, a selection, and a deleted photo."""

    async def look(page):
        found = []
        await open_page(page, f"/console/photo/{reference}")
        await page.click("[aria-label='Copy URL of size m']")
        found += await violations(page)
        await page.keyboard.press("Escape")
        await page.click("text=Delete…")
        await page.wait_for_selector("dialog li")
        found += await violations(page)
        await page.keyboard.press("Escape")
        await open_page(page, "/console/photos")
        await page.check("figure input >> nth=0", force=True)
        found += await violations(page)
        await page.context.clear_cookies()
        await page.goto("/console/photos")
        await page.wait_for_selector("#token")
        return found + await violations(page)

    assert console.visit(look, color_scheme=scheme) == []


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
        await open_page(page, f"/console/photo/{reference}")
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


def test_nothing_moves_where_less_motion_is_wanted(console):
    """Neither animations nor transitions run."""

    async def look(page):
        await open_page(page, "/console/photos")
        await page.wait_for_selector("figure")
        return await page.evaluate(
            """[...document.querySelectorAll('*')].map(getComputedStyle).filter((style) =>
                style.transitionDuration !== '0s' || style.animationName !== 'none').length"""
        )

    assert console.visit(look, reduced_motion="reduce") == 0


def test_all_tabs_of_a_browser_share_one_stream(console):
    """Another tab shows the status although only one tab has a stream."""
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
        return len(streams)

    assert console.visit(look) == 1
