"""The pages Cluster, Volumes, Work, and Audit: what is wrong, what to do, and what was done."""

import json
import re

from tests.glassplate.live_cluster import jpeg


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


def test_a_difference_is_shown_repaired_and_in_the_audit_log(console, cluster, seeds):
    """The diff is a plan; the act says what it does, and leaves an entry."""
    reference = cluster.make_photo(jpeg(next(seeds)))
    volume, photo, _ = reference.split("/")
    with cluster.client() as client:
        mirror = client.explain(reference)["mirrors"][0]["node"]
    file = next((cluster.data / "nodes" / mirror / volume / photo[-2:]).glob(f"{photo}_*_m.jpg"))

    async def remove_and_compare(page):
        """Return True if the comparison was faster than the repair in the background."""
        file.unlink(missing_ok=True)
        async with page.expect_response(f"**/repairs/{volume}") as response:
            await page.click("text=Compare again")
        return (await (await response.value).json())["steps"]

    async def look(page):
        await opened(page, "/console/volumes")
        await page.click(f"text=Volume {volume}")
        await page.wait_for_selector(".panel .facts-list")
        while not await remove_and_compare(page):
            pass
        await page.wait_for_selector(f".panel .paths >> text={file.name}")
        plan = await act(page, f"text=Repair volume {volume}…", f"Repair volume {volume}")
        await page.wait_for_selector(".panel >> text=All mirrors are equal.")
        await page.click("nav >> text=Audit")
        await page.wait_for_selector("tbody tr")
        return plan, await page.locator("tbody tr").first.text_content()

    plan, entry = console.visit(look)
    assert "1 step: " in plan
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


def test_large_sizes_are_offloaded_and_recalled(console, cluster, seeds):
    """Both acts show what they move, and leave an entry."""
    reference = cluster.make_photo(jpeg(next(seeds)))
    volume = reference.partition("/")[0]

    async def look(page):
        await opened(page, f"/console/volumes/{volume}")
        offloaded = await act(page, "text=Offload…", f"Offload volume {volume}")
        await page.wait_for_selector("tbody >> text=offloaded")
        recalled = await act(page, "text=Recall large sizes…", f"Recall volume {volume}")
        await page.wait_for_selector("text=Offload…")
        return offloaded, recalled

    offloaded, recalled = console.visit(look)
    assert re.search(r"\d+ files?: originals and large sizes", offloaded)
    assert "The cold node keeps its copies" in recalled
    with cluster.client() as client:
        entries = client.audit()["entries"]
    done = {each["act"] for each in entries if each["target"] == volume}
    assert {"offload", "recall"} <= done
