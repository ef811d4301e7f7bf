"""Visits to the console in a browser, and what each must be free of, whatever the test looks at."""

import itertools
import json
import re
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

AXE = Path(__file__).parents[1] / "browsers/node_modules/axe-core/axe.min.js"
CONSOLE_PATHS = re.compile(
    r"/console(/static/[a-z-]+\.(js|css|svg|jpg)|/session|/stream|/samples|"
    r"/(photos|photo|upload|cluster|volumes|work|audit|sign-in)(/.*)?)"
)
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
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

    def visit(self, look, *, scopes=None, **context):
        """Call `look(page)` with a signed-in page, and return its result.

        The visit fails if the page logs an error, breaks its policy, sends a request to another
        host than the storagemaster and the edge, or to a route that `/openapi.json` lacks.
        """
        cookie = None if scopes == () else self.cluster.cookie(scopes, self.address)
        state = {"cookies": [cookie] if cookie else [], "origins": []}
        faults = []

        async def watched(page):
            page.on("console", lambda line: faults.append(line.text) if is_fault(line) else None)
            page.on("request", lambda request: faults.extend(self.faults_of(request)))
            await page.add_init_script(REPORT_VIOLATIONS)
            page.set_default_timeout(15_000)
            return await look(page)

        options = {"storage_state": state, "base_url": self.address, **context}
        options.setdefault("permissions", ["clipboard-read", "clipboard-write"])
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


async def violations(page):
    """Return the findings of axe-core on the page as it is now."""
    await page.wait_for_timeout(250)  # what fades in has no full contrast before
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run().then((result) => result.violations)")
    return [
        f"{each['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for each in found
        for node in each["nodes"]
    ]


async def width_beyond(page):
    """Return the pixels of the page beyond the width of its window."""
    return await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
