"""The photo side of the console: what a person does with a photo, from the upload to its end."""

import re
import urllib.error
import urllib.request

from tests.console.visits import mock, open_page
from tests.glassplate.live_cluster import jpeg


def status_of(url):
    """Return the status of a URL for a viewer."""
    try:
        with urllib.request.urlopen(url) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def photo_file(seed, name="cat.jpg", **size):
    """Return a photo as Playwright gives it to a file field."""
    return {"name": name, "mimeType": "image/jpeg", "buffer": jpeg(seed, **size)}


async def copied(page):
    """Return the text that the page copied last."""
    await page.wait_for_selector(".toast")
    return await page.evaluate("navigator.clipboard.readText()")


async def confirm(page, button, act):
    """Press a button that shows a plan, and then the button that names the act."""
    await page.click(button)
    await page.wait_for_selector("dialog li")
    await page.click(f"dialog >> text={act}")


def test_the_sample_photos_are_the_first_thing_seen(console):
    """The address of a storagemaster leads to them, the newest first, under their hour."""

    async def look(page):
        await page.goto("/")
        await page.wait_for_selector("figure .loaded")
        assert page.url.endswith("/console/photos")
        return await page.locator("figure").count(), await page.locator("h2").first.text_content()

    figures, heading = console.visit(look)
    assert figures >= 8
    assert re.match(r"(Since )?\d\d:00|\d", heading)


def test_the_samples_are_uploaded_where_there_are_no_photos(console):
    """One button stores the eight photos that come with the package."""

    async def look(page):
        await mock(page, "/photos/recent", {"photos": [], "before": None, "unreachable": []})
        await open_page(page, "/console/photos")
        await page.click("text=Upload the samples")
        await page.wait_for_selector("text=8 of 8 kept")
        assert page.url.endswith("/console/upload")
        return sorted(await page.locator(".file .name").all_text_contents())

    names = console.visit(look)
    assert (names[0], names[-1], len(names)) == ("aurora.jpg", "sea.jpg", 8)


def test_upload_share_revoke_and_delete(console, cluster, seeds):
    """A copied URL works, and answers 410 once it is revoked. Each act is in the audit log."""

    async def look(page):
        await open_page(page, "/console/upload")
        await page.set_input_files(
            "input[type=file]", photo_file(next(seeds), width=1200, height=800)
        )
        await page.wait_for_selector(".file.ready")
        assert "1 of 1 kept" in await page.locator(".totals").text_content()
        await page.click(".file >> text=Open")
        await page.wait_for_selector(".columns img")
        assert "Safe." in await page.locator(".sentence").text_content()
        await page.click("[aria-label='Copy URL of size m']")
        await page.click("text=For 1 hour")
        url = await copied(page)
        assert status_of(url) == 200
        photo = "/".join(page.url.split("/")[-3:-1])
        await confirm(page, "text=Make again…", "Make sizes again")
        await page.wait_for_selector("text=The sizes are being made")
        await page.wait_for_selector(".columns img")
        await confirm(page, "text=Revoke…", "Revoke URLs")
        await page.wait_for_selector("text=All URLs are revoked")
        assert status_of(url) == 410
        await confirm(page, "text=Delete…", "Delete 1 photo")
        await page.wait_for_selector("text=This photo was deleted")
        await confirm(page, "text=Undelete…", "Undelete photo")
        await page.wait_for_selector("text=The photo is back")
        await page.wait_for_selector(".columns img")
        return photo

    photo = console.visit(look)
    with cluster.client() as client:
        entries = client.audit(photo=photo)["entries"]
    done = [each["act"] for each in reversed(entries) if each["result"] == "done"]
    assert done == ["regenerate", "revoke", "delete", "undelete"]


