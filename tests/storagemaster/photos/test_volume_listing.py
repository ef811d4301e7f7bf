"""Listing of a volume: complete and in pages, whatever the mirrors and the size of the pages."""

from dataclasses import asdict, replace

import pytest

from glassplate.session.new_tokens import new_token
from permission_urls import VolumeRange, sign_token
from storagemaster import wire
from storagemaster.photos import volume_listing
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import KEYS
from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from volumes.photo_path import PhotoVersion, Variant, render_path, render_stem

MIRRORS = ("east-1", "west-1")
# Both ends of the first and the last shard, and several photos in one.
PHOTOS = [
    PhotoVersion(1, f"01jd3x8m2c9q{end}", version)
    for end, version in [
        ("p400", "3fz8qd"),
        ("p500", "3fz8qd"),
        ("p1k7", "3fz8qd"),
        ("p2k7", "000001"),
        ("p2k7", "3fz8qd"),
        ("p3k7", "3fz8qd"),
        ("p4zz", "3fz8qd"),
    ]
]


def store(cluster, photo_version, *nodes):
    """Store an original on these nodes."""
    for node in nodes:
        cluster.write(node, render_path(Variant(photo_version, "o", "jpg")), b"bytes")


async def page_of(cluster, *, after=None, limit=None, volume=1):
    """Request a page."""
    query = {"volume": volume, "after": after, "limit": limit}
    given = [(name, str(value)) for name, value in query.items() if value is not None]
    answer = await cluster.master.request("GET", wire.PHOTOS_OF_VOLUME.path(query=given))
    assert answer.status == 200
    return answer.document


async def pages_of(cluster, limit):
    """Request all pages, and return the photos of each."""
    pages, after = [], None
    while True:
        document = await page_of(cluster, after=after, limit=limit)
        assert document["unreachable"] == []
        pages.append(document["photos"])
        after = document["after"]
        if after is None:
            return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
async def test_pages_are_complete_and_in_order(cluster, limit):
    """Each photo is on one page, by shard and id, and every page but the last is full."""
    for photo_version in reversed(PHOTOS):
        store(cluster, photo_version, *MIRRORS)
    pages = await pages_of(cluster, limit)
    assert [photo for page in pages for photo in page] == list(map(str, PHOTOS))
    assert {len(page) for page in pages[:-1]} <= {limit}


async def test_an_empty_volume_has_one_empty_page(cluster):
    """Its cursor is null."""
    assert await page_of(cluster) == {"photos": [], "after": None, "unreachable": []}


async def test_a_photo_on_one_mirror_is_listed(cluster):
    """The mirrors are compared by union, as for repairs."""
    store(cluster, PHOTOS[0], "east-1")
    store(cluster, PHOTOS[1], "west-1")
    assert (await page_of(cluster))["photos"] == list(map(str, PHOTOS[:2]))


async def test_a_tombstone_on_one_mirror_is_enough(cluster):
    """A deleted photo is not listed, also while a mirror has not received the tombstone."""
    for photo_version in PHOTOS[3:6]:
        store(cluster, photo_version, *MIRRORS)
    cluster.write("east-1", f"{render_stem(PHOTOS[3])}.gone", b"")
    cluster.write("west-1", f"1/k7/{PHOTOS[5].photo}.gone", b"")
    assert (await page_of(cluster))["photos"] == [str(PHOTOS[4])]


async def test_a_version_without_its_original_is_not_listed(cluster):
    """Its sizes alone cannot be read as the photo."""
    cluster.write("east-1", render_path(Variant(PHOTOS[0], "m", "jpg")), b"bytes")
    assert (await page_of(cluster))["photos"] == []


async def test_uploads_are_listed_and_revoked_versions_are_not(cluster):
    """The new version of a revoked photo is."""
    uploaded = [(await cluster.master.upload(picture())).version for _ in range(3)]
    path = wire.REVOKE.path(asdict(uploaded[0]))
    revoked = (await cluster.master.request("POST", path)).version
    photos = (await page_of(cluster))["photos"]
    assert sorted(photos) == sorted(map(str, [revoked, *uploaded[1:]]))


async def test_an_unreachable_mirror_is_named(cluster):
    """The list may lack photos, and the caller can see it."""
    store(cluster, PHOTOS[0], *MIRRORS)
    await cluster.stop_and_notice("west-1")
    document = await page_of(cluster)
    assert document == {"photos": [str(PHOTOS[0])], "after": None, "unreachable": ["west-1"]}


async def test_a_volume_without_a_mirror_is_unavailable(cluster):
    """An empty page would look like an empty volume."""
    await cluster.stop_and_notice(*MIRRORS)
    answer = await cluster.master.request("GET", "/photos?volume=1")
    assert_problem(answer, 503, "unavailable")


async def test_a_page_ends_after_enough_files(cluster, monkeypatch):
    """Many tombstones make pages with few photos, and no request lists the whole volume."""
    monkeypatch.setattr(volume_listing, "FILES_MAX", 1)
    for photo_version in PHOTOS:
        cluster.write("east-1", f"{render_stem(photo_version)}.gone", b"")
    store(cluster, PhotoVersion(1, "01jd3x8m2c9qp5zz", "3fz8qd"), "east-1")
    pages = await pages_of(cluster, 10)
    assert pages == [[], [], ["1/01jd3x8m2c9qp5zz/3fz8qd"]]


async def test_large_shards_are_listed_one_by_one(cluster, monkeypatch):
    """A step is a shard of each mirror, unless the shards before it had few files."""
    monkeypatch.setattr(volume_listing, "FILES_FEW", 0)
    steps = []
    for node in MIRRORS:
        list_shards = cluster.stores[node].list_shard

        def recording(volume, shard, list_shards=list_shards):
            steps.append(shard)
            return list_shards(volume, shard)

        monkeypatch.setattr(cluster.stores[node], "list_shard", recording)
    store(cluster, PHOTOS[0], *MIRRORS)
    await page_of(cluster, limit=1)
    assert steps == ["00", "00"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?volume=0",
        "?volume=x",
        "?volume=1&limit=0",
        "?volume=1&limit=1001",
        "?volume=1&limit=x",
        "?volume=1&after=k",
        "?volume=1&after=uu",
        "?volume=1&after=01jd3x8m2c9qp4k7",
        "?volume=1&after=01jd3x8m2c9qp4k7/x",
        "?volume=1&after=1/01jd3x8m2c9qp4k7/3fz8qd",
    ],
)
async def test_invalid_parameters_are_rejected(cluster, query):
    """With 400 and the parameter."""
    answer = await cluster.master.request("GET", f"/photos{query}")
    assert answer.status == 400


async def test_other_volumes_do_not_exist_for_a_token(cluster):
    """Nor does a volume that is not in the config."""
    token = sign_token(KEYS, replace(new_token(["read"]), volumes=(VolumeRange(2, 2),)))
    headers = {"Authorization": f"Bearer {token}"}
    for volume, status in ((1, 404), (2, 200), (3, 404)):
        path = f"/photos?volume={volume}"
        answer = await cluster.master.request("GET", path, headers=headers)
        assert answer.status == status
