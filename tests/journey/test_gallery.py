"""`examples/gallery` in a browser: albums, uploads, private photos, and a feed."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import feedparser
import pytest

from drill.faults.processes import FAKETIME
from glassplate import blocking
from tests.free_ports import free_port
from tests.journey.running_cluster import wait_until

ROOT = Path(__file__).resolve().parents[2]
GALLERY = ROOT / "examples" / "gallery"
SAMPLES = ROOT / "storagemaster" / "console" / "sample_photos"
PYTHON_LINES_MAX = 300
ALL_LOADED = """count => {
    const images = [...document.querySelectorAll("#photos img")];
    for (const image of images) image.loading = "eager";
    return images.length === count && images.every((image) => image.complete && image.naturalWidth);
}"""


SHOWN = """[...document.querySelectorAll("#photos img")]
    .map((image) => [image.currentSrc, image.srcset, image.alt])"""


@dataclass
class Site:
    """A running gallery."""

    address: str
    secret: str
    process: subprocess.Popen

    @property
    def owner_link(self):
        """The link that signs the owner in."""
        return f"{self.address}/sign-in/{self.secret}"

    def get(self, path):
        """Return the text of a page, as a visitor sees it."""
        with urllib.request.urlopen(self.address + path) as response:
            return response.read().decode()

    def post(self, path, body, *, content_type="application/json"):
        """Send a request of the owner; return the Location of the response, if it has one."""
        connection = http.client.HTTPConnection(self.address.removeprefix("http://"))
        headers = {"Cookie": f"owner={self.secret}", "Content-Type": content_type}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        assert response.status < 400, response.status
        return response.headers.get("Location")

    def add_album(self, title, *, private=False):
        """Add an album; return its path."""
        body = f"title={title}{'&private=on' if private else ''}"
        return self.post("/albums", body, content_type="application/x-www-form-urlencoded")


def started(command, **options):
    """Start a site; return when it has printed its addresses."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    lines = iter(process.stdout.readline, "")
    address = next(line for line in lines if line.startswith("Gallery:")).split()[1]
    secret = next(line for line in lines if line.startswith("Owner:")).rsplit("/", 1)[1].strip()
    wait_until("the gallery", lambda: is_open(address))
    return Site(address, secret, process)


def is_open(address):
    """Return True if the site responds."""
    try:
        urllib.request.urlopen(address).close()
    except urllib.error.URLError:
        return False
    return True


@pytest.fixture(name="site", scope="module")
def _site(cluster):
    """Run the gallery as `make gallery` does."""
    port = str(free_port())
    site = started([GALLERY / "start.sh", cluster.data, port])
    yield site
    site.process.terminate()
    site.process.wait(10)
    site.process.stdout.close()


@pytest.fixture(name="other_site")
def _other_site(cluster, site, tmp_path):
    """Run another gallery of the same application, whose webhooks go to the first."""
    assert site
    shutil.copy2(cluster.data / "gallery" / "gallery.toml", tmp_path)
    running = []

    def start(**environment):
        command = [sys.executable, GALLERY / "app.py", tmp_path, str(free_port())]
        running.append(started(command, env=os.environ | environment))
        return running[-1]

    yield start
    for each in running:
        each.process.terminate()
        each.process.wait(10)
        each.process.stdout.close()


