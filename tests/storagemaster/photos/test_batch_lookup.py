"""A page of photos in one request, with a real memcached, without one, and with one that lies."""

import json
import signal

import pytest

from storagemaster import wire
from storagemaster.caches import info_cache
from storagemaster.caches.info_cache import POOL_MAX, encode_entry
from storagemaster.photos.batch_lookup import InfoSource, locate_infos
from storagenode.write_port.repair_api import RepairApi
from storagenode.write_port.write_api import WriteApi
from tests.free_ports import free_port
from tests.storagemaster.bundles_to_send import body_of, bundled, failure_of, sizes_of
from tests.storagemaster.memcached_servers import LyingMemcached, running_memcached
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import HOST
from volumes.address import Address
from volumes.photo_path import Info, PhotoTombstone, PhotoVersion, VersionTombstone

NEVER = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
NO_VOLUME = PhotoVersion(9, "01jd3x8m2c9qp4k7", "3fz8qd")


@pytest.fixture(name="calls")
def _calls(monkeypatch):
    """What the nodes are asked while the test lasts, by the name of the route."""
    calls = []
    for owner, name in (
        (WriteApi, "digests"),
        (WriteApi, "send_infos"),
        (RepairApi, "list_photo"),
        (WriteApi, "send_file"),
    ):
        handle = getattr(owner, name)

        async def noting(self, request, name=name, handle=handle):
            calls.append(name)
            return await handle(self, request)

        monkeypatch.setattr(owner, name, noting)
    return calls


@pytest.fixture(name="patient_cache", autouse=True)
def _patient_cache(monkeypatch):
    """A busy machine is slow, which is no miss."""
    monkeypatch.setattr(info_cache, "ANSWER_SECONDS", 10.0)


@pytest.fixture(name="memcached")
def _memcached():
    """A memcached of this test's own: its process and its address."""
    port = free_port()
    with running_memcached(port) as process:
        yield process, Address(HOST, port)


def with_info(photo_version, *, color="#000000"):
    """Sizes of a version, whose info says what a real one does."""
    *variants, info = sizes_of(photo_version)
    document = json.loads(info.data) | {"original": {"ext": "jpg"}, "color": color}
    return [*variants, bundled(Info(photo_version), json.dumps(document).encode())]


async def ready_photos(cluster, count):
    """So many photos in both volumes whose sizes are made."""
    photos = []
    for number in range(count):
        photo_version = (
            await cluster.master.upload(picture(number=number), volume=1 + number % 2)
        ).version
        body = body_of(with_info(photo_version, color=f"#{number:06x}"))
        await cluster.master.worker.put_bundle(photo_version, body, mtime_seconds=1)
        photos.append(photo_version)
    return photos


async def batch_of(cluster, photos):
    """The entries of a page."""
    answer = await cluster.master.request(
        "POST", wire.LOOKUP.path(), data=wire.render_batch_request(photos)
    )
    assert answer.status == 200, answer.document
    return answer.document["photos"]


def states_of(page):
    """The states of a page's entries."""
    return [entry["state"] for entry in page]


async def one_by_one(cluster, photos):
    """What the storagemaster says of each photo by itself."""
    return [(await cluster.master.photo(photo_version)).document for photo_version in photos]


async def test_a_page_says_what_each_photo_s_own_document_says(cluster_with, memcached, calls):
    """At one question a node where memcached has the infos, two where it has not."""
    _, address = memcached
    cluster = await cluster_with(memcached=(address,))
    photos = await ready_photos(cluster, 6)
    truth = await one_by_one(cluster, photos)
    calls.clear()
    assert await batch_of(cluster, photos) == truth
    assert calls == ["digests"] * 4


async def test_what_was_flushed_is_read_from_the_nodes_and_remembered(
    cluster_with, memcached, calls
):
    """One question more to each node that is nearest, and none the next time."""
    process, address = memcached
    cluster = await cluster_with(memcached=(address,))
    photos = await ready_photos(cluster, 6)
    process.kill()
    process.wait()
    with running_memcached(address.port):
        calls.clear()
        first = await batch_of(cluster, photos)
        assert sorted(calls) == ["digests"] * 4 + ["send_infos"] * 2
        for _ in range(POOL_MAX):  # each connection to the one that died is found out by use
            await batch_of(cluster, photos)
        calls.clear()
        assert await batch_of(cluster, photos) == first
        assert calls == ["digests"] * 4


