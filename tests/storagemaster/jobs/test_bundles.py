"""Bundles: the sizes that a worker has made are mirrored whole, with the info last."""

import asyncio
import gzip
import os

import pytest

from storagemaster.client import MasterRefused, NoMasterAvailable
from storagenode.disk.filesystem import DiskFileSystem
from storagenode.protocol.wire import BundledFile
from tests.flood import flood
from tests.storagemaster.bundles_to_send import (
    body_of,
    bundled,
    failure_of,
    paths_of,
    sizes_of,
)
from tests.storagemaster.pictures import picture
from tests.storagemaster.uploads.test_bad_uploads import assert_problem
from volumes.photo_id import PhotoId
from volumes.photo_path import Info, PhotoVersion, Variant

NODES = {"east-1", "west-1"}


@pytest.fixture(name="photo")
def _photo(runner, cluster):
    """Return the version of an uploaded photo."""
    return runner.run(cluster.master.upload(picture())).version


async def send_bundle(cluster, photo_version, files, *, mtime_seconds=1_700_000_000):
    """Send a bundle as a worker does."""
    await cluster.master.worker.put_bundle(
        photo_version, body_of(files), mtime_seconds=mtime_seconds
    )


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_bundle_lands_on_both_mirrors(cluster, photo):
    """Every file has the same bytes and mtime. One is larger than any buffer on the way."""
    files = [bundled(Variant(photo, "k", "jpg"), os.urandom(3_000_000)), *sizes_of(photo)]
    await send_bundle(cluster, photo, files)
    for file in files:
        assert cluster.holders(file.path) == dict.fromkeys(NODES, file.data)
        times = {cluster.path(node, file.path).stat().st_mtime for node in NODES}
        assert times == {1_700_000_000}


async def test_the_info_is_linked_last(cluster, photo, monkeypatch):
    """The presence of an info means that its sizes are there."""
    files, linked, link = sizes_of(photo), [], DiskFileSystem.link

    def record_link(file_system, source, target):
        link(file_system, source, target)
        linked.append(target)

    monkeypatch.setattr(DiskFileSystem, "link", record_link)
    await send_bundle(cluster, photo, files)
    assert sorted(linked) == sorted([*paths_of(files)] * 2)
    # Of two nodes at once: each one's info comes after as many others as there are.
    info = files[-1].path
    assert linked.index(info) >= len(files) - 1
    assert linked[-1] == info


async def test_the_same_bundle_again_changes_nothing(cluster, photo):
    """A job may be delivered twice."""
    await send_bundle(cluster, photo, sizes_of(photo))
    before = cluster.all_files()
    await send_bundle(cluster, photo, sizes_of(photo))
    assert cluster.all_files() == before


async def test_another_info_does_not_replace_the_first(cluster, photo):
    """The first result stays."""
    first, second = sizes_of(photo), sizes_of(photo)
    second[-1] = bundled(Info(photo), b'{"variants": [], "made": "later"}')
    await send_bundle(cluster, photo, first)
    with pytest.raises(MasterRefused):
        await send_bundle(cluster, photo, second)
    assert cluster.holders(first[-1].path) == dict.fromkeys(NODES, first[-1].data)


async def test_a_failure_lands_on_both_mirrors(cluster, photo):
    """Sizes that are made later make the photo ready."""
    await send_bundle(cluster, photo, failure_of(photo, "the pixels are damaged"))
    assert (await cluster.master.photo(photo)).document["state"] == "failed"
    await send_bundle(cluster, photo, sizes_of(photo))
    assert (await cluster.master.photo(photo)).document["state"] == "ready"


@pytest.mark.parametrize("is_noticed", [True, False])
async def test_with_a_mirror_down_a_bundle_becomes_hints(cluster, photo, is_noticed):
    """A handoff node holds every file. The outage may be known or not."""
    await (cluster.stop_and_notice("west-1") if is_noticed else cluster.stop("west-1"))
    files = sizes_of(photo)
    await send_bundle(cluster, photo, files)
    for file in files:
        assert set(cluster.holders(file.path)) == {"east-1", "west-2 for west-1"}


async def test_a_full_mirror_takes_sizes(cluster, photo):
    """Its reserve is for them."""
    for node in cluster.stores:
        cluster.fill(node)
    await cluster.poll()
    files = sizes_of(photo)
    await send_bundle(cluster, photo, files)
    assert cluster.holders(files[0].path) == dict.fromkeys(NODES, files[0].data)


async def test_with_both_mirrors_down_a_bundle_is_refused(cluster, photo):
    """The worker must retry; nothing is stored."""
    await cluster.stop_and_notice("east-1", "west-1")
    with pytest.raises(NoMasterAvailable, match="try again"):
        await send_bundle(cluster, photo, sizes_of(photo))
    assert cluster.files("east-2") == cluster.files("west-2") == {}


async def test_a_bundle_of_a_deleted_photo_is_gone(cluster, photo):
    """With 410 the worker stops, and no size reappears."""
    await cluster.master.delete(photo)
    with pytest.raises(MasterRefused, match="410"):
        await send_bundle(cluster, photo, sizes_of(photo))
    for node in NODES:
        assert not any("_s.jpg" in path for path in cluster.files(node))


async def test_a_bundle_of_a_photo_whose_delete_one_mirror_missed_is_gone(cluster, photo):
    """One tombstone is enough. It removes what the other mirror stored."""
    await cluster.stop_and_notice("west-1")
    await cluster.master.delete(photo)
    await cluster.start_and_notice("west-1")
    with pytest.raises(MasterRefused, match="410"):
        await send_bundle(cluster, photo, sizes_of(photo))
    await cluster.master.deliver_hints()
    visible = [path for path in cluster.files("west-1") if not path.startswith(".")]
    assert visible == [f"1/{photo.shard}/{photo.photo}.gone"]


