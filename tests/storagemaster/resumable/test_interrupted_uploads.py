"""Resumable uploads that are cut off at any byte: by client, storagemaster, node, or network."""

import asyncio

import pytest

from storagemaster.resumable import partial_copies
from storagenode.partials import partials as node_partials
from tests.storagemaster.pictures import long_picture
from tests.storagemaster.resumable.tus_client import PATCH_TYPE, TusClient
from tests.storagemaster.small_cluster import HOST, keys_of, wait_until

SEGMENT_BYTES = 300_000
LENGTH = 1_000_000
PHOTO = long_picture(LENGTH)
(KEY,) = keys_of(1, count=1)
CUTS = (0, 1, 65_535, 300_000, 700_000, len(PHOTO) - 1)


@pytest.fixture(name="tus")
def _tus(cluster, monkeypatch):
    monkeypatch.setattr(partial_copies, "SEGMENT_BYTES_MAX", SEGMENT_BYTES)
    return TusClient(cluster.master)


async def begun(tus):
    """Return the path of a new upload."""
    return (await tus.begin(len(PHOTO))).headers["Location"]


async def offset_of(tus, path):
    """Return the offset of an upload, once the request before has ended on the nodes."""
    async with asyncio.timeout(30):
        while (answer := await tus.offset(path)).status == 423:  # noqa: ASYNC110  # another process ends
            await asyncio.sleep(0.05)
    assert answer.status == 200, answer
    return int(answer.headers["Upload-Offset"])


async def finish(tus, path):
    """Send the missing bytes, as a client that returns does."""
    offset = await offset_of(tus, path)
    answer = await tus.append(path, PHOTO[offset:], offset=offset)
    assert answer.status == 204, answer
    return answer


def stored(cluster):
    """Return the originals by node."""
    found = {}
    for node in ("east-1", "west-1", "east-2", "west-2"):
        for path, data in cluster.files(node).items():
            if "_o." in path:
                found.setdefault(path.removeprefix(".hints/"), []).append(data)
    return found


@pytest.fixture(name="received")
def _received(monkeypatch):
    return received_bytes(monkeypatch)


def received_bytes(monkeypatch):
    """Return a list that gets the number of bytes that storagemasters have read of bodies."""
    received = []
    read = partial_copies._Segments._read

    async def spied(segments):
        await read(segments)
        received.append(len(segments._rest))

    monkeypatch.setattr(partial_copies._Segments, "_read", spied)
    return received


async def send_a_part(master, path, received, data, *, of=LENGTH):
    """Send the first bytes of a body, and return the connection once they are read."""
    _, writer = await asyncio.open_connection(HOST, master.address.port)
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: m\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Content-Type: {PATCH_TYPE}\r\nContent-Length: {of}\r\n\r\n"
    )
    writer.write(head.encode() + data)
    await writer.drain()
    await wait_until(lambda: sum(received) == len(data))
    return writer


async def wait_for_offset(tus, path, offset):
    """Return when the upload continues at an offset."""
    async with asyncio.timeout(20):
        while await offset_of(tus, path) != offset:  # noqa: ASYNC110  # another process changes it
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("cut", CUTS)
async def test_a_client_that_hangs_up_continues_elsewhere(cluster, tus, received, cut):
    """Every byte before the cut is kept, and the photo is stored once."""
    path = await begun(tus)
    (await send_a_part(cluster.master, path, received, PHOTO[:cut])).close()
    other = TusClient(await cluster.another_master())
    await wait_for_offset(other, path, cut)
    await finish(other, path)
    assert list(stored(cluster).values()) == [[PHOTO, PHOTO]]


async def test_a_node_that_stops_costs_nothing(cluster, tus):
    """One copy is enough to continue; the photo gets its second copy at the end."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:400_000], offset=0)
    await cluster.stop_and_notice("west-1")
    answer = await finish(tus, path)
    assert answer.headers["Durability"] == "mirrored"
    assert [len(copies) for copies in stored(cluster).values()] == [1, 1]


async def test_a_node_that_missed_the_end_does_not_reopen_the_upload(cluster, tus):
    """It still has its copy of a part when it returns. The photo is stored, on all requests."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:400_000], offset=0)
    await cluster.stop_and_notice("west-1")
    await finish(tus, path)
    await wait_until(lambda: not list(cluster.root("east-1").glob(".partials/*")))
    await cluster.start_and_notice("west-1")
    assert await offset_of(tus, path) == len(PHOTO)
    late = await tus.append(path, PHOTO[500_000:], offset=500_000)
    assert late.status == 409
    assert str(len(PHOTO)) in late.document["detail"]
    assert (await tus.end(path)).status == 403


async def test_a_node_that_missed_a_part_copies_the_photo(cluster, tus):
    """It was down during an append."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:400_000], offset=0)
    await cluster.stop_and_notice("west-1")
    await tus.append(path, PHOTO[400_000:700_000], offset=400_000)
    await cluster.start_and_notice("west-1")
    assert await offset_of(tus, path) == 700_000
    await finish(tus, path)
    assert list(stored(cluster).values()) == [[PHOTO, PHOTO]]
    assert cluster.mirrors_are_equal(1)


async def test_a_photo_on_one_node_is_not_stored(cluster, tus):
    """The commit failed after its first copy; the next one completes it."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:700_000], offset=0)
    for node in ("west-1", "east-2", "west-2"):
        cluster.mark_suspect(node)
    assert (await tus.append(path, PHOTO[700_000:], offset=700_000)).status == 503
    assert [len(copies) for copies in stored(cluster).values()] == [1]
    assert (await tus.offset(path)).status == 423
    for node in ("west-1", "east-2", "west-2"):
        cluster.stores[node].health.suspect_reason = ""
    await cluster.poll()
    assert await offset_of(tus, path) == len(PHOTO)
    assert list(stored(cluster).values()) == [[PHOTO, PHOTO]]


