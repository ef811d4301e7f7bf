"""Listing of recent photos: the lists of all nodes together, as far as they can be reached."""

from glassplate.session.new_tokens import new_token
from permission_urls import VolumeRange, sign_token
from storagemaster import wire
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import KEYS
from tests.storagemaster.uploads.test_bad_uploads import assert_problem


async def page_of(cluster, headers=None, **query):
    """Request a page."""
    path = wire.RECENT_PHOTOS.path(query=[(name, str(value)) for name, value in query.items()])
    return await cluster.master.request("GET", path, headers=headers)


async def upload(cluster, number, volume=1):
    """Store a photo; return its reference."""
    receipt = await cluster.master.upload(picture(number=number), volume=volume)
    assert receipt.status == 201
    return str(receipt.version)


def references(answer):
    """Return the references of a page."""
    return [each["reference"] for each in answer.document["photos"]]


async def test_uploads_are_listed_in_pages_the_latest_first(cluster):
    """Each photo is listed once although both mirrors list it, also one of several requests."""
    stored = {await upload(cluster, number, volume=1 + number % 2) for number in range(5)}
    found, query = [], {"limit": 2}
    while True:
        page = await page_of(cluster, **query)
        seconds = [each["stored_seconds"] for each in page.document["photos"]]
        assert seconds == sorted(seconds, reverse=True)
        assert page.document["unreachable"] == []
        found += references(page)
        if page.document["before"] is None:
            break
        query["before"] = page.document["before"]
    assert len(found) == 5
    assert set(found) == stored


async def test_a_mirror_that_is_down_is_named(cluster):
    """The other mirror lists the photo."""
    reference = await upload(cluster, 1)
    await cluster.stop("west-1")
    await cluster.master.fleet.poll()
    page = await page_of(cluster)
    assert references(page) == [reference]
    assert page.document["unreachable"] == ["west-1"]


async def test_a_revoked_photo_is_listed_with_its_new_version(cluster):
    """A lookup of the old version says that it is gone."""
    receipt = await cluster.master.upload(picture())
    revoked = await cluster.master.revoke(receipt.version)
    assert set(references(await page_of(cluster))) == {str(receipt.version), str(revoked.version)}


async def test_a_token_lists_its_own_volumes(cluster):
    """Photos of other volumes do not exist for it."""
    await upload(cluster, 1, volume=1)
    own = await upload(cluster, 2, volume=2)
    token = sign_token(KEYS, new_token(["read"], volumes=[VolumeRange(2, 2)]))
    page = await page_of(cluster, {"Authorization": f"Bearer {token}"})
    assert references(page) == [own]


async def test_malformed_cursors_are_refused(cluster):
    """The problem says what to send."""
    for query in ({"before": "yesterday"}, {"before": ""}, {"limit": 0}, {"limit": 1001}):
        assert_problem(await page_of(cluster, **query), 400, "bad-argument")