async def test_without_memcached_a_page_is_the_same(cluster_with, calls):
    """No server, or one that is dead."""
    cluster = await cluster_with(memcached=(Address(HOST, free_port()),))
    photos = await ready_photos(cluster, 4)
    truth = await one_by_one(cluster, photos)
    calls.clear()
    assert await batch_of(cluster, photos) == truth
    assert sorted(calls) == ["digests"] * 4 + ["send_infos"] * 2


async def test_a_frozen_memcached_only_costs_time(cluster_with, memcached, monkeypatch):
    """It accepts connections and says nothing."""
    monkeypatch.setattr(info_cache, "ANSWER_SECONDS", 0.2)
    process, address = memcached
    cluster = await cluster_with(memcached=(address,))
    photos = await ready_photos(cluster, 2)
    process.send_signal(signal.SIGSTOP)
    assert states_of(await batch_of(cluster, photos)) == ["ready", "ready"]


async def test_a_photo_that_memcached_missed_the_end_of_is_gone(cluster_with, memcached):
    """Deleted while memcached was away with its info: a stale answer is none."""
    process, address = memcached
    cluster = await cluster_with(memcached=(address,))
    deleted, other = await ready_photos(cluster, 2)
    process.send_signal(signal.SIGSTOP)
    with pytest.MonkeyPatch.context() as patch:
        # The master's client was made with patience; a new one gives up soon.
        patch.setattr(info_cache, "ANSWER_SECONDS", 0.2)
        hasty = await cluster.another_master("hasty", colo="east")
        await hasty.delete(deleted)
    process.send_signal(signal.SIGCONT)
    assert states_of(await batch_of(cluster, [deleted, other])) == ["gone", "ready"]


