"""tus-js-client and Uppy, which others wrote: in Node.js, and in Chromium from another origin."""

import asyncio

import pytest

from tests.browsers.upload_page import HERE as BROWSERS
from tests.browsers.upload_page import PHOTO_PATH, node_program, upload_page
from tests.storagemaster.handlers.test_applications import token_of
from tests.storagemaster.pictures import long_picture
from tests.storagemaster.resumable.test_tuspy import originals
from volumes.cluster import Application

PHOTO = long_picture(1_000_000)
TOKEN = token_of("shop", ["upload"])["Authorization"].removeprefix("Bearer ")


async def node_upload(master, path, *, bytes_max=10**9, upload=None):
    """Start an upload by tus-js-client in Node.js."""
    arguments = [f"{master.url}/uploads?volume=1", TOKEN, path, str(bytes_max)]
    return await asyncio.create_subprocess_exec(
        *(node_program(), BROWSERS / "upload_by_tus.mjs", *arguments),
        *([] if upload is None else [upload]),
        stdout=asyncio.subprocess.PIPE,
    )


@pytest.fixture(name="photo_file")
def _photo_file(tmp_path):
    """Return a file with the photo."""
    path = tmp_path / "cat.jpg"
    path.write_bytes(PHOTO)
    return path


async def test_node_continues_at_another_storagemaster(cluster, photo_file):
    """The process ended after two parts; another one knows only the URL."""
    first = await node_upload(cluster.master, photo_file, bytes_max=600_000)
    output, _ = await first.communicate()
    url, *offsets = output.decode().split()
    assert (first.returncode, offsets) == (3, ["300000", "600000"])
    assert originals(cluster) == []
    other = await cluster.another_master()
    url = url.replace(cluster.master.url, other.url)
    second = await node_upload(other, photo_file, upload=url)
    output, _ = await second.communicate()
    assert output.decode().split()[-2:] == ["900000", str(len(PHOTO))]
    assert originals(cluster) == [PHOTO, PHOTO]


async def test_node_waits_while_no_node_has_its_bytes(cluster, photo_file):
    """It repeats a HEAD that is locked; after any other error it would begin from zero."""
    process = await node_upload(cluster.master, photo_file)
    lines = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
    assert lines[1] == "300000"
    await cluster.stop_and_notice("east-1", "west-1")
    await asyncio.sleep(0.3)
    await cluster.start_and_notice("east-1", "west-1")
    rest, _ = await process.communicate()
    urls = {line for line in rest.decode().split() if line.startswith("http")}
    offsets = [int(line) for line in rest.decode().split() if line not in urls]
    assert (process.returncode, urls - {lines[0]}) == (0, set())
    assert offsets == sorted(offsets)
    assert offsets[-1] == len(PHOTO)
    assert originals(cluster) == [PHOTO, PHOTO]


BEGIN = """
async ([endpoint, token, photo, bytesMax]) => {
  const file = new File([await (await fetch(photo)).blob()], "cat.jpg", { lastModified: 1 });
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(file, {
      endpoint,
      headers: { Authorization: `Bearer ${token}` },
      metadata: { filename: file.name },
      chunkSize: 300_000,
      retryDelays: null,
      onChunkComplete: (_, accepted) => {
        if (accepted >= bytesMax) upload.abort().then(() => resolve(accepted));
      },
      onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader("Glassplate-Reference")),
      onError: (error) => resolve(String(error)),
    });
    upload.findPreviousUploads().then(([previous]) => {
      if (previous) upload.resumeFromPreviousUpload(previous);
      upload.start();
    });
  });
}
"""
UPPY = """
async ([endpoint, token, photo]) => {
  const uppy = new Uppy().use(Tus, {
    endpoint,
    headers: { Authorization: `Bearer ${token}` },
    chunkSize: 300_000,
    removeFingerprintOnSuccess: true,
  });
  uppy.addFile({ name: "cat.jpg", data: await (await fetch(photo)).blob() });
  const { successful, failed } = await uppy.upload();
  return [successful.length, failed.map((file) => String(file.error))];
}
"""


@pytest.fixture(name="origin")
def _origin(runner):
    """Serve the page until the test ends; return its origin."""
    page = upload_page(PHOTO)
    yield runner.run(page.__aenter__())
    runner.run(page.__aexit__(None, None, None))


@pytest.fixture(name="open_cluster")
def _open_cluster(runner, cluster_with, origin):
    """Start a cluster whose application `shop` has the page."""
    shop = Application(name="shop", origins=(origin,))
    return runner.run(cluster_with(applications={"shop": shop}))


async def test_a_page_of_another_origin_continues_after_a_reload(open_cluster, origin, chromium):
    """tus-js-client finds the URL in the page's storage; the photo is stored once."""
    endpoint = f"{open_cluster.master.url}/uploads?volume=1"

    async def visit(page):
        await page.goto(origin)
        half = await page.evaluate(BEGIN, [endpoint, TOKEN, PHOTO_PATH, 600_000])
        await page.reload()
        return half, await page.evaluate(BEGIN, [endpoint, TOKEN, PHOTO_PATH, 2_000_000])

    half, reference = await asyncio.to_thread(chromium.run, visit)
    assert half == 600_000
    assert (await open_cluster.master.request("GET", f"/photos/{reference}")).status == 200
    assert originals(open_cluster) == [PHOTO, PHOTO]


async def test_uppy_uploads_from_another_origin(open_cluster, origin, chromium):
    """Its tus plugin needs no setting but the endpoint and the token."""

    async def visit(page):
        await page.goto(origin)
        endpoint = f"{open_cluster.master.url}/uploads?volume=1"
        return await page.evaluate(UPPY, [endpoint, TOKEN, PHOTO_PATH])

    assert await asyncio.to_thread(chromium.run, visit) == [1, []]
    assert originals(open_cluster) == [PHOTO, PHOTO]


async def test_a_page_that_is_not_an_origin_of_the_application_uploads_nothing(
    cluster_with, origin, chromium
):
    """The browser refuses to send the request."""
    shop = Application(name="shop", origins=("https://shop.example",))
    cluster = await cluster_with(applications={"shop": shop})

    async def visit(page):
        await page.goto(origin)
        arguments = [f"{cluster.master.url}/uploads?volume=1", TOKEN, PHOTO_PATH, 2_000_000]
        return await page.evaluate(BEGIN, arguments)

    assert "failed to create upload" in await asyncio.to_thread(chromium.run, visit)
    assert cluster.all_files() == {}