async def test_bytes_that_a_power_failure_took_before_the_commit_are_sent_again(
    cluster, tus, monkeypatch
):
    """The nodes have fewer bytes then, and no others: this is not a key that was used twice."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:700_000], offset=0)
    publish, left = node_partials.Partials.publish, [True, True]

    def lose_bytes_and_publish(partials, partial, *arguments, **options):
        if left:
            left.pop()
            last = node_partials.segments_of(partials._file_system, partial)[-1]
            partials._file_system.unlink(last.path)
        return publish(partials, partial, *arguments, **options)

    monkeypatch.setattr(node_partials.Partials, "publish", lose_bytes_and_publish)
    assert (await tus.append(path, PHOTO[700_000:], offset=700_000)).status == 503
    await finish(tus, path)
    assert list(stored(cluster).values()) == [[PHOTO, PHOTO]]


async def test_both_nodes_can_restart(cluster, tus):
    """Acknowledged bytes are on their disks."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:400_000], offset=0)
    await cluster.stop_and_notice("east-1", "west-1")
    await cluster.start_and_notice("east-1", "west-1")
    assert await offset_of(tus, path) == 400_000
    await finish(tus, path)
    assert list(stored(cluster).values()) == [[PHOTO, PHOTO]]


async def test_the_other_node_alone_continues(cluster, tus):
    """The nodes with the bytes can change places during the upload."""
    path = await begun(tus)
    await tus.append(path, PHOTO[:400_000], offset=0)
    await cluster.stop_and_notice("east-1")
    await tus.append(path, PHOTO[400_000:600_000], offset=400_000)
    await cluster.start_and_notice("east-1")
    await cluster.stop_and_notice("west-1")
    assert await offset_of(tus, path) == 400_000
    await finish(tus, path)
    await cluster.start_and_notice("west-1")
    assert {data for copies in stored(cluster).values() for data in copies} == {PHOTO}


async def test_two_clients_of_one_upload_store_one_photo(cluster, tus):
    """One of two appends at the same offset wins at every node; the loser requests the offset."""
    path = await begun(tus)
    other = TusClient(await cluster.another_master())
    answers = await asyncio.gather(
        *(client.append(path, PHOTO[:400_000], offset=0) for client in (tus, other))
    )
    assert {answer.status for answer in answers} <= {204, 409, 503}
    await finish(tus, path)
    assert list(stored(cluster).values()) == [[PHOTO, PHOTO]]


async def test_other_bytes_by_a_second_client_do_not_mix(cluster, tus):
    """The photo has the bytes of one copy, the same on both mirrors."""
    path = await begun(tus)
    other = TusClient(await cluster.another_master())
    second = long_picture(len(PHOTO), number=7)
    await asyncio.gather(
        tus.append(path, PHOTO[:250_000], offset=0), other.append(path, second[:250_000], offset=0)
    )
    await finish(tus, path)
    (copies,) = stored(cluster).values()
    assert copies[0] == copies[1]


async def test_a_late_append_of_another_storagemaster_changes_nothing(cluster, tus, received):
    """The client gave up a request, continued elsewhere, and then the request came to its end."""
    path = await begun(tus)
    late = long_picture(len(PHOTO), number=7)
    writer = await send_a_part(cluster.master, path, received, late[:200_000])
    other = TusClient(await cluster.another_master())
    assert (await other.append(path, PHOTO[:400_000], offset=0)).status == 204
    received.clear()
    writer.write(late[200_000:])
    await wait_until(lambda: sum(received) >= SEGMENT_BYTES - 200_000)
    await cluster.wait_until_nothing_is_staged()
    assert await offset_of(other, path) == 400_000
    await finish(other, path)
    writer.close()
    assert list(stored(cluster).values()) == [[PHOTO, PHOTO]]


async def test_segments_survive_a_storagemaster_that_dies(cluster, tus, received):
    """The nodes have them before the request ends."""
    path = await begun(tus)
    writer = await send_a_part(cluster.master, path, received, PHOTO[:700_000])
    other = TusClient(await cluster.another_master())
    await wait_for_offset(other, path, 2 * SEGMENT_BYTES)
    writer.close()
    await wait_for_offset(other, path, 700_000)
    await finish(other, path)
    assert list(stored(cluster).values()) == [[PHOTO, PHOTO]]


async def test_a_key_that_was_used_meanwhile_is_refused_although_no_mirror_up_knows(cluster, tus):
    """The other photo of the key is a hint on a third node, as for an upload in one request."""
    path = (await tus.begin(len(PHOTO), {"Idempotency-Key": KEY})).headers["Location"]
    await tus.append(path, PHOTO[:700_000], offset=0)
    await cluster.stop_and_notice("west-1")
    other = await cluster.master.upload(long_picture(1000, number=1), key=KEY)
    assert other.document["pending_mirrors"] == ["west-1"]
    await cluster.stop_and_notice("east-1")
    await cluster.start_and_notice("west-1")
    answer = await tus.append(path, PHOTO[700_000:], offset=700_000)
    assert answer.status == 409
    assert set(cluster.holders(other.original)) == {"east-1", "west-2 for west-1"}


async def test_without_room_for_parts_a_photo_can_be_sent_at_once(cluster, tus, monkeypatch):
    """The status differs from that of nodes that are down, after which clients retry."""
    monkeypatch.setattr(node_partials, "PARTIALS_MAX", 0)
    refused = await tus.begin(LENGTH)
    assert refused.status == 507
    assert refused.document["type"].endswith("/no-room-for-parts")
    assert (await cluster.master.upload(PHOTO)).status == 201