def test_the_owner_uploads_photos_that_visitors_see(chromium, cluster, site):
    """The browser uploads to the cluster directly, and shows sizes of the srcset."""
    names = ["aurora.jpg", "sea.jpg", "ridges.jpg"]
    requested = []

    async def upload(page):
        page.on("request", lambda request: requested.append((request.method, request.url)))
        await page.goto(site.owner_link)
        await page.fill("input[name=title]", "Walks")
        await page.click("text=Create album")
        await page.set_input_files("input[type=file]", [SAMPLES / name for name in names])
        await page.wait_for_function(ALL_LOADED, arg=len(names), timeout=60_000)
        return page.url

    async def visit(page):
        await page.goto(album)
        await page.wait_for_function(ALL_LOADED, arg=len(names), timeout=30_000)
        assert await page.query_selector("input[type=file]") is None
        return await page.evaluate(SHOWN)

    album = chromium.run(upload)
    bodies = [url for method, url in requested if method == "PATCH"]
    ingests = {f"http://{ingest.listen}" for ingest in cluster.config.ingests.values()}
    assert {url.split("/uploads/")[0] for url in bodies} <= ingests
    assert len(bodies) >= len(names)
    shown = chromium.run(visit)
    assert {alt for _, _, alt in shown} == {"aurora", "sea", "ridges"}
    for source, srcset, _ in shown:
        assert source.startswith(cluster.config.public_url)
        assert len(srcset.split(", ")) >= 4
    feed = feedparser.parse(site.get("/feed.xml"))
    assert not feed.bozo
    assert {entry.title for entry in feed.entries} == {"aurora", "sea", "ridges"}
    for entry in feed.entries:
        with urllib.request.urlopen(entry.media_content[0]["url"]) as response:
            assert response.headers["Content-Type"] == "image/jpeg"


def test_photos_of_a_private_album_end_after_an_hour(cluster, other_site, jpeg):
    """Visitors need the key. The same page, made two hours ago, has URLs that are refused."""
    earlier = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "-2h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    for each, status in ((other_site(), 200), (other_site(**earlier), 403)):
        album = each.add_album("Home", private=True)
        reference = add_photo(cluster, each, album, jpeg(500 + status))
        with pytest.raises(urllib.error.HTTPError, match="404"):
            each.get(album)
        page = owner_page(each, album)
        key = re.search(r"\?key=([\w-]+)", page)[1]
        assert reference.split("/")[1] in each.get(f"{album}?key={key}")
        url = re.search(r'src="([^"]+)"', page.partition("<picture>")[2])[1]
        assert status_of(url) == status
        assert feedparser.parse(each.get("/feed.xml")).entries == []
        assert "Home" not in each.get("/")


def test_a_photo_is_shown_although_its_webhooks_are_lost(cluster, other_site, jpeg):
    """The browser's report and a lookup replace them."""
    site = other_site()
    album = site.add_album("Lost")
    add_photo(cluster, site, album, jpeg(900))


def test_a_deleted_photo_leaves_the_album_and_the_cluster(cluster, site, jpeg):
    """The owner's form deletes it. A visitor's does not."""
    album = site.add_album("Brief")
    reference = add_photo(cluster, site, album, jpeg(901))
    body, form = f"reference={reference}", {"Content-Type": "application/x-www-form-urlencoded"}
    refused = urllib.request.Request(f"{site.address}/delete", body.encode(), form)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(refused)
    assert site.post("/delete", body, content_type=form["Content-Type"]) == album
    assert "<picture>" not in site.get(album)
    with cluster.client() as client:
        assert client.infos([reference])[0].state == "gone"


def test_a_forged_webhook_is_refused(site):
    """It needs the signature of the cluster for this application."""
    forged = urllib.request.Request(f"{site.address}/photo-events", b"{}")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(forged)


def test_the_gallery_is_short():
    """It is an example, to be read."""
    lines = [line for path in GALLERY.glob("*.py") for line in path.read_text().splitlines()]
    assert len(lines) <= PYTHON_LINES_MAX


def add_photo(cluster, site, album, photo):
    """Upload a photo and report it, as the owner's browser does; return when it is shown."""
    with blocking.Client.from_application(cluster.data / "gallery" / "gallery.toml") as client:
        reference = client.put(photo).reference
    site.post(f"{album}/photos", json.dumps({"reference": reference, "name": "cat.jpg"}))
    photo_id = reference.split("/")[1]
    wait_until("the photo", lambda: f"{photo_id}_" in owner_page(site, album))
    return reference


def owner_page(site, path):
    """Return the text of a page, as the owner sees it."""
    request = urllib.request.Request(site.address + path)
    request.add_header("Cookie", f"owner={site.secret}")
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


def status_of(url):
    """Return the status of an edge's response."""
    try:
        with urllib.request.urlopen(url) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