async def test_an_unsigned_bundle_is_refused(cluster, photo):
    """The status is 403, with or without an API token."""
    path = f"/internal/bundles/{photo}?mtime=1"
    before = cluster.all_files()
    for headers in ({}, {"Glassplate-Signature": "a.ffffffff." + "A" * 24}):
        response = await cluster.master.request(
            "POST", path, data=body_of(sizes_of(photo)), headers=headers
        )
        assert_problem(response, 403, "not-allowed")
    assert cluster.all_files() == before


async def test_a_signature_is_valid_for_one_bundle(cluster, photo):
    """It covers the bytes, the version, and the storagemaster."""
    sign = cluster.master.bundle_headers
    path = f"/internal/bundles/{photo}?mtime=1"
    body = body_of(sizes_of(photo))
    other = body_of(sizes_of(photo, sizes=("s",)))
    for headers in (
        sign(path, other),
        sign(path.replace("mtime=1", "mtime=2"), body),
        sign(path, body, receiver="another-master"),
    ):
        response = await cluster.master.request("POST", path, data=body, headers=headers)
        assert_problem(response, 403, "not-allowed")


async def test_an_unsigned_bundle_is_refused_before_it_is_read(cluster, photo):
    """The storagemaster takes no more of 100 MB than what the kernel holds."""
    path = f"/internal/bundles/{photo}?mtime=1"
    head = f"POST {path} HTTP/1.1\r\nHost: m\r\nContent-Length: 104857600\r\n\r\n".encode()
    received, sent = await asyncio.to_thread(flood, cluster.master.address, head)
    assert received.split()[1] == b"403"
    assert sent < 25_000_000


@pytest.mark.parametrize("path", ["/photos", "/photos/info", "/regenerations"])
async def test_a_body_without_a_token_is_refused_before_it_is_read(cluster, path):
    """The response comes before the first byte of the body."""
    address = cluster.master.address
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: m\r\nContent-Length: 99\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == b"401"
    writer.write(bytes(99))
    writer.close()


async def test_a_compressed_bundle_is_refused(cluster, photo):
    """Before a byte of it is unpacked."""
    path = f"/internal/bundles/{photo}?mtime=1"
    body = gzip.compress(body_of(sizes_of(photo)))
    headers = {**cluster.master.bundle_headers(path, body), "Content-Encoding": "gzip"}
    response = await cluster.master.request("POST", path, data=body, headers=headers)
    assert_problem(response, 400, "bad-argument")
    assert "Content-Encoding" in response.document["detail"]


def other_photo(photo_version):
    """Return the same version of another photo."""
    return PhotoVersion(
        photo_version.volume, PhotoId("0" * 14 + photo_version.shard), photo_version.version
    )


WRONG = {
    "another photo's size": lambda photo_version: [
        bundled(Variant(other_photo(photo_version), "s", "jpg"), b"x"),
        *sizes_of(photo_version),
    ],
    "the original": lambda photo_version: [
        bundled(Variant(photo_version, "o", "jpg"), b"x"),
        *sizes_of(photo_version),
    ],
    "an info in the middle": lambda photo_version: list(reversed(sizes_of(photo_version))),
    "no info": lambda photo_version: sizes_of(photo_version)[:-1],
    "nothing": lambda _: [],
    "a failure beside sizes": lambda photo_version: (
        failure_of(photo_version, "x") + sizes_of(photo_version)
    ),
    "a tombstone": lambda photo_version: [
        BundledFile(f"1/{photo_version.shard}/{photo_version.photo}.gone", "0" * 64, b"gone\n"),
    ],
    "a path that climbs": lambda _: [BundledFile("../../etc/passwd", "0" * 64, b"x")],
    "a hidden path": lambda _: [BundledFile(".hints/west-1/x", "0" * 64, b"x")],
    "another volume": lambda photo_version: [
        bundled(
            Variant(PhotoVersion(2, photo_version.photo, photo_version.version), "s", "jpg"), b"x"
        ),
        *sizes_of(photo_version),
    ],
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_invalid_bundle_is_refused(cluster, photo, name):
    """The status is 400 for a signed request as well, and nothing is written."""
    before = cluster.all_files()
    with pytest.raises(MasterRefused, match="400"):
        await send_bundle(cluster, photo, WRONG[name](photo))
    assert cluster.all_files() == before


@pytest.mark.parametrize("body", [b"", b"\n", b"[]", b"{}\n", b'[{"path": "x"}]\n', b"[[]]\n"])
async def test_a_malformed_bundle_is_refused(cluster, photo, body):
    """The status is 400."""
    with pytest.raises(MasterRefused, match="400"):
        await cluster.master.worker.put_bundle(photo, body, mtime_seconds=1)


async def test_a_bundle_of_an_unknown_volume_is_refused(cluster, photo):
    """The worker does not retry after a 404."""
    photo_version = PhotoVersion(9, photo.photo, photo.version)
    with pytest.raises(MasterRefused, match="404"):
        await send_bundle(cluster, photo_version, sizes_of(photo_version))


async def test_a_file_damaged_in_transit_is_not_stored(cluster, photo):
    """Each node verifies it against its digest."""
    files = sizes_of(photo)
    files[0] = BundledFile(files[0].path, files[0].digest, b"damaged")
    before = cluster.all_files()
    with pytest.raises(NoMasterAvailable):
        await send_bundle(cluster, photo, files)
    assert cluster.all_files() == before