def test_files_that_are_no_photos_are_refused_with_the_reason(console, seeds):
    """They come first, the others are kept, and a retry of all that can succeed is offered."""

    async def look(page):
        await open_page(page, "/console/upload")
        await page.set_input_files(
            "input[type=file]",
            [
                photo_file(next(seeds), "good.jpg"),
                {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"no photo at all" * 99},
                {"name": "empty.jpg", "mimeType": "image/jpeg", "buffer": b""},
            ],
        )
        await page.wait_for_selector(".file.ready")
        await page.wait_for_selector("text=2 not kept")
        names = await page.locator(".file .name").all_text_contents()
        reasons = await page.locator(".file.failed .state").all_text_contents()
        return names, reasons, await page.locator("text=Retry all failed").count()

    names, reasons, retries = console.visit(look)
    assert names[-1] == "good.jpg"
    assert "empty" in reasons[1]
    assert retries == 0


def test_paste_and_drop_upload_a_photo(console, seeds):
    """Both work anywhere on the page of uploads."""
    script = """async ([event, bytes]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], `${event}.jpg`, {type: "image/jpeg"}));
        const made = event === "paste"
            ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true})
            : new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
        document.querySelector(".drop").dispatchEvent(made);
    }"""

    async def look(page):
        await open_page(page, "/console/upload")
        for event in ("paste", "drop"):
            await page.evaluate(script, [event, list(jpeg(next(seeds)))])
        await page.wait_for_selector("text=2 of 2 kept")

    console.visit(look)


def test_many_photos_are_selected_and_deleted(console, cluster, seeds):
    """The plan counts their files, and their number must be typed."""
    references = [cluster.make_photo(jpeg(next(seeds))) for _ in range(2)]

    async def look(page):
        await open_page(page, "/console/photos")
        for reference in references:
            await page.check(f"figure[data-reference='{reference}'] input", force=True)
        await page.click("text=Copy references")
        assert set((await copied(page)).splitlines()) == set(references)
        await page.click(".selection >> text=Delete…")
        await page.wait_for_selector("dialog li")
        plan = await page.locator("dialog").text_content()
        assert await page.evaluate("document.activeElement.textContent") == "Keep photos"
        button = page.locator("dialog >> text=Delete 2 photos").last
        assert await button.is_disabled()
        await page.fill("#typed", "2")
        await button.click()
        await page.wait_for_selector("text=2 photos deleted")
        for reference in references:
            assert await page.locator(f"figure[data-reference='{reference}']").count() == 0
        return plan

    plan = console.visit(look)
    assert re.search(r"\d+ files on .*east", plan)
    assert "Undelete works until" in plan
    with cluster.client() as client:
        assert {each.state for each in client.infos(references)} == {"gone"}


def test_a_photo_that_arrives_waits_behind_a_button(console, cluster, seeds):
    """Nothing moves under the pointer: the page offers to show it."""

    async def look(page):
        await open_page(page, "/console/photos")
        await page.wait_for_selector(".health a")
        before = await page.locator("figure").count()
        reference = cluster.make_photo(jpeg(next(seeds)))
        await page.click("text=Show 1 new photo")
        await page.wait_for_selector(f"figure[data-reference='{reference}']")
        return before, await page.locator("figure").count()

    before, after = console.visit(look)
    assert after == before + 1


def test_a_volume_and_a_search_show_the_same_photo(console, cluster, seeds):
    """By volume, by id, by URL, and by reference."""
    reference = cluster.make_photo(jpeg(next(seeds)))
    volume, photo, _ = reference.split("/")
    with cluster.client() as client:
        url = client.info(reference).urls["o"]

    async def look(page):
        await open_page(page, f"/console/photos?volume={volume}")
        await page.wait_for_selector(f"figure[data-reference='{reference}']")
        for text in (photo, url, reference):
            await open_page(page, "/console/photos?find=")
            await page.fill("#find", text)
            await page.click("main >> text=Look up >> nth=-1")
            await page.wait_for_selector(f"a[href='/console/photo/{reference}'], .columns")
        await open_page(page, "/console/photos?find=")
        await page.fill("#find", "cat.jpg")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("text=This names no photo")

    console.visit(look)
