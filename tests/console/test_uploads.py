"""Uploads through faults: they pause, survive a reload, and continue at another storagemaster."""

from tests.console.test_photos import photo_file
from tests.console.visits import open_page

# Slow enough that a test can act while it is being sent.
SLOW = {
    "offline": False,
    "latency": 0,
    "downloadThroughput": -1,
    "uploadThroughput": 400_000,
}


async def slow_down(page):
    """Limit what the browser sends; return a function that removes the limit."""
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", SLOW)

    async def hurry():
        await session.send("Network.emulateNetworkConditions", {**SLOW, "uploadThroughput": -1})

    return hurry


def record_offsets(page, offsets):
    """Add the offset of each later request that sends bytes."""

    def record(request):
        if request.method == "PATCH":
            offsets.append(request.headers["upload-offset"])

    page.on("request", record)


def big_photo(seed):
    """Return a photo that takes some seconds to send."""
    file = photo_file(seed, "big.jpg", width=1600, height=1200)
    # What follows the end of a JPEG is part of the file and not of the picture.
    return {**file, "buffer": file["buffer"] + bytes(1_500_000)}


def test_an_upload_continues_at_another_storagemaster(console, cluster, seeds):
    """Paused, then its storagemaster is stopped: the other one takes the missing bytes."""
    first = next(iter(cluster.config.masters))
    sent = []

    async def look(page):
        record_offsets(page, sent)
        await open_page(page, "/console/upload")
        hurry = await slow_down(page)
        await page.set_input_files("input[type=file]", big_photo(next(seeds)))
        await page.wait_for_selector("text=/Sending [1-9]/")
        await page.click("text=Pause all")
        await page.wait_for_selector("text=/Paused at/")
        with cluster.stopped(first):
            await hurry()
            await page.click("text=Resume all")
            await page.wait_for_selector("text=1 of 1 kept")
        await page.wait_for_selector(".file.ready")

    console.visit(look)
    assert int(sent[-1]) > 0


def test_an_upload_survives_a_reload(console, seeds, tmp_path):
    """The page remembers it, and the same file continues where it stopped."""
    photo = tmp_path / "big.jpg"
    photo.write_bytes(big_photo(next(seeds))["buffer"])
    offsets = []

    async def look(page):
        await open_page(page, "/console/upload")
        hurry = await slow_down(page)
        await page.set_input_files("input[type=file]", photo)
        await page.wait_for_selector("text=/Sending [2-9]/")
        await page.click("text=Pause all")
        await page.wait_for_selector("text=/Paused at/")
        await page.reload()
        await page.wait_for_selector("text=/Stopped at/")
        await hurry()
        record_offsets(page, offsets)
        await page.set_input_files("input[type=file]", photo)
        await page.wait_for_selector(".file.ready")
        assert await page.locator(".file").count() == 1
        assert await page.evaluate("localStorage['glassplate-uploads']") == "{}"

    console.visit(look)
    assert int(offsets[0]) > 0


def test_uploads_continue_while_another_page_is_shown(console, seeds):
    """Their rows are there again on the way back."""

    async def look(page):
        await open_page(page, "/console/upload")
        hurry = await slow_down(page)
        await page.set_input_files("input[type=file]", big_photo(next(seeds)))
        await page.wait_for_selector("text=/Sending [1-9]/")
        await page.click("nav >> text=Photos")
        await page.wait_for_selector("figure")
        await hurry()
        await page.click("nav >> text=Upload")
        await page.wait_for_selector("text=1 of 1 kept")

    console.visit(look)
