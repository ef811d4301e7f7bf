"""Visits to the console in a browser, and what each must be free of, whatever the test looks at."""

import itertools
import json
import re
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

AXE = Path(__file__).parents[1] / "browsers/node_modules/axe-core/axe.min.js"
FINDINGS = """axe.run({resultTypes: ['violations']}).then((result) => result.violations
    .flatMap((each) => each.nodes.map((node) =>
        `${each.id}: ${node.html.slice(0, 120)} ${node.failureSummary.slice(0, 200)}`)))"""
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CONSOLE_PATHS = re.compile(
    r"/console(/static/[a-z-]+\.(js|css|svg|jpg)|/session|/stream|/samples|"
    r"/(photos|photo|upload|cluster|volumes|work|audit|sign-in)(/.*)?)"
)
PHONE = {"width": 360, "height": 740}
REPORT_VIOLATIONS = (
    "addEventListener('securitypolicyviolation', (e) => console.error('policy', e.blockedURI))"
)
READY = "main:not([aria-busy])"


class Visitor:
    """A browser for the console of one cluster. Each visit shares nothing with another one."""

    def __init__(self, chromium, cluster, address):
        self._chromium = chromium
        self.cluster = cluster
        self.address = address
        self._paths = described_paths(address)

    def of(self, address):
        """Return a visitor of one storagemaster."""
        return Visitor(self._chromium, self.cluster, address)

    def visit(self, look, *, scopes=None, began_seconds=None, **context):
        """Call `look(page)` with a signed-in page, and return its result.

        The visit fails if the page logs an error, breaks its policy, sends a request to another
        host than the storagemaster and the edge, or to a route that `/openapi.json` lacks.
        """
        cookies = []
        if scopes != ():
            cookies.append(self.cluster.cookie(scopes, self.address, began_seconds=began_seconds))
        state = {"cookies": cookies, "origins": []}
        faults = []

        async def watched(page):
            page.on("console", lambda line: faults.append(line.text) if is_fault(line) else None)
            page.on("request", lambda request: faults.extend(self.faults_of(request)))
            await page.add_init_script(REPORT_VIOLATIONS)
            page.set_default_timeout(15_000)
            return await look(page)

        # Without motion nothing has to be waited for: what fades in is there at once.
        options = {"storage_state": state, "base_url": self.address, "reduced_motion": "reduce",
                   "permissions": ["clipboard-read", "clipboard-write"], **context}  # fmt: skip
        result = self._chromium.run(watched, **options)
        assert not faults, faults
        return result

    def faults_of(self, request):
        """Return what is wrong with a request."""
        url = urlsplit(request.url)
        if url.scheme == "blob":
            return
        origin = f"{url.scheme}://{url.netloc}"
        if origin == self.cluster.config.public_url:
            return
        if origin != self.address:
            yield f"a request to another host: {request.url}"
        elif url.path != "/" and not CONSOLE_PATHS.fullmatch(url.path):
            known = [methods for path, methods in self._paths if path.fullmatch(url.path)]
            if request.method.lower() not in {"head", *itertools.chain(*known)}:
                yield f"no route of the API: {request.method} {url.path}"


def described_paths(address):
    """Return the routes of `/openapi.json`: a pattern of each path, with its methods."""
    with urllib.request.urlopen(f"{address}/openapi.json") as response:
        paths = json.load(response)["paths"]
    return [
        (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), tuple(methods))
        for path, methods in paths.items()
    ]


def is_fault(line):
    """Return True for a line of the browser's console that no visit may cause."""
    # The browser itself logs each refused request; the page shows it, and tests look at that.
    return line.type in {"error", "warning"} and "Failed to load resource" not in line.text


async def open_page(page, path):
    """Open a page, and wait until it shows something."""
    await page.goto(path)
    await page.wait_for_selector(READY)


async def go(page, path):
    """Show another page without loading the document again, and wait until it shows something."""
    await begin_to_go(page, path)
    await page.wait_for_selector(READY)


async def begin_to_go(page, path):
    """Show another page without loading the document again."""
    script = """(path) => {
        history.pushState(null, "", path);
        dispatchEvent(new PopStateEvent("popstate"));
    }"""
    await page.evaluate(script, path)


async def faults_of_view(page, name):
    """Return what is wrong with the page as it is now.

    axe-core looks at it light on a desktop, and dark on a phone, where nothing may scroll sideways.
    """
    desktop = page.viewport_size
    found = await findings(page)
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size(PHONE)
    found += await findings(page)
    if await page.evaluate(BEYOND) > 0:
        found.append("wider than the window of a phone")
    await page.set_viewport_size(desktop)
    await page.emulate_media(color_scheme="light")
    return [f"{name}: {each}" for each in found]


async def findings(page):
    """Return the findings of axe-core on the page as it is now."""
    if not await page.evaluate("'axe' in window"):
        if not AXE.exists():
            pytest.fail("axe-core is missing; proxy_config/install-servers.sh test installs it")
        await page.evaluate(AXE.read_text())
    return await page.evaluate(FINDINGS)


async def mock(page, path, document, status=200):
    """Respond to a route with a document, or never if the document is None."""

    async def respond(route):
        if document is not None:
            await route.fulfill(status=status, json=document)

    await page.route(pattern_of(path), respond)


async def unmock(page, path):
    """Send a route to the storagemaster again; others stay as they are."""
    await page.unroute(pattern_of(path))


def pattern_of(path):
    """Return the pattern of the URLs of a route."""
    return re.compile(rf"://[^/]+{path}(\?.*)?$")


async def silence_stream(page):
    """Keep the live status from replacing the one of a test."""
    await page.route("**/console/stream", lambda route: route.abort())
