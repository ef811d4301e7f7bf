"""Faults in the middle of an upload: the survivor's copy counts, and the client sends once."""

import asyncio

import pytest

from drill.cluster.tcp_proxy import Direction, Fault, LinkConditions
from storagemaster.mirrors import mirroring
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.small_cluster import wait_until

MIB = 1024 * 1024
REPLACED = {"east-1", "west-2 for west-1"}


pytestmark = pytest.mark.usefixtures("impatience")


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("after_bytes", [0, 100_000, MIB])
async def test_a_mirror_lost_in_mid_stream_is_replaced(cluster, fault, after_bytes):
    """Whether it froze, ended or was killed: another node pulls its copy, to hand it over."""
    link = cluster.links["west-1"]
    link.plan(fault, after_bytes=after_bytes)
    photo = long_picture(2 * MIB)
    answer = await cluster.master.upload(photo)
    assert link.fired.is_set()
    assert answer.status == 201
    assert answer.document["pending_mirrors"] == ["west-1"]
    assert answer.document["durability"] == "mirrored"
    assert cluster.holders(answer.original) == dict.fromkeys(REPLACED, photo)


async def test_a_large_photo_passes_a_mirror_that_freezes(cluster):
    """More bytes than all buffers on the way have room for."""
    link = cluster.links["west-1"]
    link.plan(Fault.FREEZE, after_bytes=MIB)
    photo = long_picture(16 * MIB)
    answer = await cluster.master.upload(photo)
    assert link.fired.is_set()
    assert answer.status == 201
    assert cluster.holders(answer.original) == dict.fromkeys(REPLACED, photo)


async def test_a_mirror_that_froze_before_and_was_not_noticed_is_replaced(cluster):
    """It accepts the connection, and nothing more."""
    cluster.links["west-1"].freeze()
    answer = await cluster.master.upload(picture())
    assert answer.status == 201
    assert cluster.holders(answer.original).keys() == REPLACED


async def test_a_mirror_that_stalled_is_asked_no_more_until_it_answers_again(cluster):
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


async def test_a_lost_mirror_keeps_nothing_of_a_broken_upload(cluster):
    """Not a visible file, nor an unfinished one once it has noticed."""
    link = cluster.links["west-1"]
    link.plan(Fault.FREEZE, after_bytes=500_000)
    answer = await cluster.master.upload(long_picture(2 * MIB))
    assert answer.status == 201
    link.unfreeze()
    await cluster.wait_until_nothing_is_staged()
    assert cluster.files("west-1") == {}


async def test_a_mirror_whose_answer_is_lost_may_have_the_photo_too(cluster):
    """One more copy than was asked for: hand-over finds it there, and settles."""
    cluster.links["west-1"].freeze(Direction.CLIENT)
    photo = picture()
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert cluster.holders(answer.original) == dict.fromkeys([*REPLACED, "west-1"], photo)
    cluster.links["west-1"].unfreeze()
    await cluster.master.deliver_hints()
    assert cluster.holders(answer.original) == {"east-1": photo, "west-1": photo}


async def test_two_slow_links_are_no_fault(cluster):
    """Where both are slow neither keeps the other waiting, and both get their copy."""
    for node in ("east-1", "west-1"):
        cluster.links[node].conditions = LinkConditions(delay_seconds=0.02)
    photo = long_picture(5 * MIB)
    answer = await cluster.master.upload(photo)
    assert answer.status == 201
    assert cluster.holders(answer.original) == {"east-1": photo, "west-1": photo}


@pytest.mark.usefixtures("despair")
async def test_a_colo_that_freezes_costs_two_colos_and_not_the_photo(cluster):
    """Its other node is tried in vain; then the live colo holds both copies."""
    for node in ("west-1", "west-2"):
        cluster.links[node].freeze()
    photo = picture()
    answer = await cluster.master.upload(photo)
    assert (answer.status, answer.document["durability"]) == (201, "degraded")
    assert cluster.holders(answer.original) == {"east-1": photo, "east-2 for west-1": photo}


@pytest.mark.usefixtures("despair")
async def test_when_both_mirrors_freeze_nothing_is_acknowledged(cluster):
    """The wait has an end, and the client is told to send again."""
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
async def test_a_single_copy_is_not_acknowledged(cluster):
    """The survivor has it, and nobody else can take a second copy."""
    for node in ("west-1", "west-2", "east-2"):
        cluster.links[node].freeze()
    answer = await cluster.master.upload(picture())
    assert answer.status == 503
    assert "one copy is not acknowledged" in answer.document["detail"]


async def test_a_stand_in_that_is_down_is_passed_over(cluster):
    """The next best node takes the copy."""
    await cluster.stop("west-2")
    cluster.links["west-1"].plan(Fault.RESET, after_bytes=100_000)
    photo = long_picture(MIB)
    answer = await cluster.master.upload(photo)
    assert (answer.status, answer.document["durability"]) == (201, "degraded")
    assert cluster.holders(answer.original) == {"east-1": photo, "east-2 for west-1": photo}


async def test_a_client_that_goes_away_leaves_nothing(cluster):
    """Its connection breaks in mid-body: no node keeps a part of it."""
    photo = long_picture(4 * MIB)
    _, writer = await asyncio.open_connection(*address_of(cluster.master))
    writer.write(cluster.master.upload_head(content_length=len(photo)) + photo[: 2 * MIB])
    await writer.drain()
    await wait_until(lambda: bool(cluster.all_files()))
    writer.transport.abort()
    await cluster.wait_until_nothing_is_staged()
    assert cluster.all_files() == {}


async def test_a_client_that_pauses_is_waited_for(cluster):
    """Nodes are not blamed for a slow client, and both get the photo."""
    photo = long_picture(MIB)

    async def pieces():
        yield photo[:500_000]
        await asyncio.sleep(mirroring.PATIENCE_SECONDS + 0.2)
        yield photo[500_000:]

    answer = await cluster.master.upload(pieces())
    assert (answer.status, answer.document["pending_mirrors"]) == (201, [])


def address_of(master):
    """Where a storagemaster listens."""
    return master.address.host, master.address.port