FOREIGN = PhotoVersion(1, "01jd3x8m2c9qp4k7", "000000")
LIES = {
    "nothing": lambda _: b"",
    "noise": lambda key: key * 20,
    "another photo's": lambda _: encode_entry(
        FOREIGN, b'{"variants": [], "original": {"ext": "jpg"}}'
    ),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_a_memcached_that_lies_changes_nothing(cluster_with, lie):
    """Whatever it has under a key."""
    liar = LyingMemcached(lie)
    async with liar.running():
        cluster = await cluster_with(memcached=(liar.address,))
        photos = await ready_photos(cluster, 3)
        page = await batch_of(cluster, photos)
        assert liar.questions == 1
        assert [entry["info"]["color"] for entry in page] == ["#000000", "#000001", "#000002"]


async def test_a_lie_that_is_sealed_as_the_photo_s_own_is_not_believed(cluster_with):
    """The node's digest decides, which nobody can make a value for."""
    lies = {}
    liar = LyingMemcached(lambda key: lies.get(key, b""))
    async with liar.running():
        cluster = await cluster_with(memcached=(liar.address,))
        (photo_version,) = await ready_photos(cluster, 1)
        older = with_info(photo_version, color="#ffffff")[-1].data
        lies[info_cache._key(photo_version).encode()] = encode_entry(photo_version, older)
        (entry,) = await batch_of(cluster, [photo_version])
        assert entry["info"]["color"] == "#000000"


async def test_one_photo_that_cannot_be_had_does_not_fail_the_rest(cluster):
    """Each has its own state and reason, in the order asked for, as often as it was asked for."""
    ready, gone = await ready_photos(cluster, 2)
    await cluster.master.delete(gone)
    pending = (await cluster.master.upload(picture(number=7))).version
    failed = (await cluster.master.upload(picture(number=8))).version
    await cluster.master.worker.put_bundle(
        failed, body_of(failure_of(failed, "too dark")), mtime_seconds=1
    )
    page = await batch_of(cluster, [ready, gone, pending, failed, NEVER, NO_VOLUME, ready])
    assert states_of(page) == ["ready", "gone", "pending", "failed", "unknown", "unknown", "ready"]
    assert page[0] == page[-1]
    assert page[3]["reason"] == "too dark"
    assert all(entry["reason"] for entry in (page[1], page[4], page[5]))


async def test_a_deleted_version_is_gone_though_only_one_mirror_knows(cluster):
    """A tombstone wins, wherever it is."""
    (photo_version,) = await ready_photos(cluster, 1)
    await cluster.stop_and_notice("west-1")
    await cluster.master.delete_version(photo_version)
    await cluster.start_and_notice("west-1")
    assert states_of(await batch_of(cluster, [photo_version])) == ["gone"]


async def test_with_a_colo_down_a_page_is_answered_and_what_is_not_found_is_not_known(cluster):
    """What the other colo has is ready; what it has not may be in the one that is down."""
    photos = await ready_photos(cluster, 2)
    await cluster.stop_and_notice("east-1", "east-2")
    page = await batch_of(cluster, [*photos, NEVER])
    assert states_of(page) == ["ready", "ready", "unavailable"]


async def test_a_damaged_info_is_read_from_the_other_mirror(cluster):
    """The nearest node's is not believed, and the photo is ready all the same."""
    (photo_version,) = await ready_photos(cluster, 1)
    info = cluster.path(
        "east-1", f"1/{photo_version.shard}/{photo_version.photo}_{photo_version.version}.json"
    )
    info.chmod(0o644)
    info.write_bytes(b"damaged beyond reading")
    (entry,) = await batch_of(cluster, [photo_version])
    assert (entry["state"], entry["info"]["color"]) == ("ready", "#000000")


async def test_an_info_that_says_too_little_is_looked_into(cluster):
    """One without the original's format: the listing of the photo has that."""
    photo_version = (await cluster.master.upload(picture())).version
    await cluster.master.worker.put_bundle(
        photo_version, body_of(sizes_of(photo_version)), mtime_seconds=1
    )
    assert await batch_of(cluster, [photo_version]) == await one_by_one(cluster, [photo_version])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"[]", "VOLUME/PHOTO/VERSION"),
        (b'{"photos": [1]}', "VOLUME/PHOTO/VERSION"),
        (b'{"photos": ["1/01jd3x8m2c9qp4k7"]}', "1/01jd3x8m2c9qp4k7"),
        (wire.render_batch_request([NEVER] * 501), "too many photos: 501"),
        (b" " * (wire.BATCH_REQUEST_BYTES_MAX + 1), "bytes long"),
    ],
)
async def test_a_bad_request_says_what_is_wrong(cluster, body, words):
    """And what is right."""
    answer = await cluster.master.request("POST", wire.LOOKUP.path(), data=body)
    assert answer.status == 400
    assert words in answer.document["detail"]


async def test_a_page_needs_a_token(cluster):
    """Of scope read."""
    answer = await cluster.master.request(
        "POST", wire.LOOKUP.path(), data=b"{}", headers={"Authorization": ""}
    )
    assert answer.status == 401


def test_what_is_sought_is_what_has_an_info_and_no_tombstone():
    """On any mirror; an info that nobody can vouch for is looked into by itself."""
    ready, gone, dead = (PhotoVersion(1, "01jd3x8m2c9qp4k7", f"00000{n}") for n in "123")
    unsure = PhotoVersion(1, "01jd3x8m2c9qp4k0", "000001")
    deleted = PhotoVersion(2, "01jd3x8m2c9qp4k8", "000001")
    said = {
        "east-1": {Info(ready): "aa", Info(gone): "bb", Info(deleted): "cc", Info(unsure): ""},
        "west-1": {
            Info(ready): "aa",
            VersionTombstone(gone): "tt",
            PhotoTombstone(deleted.volume, deleted.photo): "tt",
        },
    }
    sought = locate_infos([ready, gone, dead, deleted, unsure], said)
    assert sought == {ready: InfoSource("aa", ("east-1", "west-1"))}
