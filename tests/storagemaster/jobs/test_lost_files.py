"""Files that every mirror has lost: sizes are regenerated, and an alert names lost originals."""

import pytest

from storagemaster.jobs.second_pass import missing_second_pass
from storagenode.protocol.files import ListedFile
from tests.storagemaster.bundles_to_send import body_of, sizes_of, with_info
from tests.storagemaster.pictures import picture
from volumes.photo_path import Info, Variant, parse_photo_version, render_path
from volumes.sizes import DEFAULT_SIZES

MIRRORS = ("east-1", "west-1")
LETTERS = tuple(size.letter for size in DEFAULT_SIZES)


async def ready_photo(cluster, letters=("s", "q", "t")):
    """Store a photo with these sizes; return its version."""
    photo_version = (await cluster.master.upload(picture())).version
    files = sizes_of(photo_version, sizes=letters)
    await cluster.master.worker.put_bundle(photo_version, body_of(files), mtime_seconds=1)
    return photo_version


def lose(cluster, file, *nodes):
    """Remove a file from nodes."""
    for node in nodes:
        cluster.path(node, render_path(file)).unlink()


async def alerts(cluster):
    """Return the alerts about originals."""
    await cluster.poll()
    found = (await cluster.master.request("GET", "/status")).document["alerts"]
    return [each for each in found if "original" in each]


@pytest.mark.parametrize("letters", [("s", "q", "t"), LETTERS], ids=["some sizes", "all sizes"])
async def test_a_size_that_every_mirror_has_lost_is_made_again(cluster, letters):
    """It is missing on no mirror, because the mirrors are equal, but the info lists it."""
    photo_version = await ready_photo(cluster, letters)
    await cluster.master.sweep.sweep([1])
    lose(cluster, Variant(photo_version, "t", "jpg"), *MIRRORS)
    assert [await cluster.master.sweep.sweep([1]) for _ in range(3)] == [0, 0, 1]
    await cluster.master.worker.put_bundle(
        photo_version, body_of(with_info(photo_version)), mtime_seconds=1
    )
    assert await cluster.master.sweep.sweep([1]) == 0
    for node in MIRRORS:
        files = cluster.files(node)
        assert files[render_path(Variant(photo_version, "t", "jpg"))]
        assert files[render_path(Info(photo_version))] == with_info(photo_version)[-1].data


async def test_a_size_that_one_mirror_has_is_copied_not_made_again(cluster):
    """The info stays."""
    photo_version = await ready_photo(cluster)
    lose(cluster, Variant(photo_version, "t", "jpg"), "east-1")
    assert [await cluster.master.sweep.sweep([1]) for _ in range(3)] == [0, 0, 0]
    await cluster.master.request("POST", "/repairs/1")
    assert cluster.files("east-1") == cluster.files("west-1")
    assert render_path(Info(photo_version)) in cluster.files("east-1")


async def test_nothing_is_concluded_while_a_mirror_is_down(cluster):
    """It may have the size, and the original."""
    photo_version = await ready_photo(cluster)
    lose(cluster, Variant(photo_version, "t", "jpg"), "east-1")
    lose(cluster, Variant(photo_version, "o", "jpg"), "east-1")
    await cluster.stop_and_notice("west-1")
    assert [await cluster.master.sweep.sweep([1]) for _ in range(3)] == [0, 0, 0]
    assert await alerts(cluster) == []
    await cluster.start_and_notice("west-1")
    await cluster.master.request("POST", "/repairs/1")
    assert cluster.files("east-1") == cluster.files("west-1")


async def test_a_lost_info_is_made_again(cluster):
    """The photo is one without sizes."""
    photo_version = await ready_photo(cluster)
    lose(cluster, Info(photo_version), *MIRRORS)
    assert [await cluster.master.sweep.sweep([1]) for _ in range(2)] == [0, 1]


@pytest.mark.parametrize("other", [None, Info], ids=["original", "original and info"])
async def test_a_lost_original_is_an_alert_until_it_is_back(cluster, other):
    """The sizes remain, and no job is enqueued that could not fetch it."""
    photo_version = await ready_photo(cluster)
    original = Variant(photo_version, "o", "jpg")
    kept = cluster.files("east-1")[render_path(original)]
    lose(cluster, original, *MIRRORS)
    if other:
        lose(cluster, other(photo_version), *MIRRORS)
    assert [await cluster.master.sweep.sweep([1]) for _ in range(2)] == [0, 0]
    (alert,) = await alerts(cluster)
    assert alert.startswith("1 photos have lost their original on every mirror")
    assert str(photo_version) in alert
    assert render_path(Variant(photo_version, "t", "jpg")) in cluster.files("west-1")
    cluster.write("east-1", render_path(original), kept)
    await cluster.master.sweep.sweep([1])
    assert await alerts(cluster) == []


async def test_a_deleted_photo_has_lost_nothing(cluster):
    """The alert ends with the delete."""
    photo_version = await ready_photo(cluster)
    lose(cluster, Variant(photo_version, "o", "jpg"), *MIRRORS)
    await cluster.master.sweep.sweep([1])
    assert await alerts(cluster)
    await cluster.master.delete(photo_version)
    await cluster.master.sweep.sweep([1])
    assert await alerts(cluster) == []


@pytest.mark.parametrize("info", [b"{}", b"[]", b"null", b"\xff", b'{"variants": [{"size": 1}]}'])
async def test_an_unreadable_info_lists_nothing(cluster, info):
    """The sweep continues."""
    photo_version = (await cluster.master.upload(picture())).version
    for node in MIRRORS:
        cluster.write(node, render_path(Info(photo_version)), info)
    assert [await cluster.master.sweep.sweep([1]) for _ in range(2)] == [0, 0]


async def test_names_alone_show_that_a_large_photo_has_all_sizes(cluster, monkeypatch):
    """Only the infos of other photos are read, and those once."""
    read = []
    node = cluster.master.reconcile._nodes["east-1"]
    infos = node.infos

    async def note(files):
        read.extend(files)
        return await infos(files)

    monkeypatch.setattr(node, "infos", note)
    await ready_photo(cluster, LETTERS)
    small = await ready_photo(cluster)
    for _ in range(3):
        await cluster.master.sweep.sweep([1])
    assert read == [Info(small)]


def test_a_lost_full_size_in_webp_is_a_missing_second_pass():
    """Another size shows that the photo has WebP."""
    of = parse_photo_version("42/01jd3x8m2c9qp4k7/3fz8qd")
    names = ["_o.jpg", "_x.jpg", "_t.jpg", "_t.webp", "_x.webp", ".json"]
    files = [ListedFile(f"01jd3x8m2c9qp4k7_3fz8qd{name}", 1, "") for name in names]
    assert missing_second_pass(42, files, frozenset(), "x") == set()
    del files[4]
    assert missing_second_pass(42, files, frozenset(), "x") == {of}
