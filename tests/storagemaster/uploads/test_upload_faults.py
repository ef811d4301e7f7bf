"""Faults during an upload: a handoff node replaces a mirror, and the client sends once."""

import asyncio

import pytest

from drill.cluster.tcp_proxy import Direction, Fault, LinkConditions
from storagemaster.mirrors import mirrors
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.small_cluster import wait_until

MIB = 1024 * 1024
REPLACED = {"east-1", "west-2 for west-1"}


pytestmark = pytest.mark.usefixtures("impatience")


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("after_bytes", [0, 100_000, MIB])
async def test_mirror_lost_in_mid_stream_is_replaced(cluster, fault, after_bytes):
    """A handoff node pulls the copy of a mirror that hangs, ends, or is killed."""
    link = cluster.links["west-1"]
    link.plan(fault, after_bytes=after_bytes)
    photo = long_picture(2 * MIB)
    answer = await cluster.master.upload(photo)
    assert link.fired.is_set()
    assert answer.status == 201
    assert answer.document["pending_mirrors"] == ["west-1"]
    assert answer.document["durability"] == "mirrored"
    assert cluster.holders(answer.original) == dict.fromkeys(REPLACED, photo)


async def test_large_photo_is_not_blocked_by_a_mirror_that_hangs(cluster):
    """The photo has more bytes than all buffers together."""
    link = cluster.links["west-1"]
    link.plan(Fault.FREEZE, after_bytes=MIB)
    photo = long_picture(16 * MIB)
    answer = await cluster.master.upload(photo)
    assert link.fired.is_set()
    assert answer.status == 201
    assert cluster.holders(answer.original) == dict.fromkeys(REPLACED, photo)


async def test_mirror_that_hung_before_the_upload_is_replaced(cluster):
    """It accepts the connection, but does not respond."""
    cluster.links["west-1"].freeze()
    answer = await cluster.master.upload(picture())
    assert answer.status == 201
    assert cluster.holders(answer.original).keys() == REPLACED


async def test_stalled_mirror_gets_no_requests_until_it_responds_again(cluster):
    """The next upload does not wait for it."""
    cluster.links["west-1"].freeze()
    await cluster.master.upload(picture(number=1))
    assert not cluster.master.fleet.is_up("west-1")
    connections = cluster.links["west-1"].connections
    answer = await cluster.master.upload(picture(number=2))
    assert answer.status == 201
    assert cluster.links["west-1"].connections == connections
    cluster.links["west-1"].unfreeze()
    await cluster.poll()
    assert cluster.master.fleet.is_up("west-1")


async def test_lost_mirror_keeps_nothing_of_a_broken_upload(cluster):
    """It has no published file, and removes the staged one."""
    link = cluster.links["west-1"]
    link.plan(Fault.FREEZE, after_bytes=500_000)
    answer = await cluster.master.upload(long_picture(2 * MIB))
    assert answer.status == 201
    link.unfreeze()
    await cluster.wait_until_nothing_is_staged()
    assert cluster.files("west-1") == {}


async def test_mirror_whose_response_is_lost_can_have_the_photo(cluster):
    """The delivery of the hint finds the copy, and removes the hint."""
    cluster.links["west-1"].freeze(Direction.CLIENT)
    photo = picture()
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert cluster.holders(answer.original) == dict.fromkeys([*REPLACED, "west-1"], photo)
    cluster.links["west-1"].unfreeze()
    await cluster.master.deliver_hints()
    assert cluster.holders(answer.original) == {"east-1": photo, "west-1": photo}


async def test_two_slow_links_are_not_a_fault(cluster):
    """Neither mirror delays the other, and both get their copy."""
    for node in ("east-1", "west-1"):
        cluster.links[node].conditions = LinkConditions(delay_seconds=0.02)
    photo = long_picture(5 * MIB)
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert cluster.holders(answer.original) == {"east-1": photo, "west-1": photo}


@pytest.mark.usefixtures("despair")
async def test_colo_that_hangs_degrades_the_photo(cluster):
    """The other colo stores both copies after the second node of the first also fails."""
    for node in ("west-1", "west-2"):
        cluster.links[node].freeze()
    photo = picture()
    answer = await cluster.master.upload(photo)
    assert (answer.status, answer.document["durability"]) == (201, "degraded")
    assert cluster.holders(answer.original) == {"east-1": photo, "east-2 for west-1": photo}


@pytest.mark.usefixtures("despair")
async def test_when_both_mirrors_hang_nothing_is_acknowledged(cluster):
    """The wait is bounded, and no node keeps a file."""
    for node in ("east-1", "west-1"):
        cluster.links[node].plan(Fault.FREEZE, after_bytes=MIB)
    answer = await cluster.master.upload(long_picture(3 * MIB))
    assert answer.status == 503
    for node in ("east-1", "west-1"):
        assert cluster.links[node].fired.is_set()
        cluster.links[node].unfreeze()
    await cluster.wait_until_nothing_is_staged()
    assert cluster.all_files() == {}


@pytest.mark.usefixtures("despair")
async def test_single_copy_is_not_acknowledged(cluster):
    """One mirror stores the photo, and no other node can."""
    for node in ("west-1", "west-2", "east-2"):
        cluster.links[node].freeze()
    answer = await cluster.master.upload(picture())
    assert answer.status == 503
    assert "two are required" in answer.document["detail"]


async def test_handoff_node_that_is_down_is_skipped(cluster):
    """The next best node stores the copy."""
    await cluster.stop("west-2")
    cluster.links["west-1"].plan(Fault.RESET, after_bytes=100_000)
    photo = long_picture(MIB)
    answer = await cluster.master.upload(photo)
    assert (answer.status, answer.document["durability"]) == (201, "degraded")
    assert cluster.holders(answer.original) == {"east-1": photo, "east-2 for west-1": photo}


async def test_client_that_disconnects_leaves_nothing(cluster):
    """No node keeps a part of the body."""
    photo = long_picture(4 * MIB)
    _, writer = await asyncio.open_connection(*address_of(cluster.master))
    writer.write(cluster.master.upload_head(content_length=len(photo)) + photo[: 2 * MIB])
    await writer.drain()
    await wait_until(lambda: bool(cluster.all_files()))
    writer.transport.abort()
    await cluster.wait_until_nothing_is_staged()
    assert cluster.all_files() == {}


async def test_pause_of_a_client_is_not_a_fault_of_the_nodes(cluster):
    """Both mirrors get the photo of a slow client."""
    photo = long_picture(MIB)

    async def chunks():
        yield photo[:500_000]
        await asyncio.sleep(mirrors.PATIENCE_SECONDS + 0.2)
        yield photo[500_000:]

    answer = await cluster.master.upload(chunks())
    assert (answer.status, answer.document["pending_mirrors"]) == (201, [])


def address_of(master):
    """Return the address of a storagemaster as host and port."""
    return master.address.host, master.address.port
