"""Idempotency-Key: repeated uploads with one key, at any storagemaster, create one photo."""

import asyncio
import os

import pytest

from drill.cluster.tcp_proxy import Direction, Fault
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.small_cluster import KEY_SECRET, keys_of
from volumes.photo_id import derive_photo_id

# Keys whose volume is 1.
KEY, OTHER_KEY = keys_of(1, count=2)


async def test_retry_at_another_master_finds_the_first_photo(cluster):
    """The response is 200 with the same receipt, and no node gets a third copy."""
    other = await cluster.another_master()
    photo = picture()
    first = await cluster.master.upload(photo, key=KEY)
    before = cluster.all_files()
    again = await other.upload(photo, key=KEY)
    assert (first.status, again.status) == (201, 200)
    assert again.document == first.document
    assert cluster.all_files() == before


async def test_id_depends_only_on_the_key(cluster):
    """Every storagemaster of the cluster derives the same id."""
    answer = await cluster.master.upload(picture(), key="holiday 7")
    assert (answer.version.photo, answer.version.version) == derive_photo_id(
        "holiday 7", application="default", secret=KEY_SECRET
    )


async def test_retry_has_the_time_of_the_first_upload(cluster):
    """A mirror that lacked the photo stores it with the same second."""
    photo = picture()
    await cluster.stop_and_notice("west-1")
    first = await cluster.master.upload(photo, key=KEY)
    east, handoff = (cluster.path("east-1", first.original), "west-2")
    seconds = east.stat().st_mtime
    backdate(east, seconds - 100)
    backdate(cluster.path(handoff, f".hints/west-1/{first.original}"), seconds - 100)
    await cluster.start_and_notice("west-1")
    await cluster.master.upload(photo, key=KEY)
    assert cluster.path("west-1", first.original).stat().st_mtime == seconds - 100


def backdate(path, seconds):
    """Set the modification time of a file."""
    os.utime(path, (seconds, seconds))


async def test_two_keys_create_two_photos(cluster):
    """Photos with the same bytes are not merged."""
    photo = picture()
    one = await cluster.master.upload(photo, key="one")
    two = await cluster.master.upload(photo, key="two")
    assert (one.status, two.status) == (201, 201)
    assert one.original != two.original


@pytest.mark.parametrize(
    "other_photo",
    [picture(number=1), picture(file_format="PNG"), long_picture(2 * 1024 * 1024, number=1)],
    ids=["other pixels", "other format", "other length"],
)
async def test_same_key_with_other_bytes_is_rejected(cluster, other_photo):
    """The response is 409, and both mirrors still have the first photo only."""
    first = await cluster.master.upload(picture(), key=KEY)
    before = cluster.all_files()
    answer = await cluster.master.upload(other_photo, key=KEY)
    assert answer.status == 409
    assert answer.document["title"] == "Idempotency-Key reused"
    # The stored photo may be another client's.
    assert first.document["sha256"] not in str(answer.document)
    assert first.document["photo"] not in str(answer.document)
    await cluster.wait_until_nothing_is_staged()
    assert cluster.all_files() == before
    assert (await cluster.master.photo(first.version)).status == 200


async def test_other_bytes_do_not_reach_a_mirror_that_lacks_the_photo(cluster):
    """The hint of the first photo is kept and delivered."""
    photo = picture()
    await cluster.stop_and_notice("west-1")
    first = await cluster.master.upload(photo, key=KEY)
    await cluster.start_and_notice("west-1")
    answer = await cluster.master.upload(picture(number=1), key=KEY)
    assert answer.status == 409
    assert cluster.holders(first.original) == {"east-1": photo, "west-2 for west-1": photo}
    await cluster.master.deliver_hints()
    assert cluster.holders(first.original) == {"east-1": photo, "west-1": photo}


async def test_retry_of_a_degraded_upload_finds_the_hint(cluster):
    """The hint is found even if it is the only reachable copy."""
    photo = picture()
    await cluster.stop_and_notice("west-1")
    first = await cluster.master.upload(photo, key=KEY)
    await cluster.stop("east-1")
    await cluster.start_and_notice("west-1")
    again = await cluster.master.upload(photo, key=KEY)
    assert again.status in {200, 201}
    assert again.original == first.original
    assert set(cluster.holders(first.original)) >= {"west-1", "west-2 for west-1"}


async def test_retry_while_degraded_creates_no_third_copy(cluster):
    """The retry finds the copy on the handoff node."""
    photo = picture()
    await cluster.stop_and_notice("west-1")
    first = await cluster.master.upload(photo, key=KEY)
    before = cluster.all_files()
    again = await cluster.master.upload(photo, key=KEY)
    assert (again.status, again.document["pending_mirrors"]) == (200, ["west-1"])
    assert again.document == first.document
    assert cluster.all_files() == before


async def test_key_has_one_volume_whatever_is_up(cluster):
    """A retry while a mirror is down goes to the volume of the first upload, at any master."""
    photo = picture()
    other = await cluster.another_master()
    first = await cluster.master.upload(photo, key=KEY)
    assert first.document["volume"] == 1
    await cluster.stop_and_notice("west-1")
    for master in (cluster.master, other):
        again = await master.upload(photo, key=KEY)
        assert again.original == first.original
    assert set(cluster.holders(first.original)) == {"east-1", "west-1", "west-2 for west-1"}


@pytest.mark.parametrize("fault", [Fault.FREEZE, Fault.RESET])
async def test_retry_at_another_master_while_a_node_does_not_respond(cluster, fault):
    """The masters have different views of the nodes, and one reference."""
    other = await cluster.another_master()
    photo = picture()
    cluster.links["west-1"].plan(fault, after_bytes=0)
    answers = [await master.upload(photo, key=KEY) for master in (cluster.master, other)]
    assert {answer.status for answer in answers} <= {200, 201}
    assert len({answer.original for answer in answers}) == 1


async def test_two_masters_that_each_lack_a_colo_store_one_photo(cluster):
    """Just after a cut, each holds the other colo for down; once it is over, mirrors are equal."""
    other = await cluster.another_master()
    photo = picture()
    cut_off(cluster.master, "west-1", "west-2")
    cut_off(other, "east-1", "east-2")
    answers = await asyncio.gather(*(each.upload(photo, key=KEY) for each in cluster.masters))
    assert [answer.status for answer in answers] == [201, 201]
    assert len({answer.original for answer in answers}) == 1
    await cluster.poll()
    await cluster.master.deliver_hints()
    assert cluster.holders(answers[0].original) == {"east-1": photo, "west-1": photo}
    times = {
        cluster.path(node, answers[0].original).stat().st_mtime for node in ("east-1", "west-1")
    }
    assert len(times) == 1


def cut_off(master, *nodes):
    """Mark nodes as down at a storagemaster until its next poll."""
    for node in nodes:
        master.fleet.mark_down(node, "cut off")


async def test_slow_upload_loses_to_another_format_with_its_key(cluster):
    """The slow JPEG gets 409, and its version has one original and no other file."""
    begun, may_end = asyncio.Event(), asyncio.Event()
    jpeg, png = long_picture(2 * 1024 * 1024), picture(file_format="PNG")

    async def slowly():
        yield jpeg[:-1]
        begun.set()
        await may_end.wait()
        yield jpeg[-1:]

    slow = asyncio.create_task(cluster.master.upload(slowly(), key=KEY))
    await begun.wait()
    first = await cluster.master.upload(png, key=KEY)
    may_end.set()
    assert ((await slow).status, first.status) == (409, 201)
    await cluster.wait_until_nothing_is_staged()
    assert cluster.all_files() == {node: {first.original: png} for node in ("east-1", "west-1")}


async def test_volume_that_is_not_the_keys_own_is_refused(cluster):
    """The message names the key's volume; nothing is stored in the other."""
    photo = picture()
    refused = await cluster.master.upload(photo, key=KEY, volume=2)
    assert refused.status == 400
    assert "the volume of this Idempotency-Key is 1, not 2" in refused.document["detail"]
    assert (await cluster.master.upload(photo, key=KEY, volume=3)).status == 404
    assert cluster.all_files() == {}
    assert (await cluster.master.upload(photo, key=KEY, volume=1)).status == 201


async def test_header_does_not_give_a_key_a_second_photo(cluster):
    """No header makes a storagemaster skip what it knows of the key."""
    photo, first_attempt = picture(), {"Glassplate-First-Attempt": "1"}
    first = await cluster.master.upload(photo, key=KEY, headers=first_attempt)
    again = await cluster.master.upload(photo, key=KEY, headers=first_attempt)
    assert (first.status, again.status) == (201, 200)
    assert again.original == first.original
    refused = await cluster.master.upload(photo, key=KEY, volume=2, headers=first_attempt)
    assert refused.status == 400


async def test_upload_while_no_mirror_of_the_keys_volume_is_up_fails(cluster):
    """No second home exists for the key: the response is 503, and uploads without a key succeed."""
    photo = picture()
    first = await cluster.master.upload(photo, key=KEY)
    await cluster.stop_and_notice("east-1", "west-1")
    for key in (KEY, OTHER_KEY):
        answer = await cluster.master.upload(photo, key=key)
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "2"
        assert "volume 1" in answer.document["detail"]
    assert (await cluster.master.upload(photo, volume=None)).status == 201
    await cluster.start_and_notice("east-1", "west-1")
    assert set(cluster.holders(first.original)) == {"east-1", "west-1"}
    assert (await cluster.master.upload(photo, key=KEY)).status == 200


async def test_full_mirrors_do_not_move_a_key(cluster):
    """A new key of the volume gets 503, and a key that was used before finds its photo."""
    photo = picture()
    first = await cluster.master.upload(photo, key=KEY)
    cluster.fill("east-1")
    cluster.fill("west-1")
    await cluster.poll()
    assert (await cluster.master.upload(photo, key=OTHER_KEY)).status == 503
    again = await cluster.master.upload(photo, key=KEY)
    assert (again.status, again.original) == (200, first.original)


async def test_retry_after_a_lost_response_finds_the_photo(cluster):
    """The nodes stored the photo, but their responses were lost."""
    photo = picture()
    for node in ("east-1", "west-1"):
        cluster.links[node].plan(Fault.RESET, after_bytes=1, direction=Direction.CLIENT)
    lost = await cluster.master.upload(photo, key=KEY)
    assert lost.status == 503
    await cluster.poll()
    again = await cluster.master.upload(photo, key=KEY)
    assert again.status == 200
    assert cluster.holders(again.original) == {"east-1": photo, "west-1": photo}


async def test_retry_completes_an_upload_with_one_copy(cluster):
    """The first attempt was not acknowledged; the retry makes the second copy."""
    photo = long_picture(300_000)
    await cluster.stop("west-1", "west-2", "east-2")
    lost = await cluster.master.upload(photo, key=KEY)
    assert lost.status == 503
    assert set(cluster.all_files()) == {"east-1"}
    await cluster.start_and_notice("west-1", "west-2", "east-2")
    again = await cluster.master.upload(photo, key=KEY)
    assert again.status == 201
    assert cluster.holders(again.original) == {"east-1": photo, "west-1": photo}


async def test_concurrent_uploads_with_one_key_create_one_photo(cluster):
    """Both receipts name the same two copies."""
    other = await cluster.another_master()
    photo = long_picture(500_000)
    answers = await asyncio.gather(
        cluster.master.upload(photo, key=KEY), other.upload(photo, key=KEY)
    )
    assert {answer.status for answer in answers} <= {200, 201}
    assert len({answer.original for answer in answers}) == 1
    assert cluster.holders(answers[0].original) == {"east-1": photo, "west-1": photo}


@pytest.mark.parametrize("action", ["delete", "delete_version", "revoke"])
async def test_retry_after_a_delete_or_revocation_gets_410(cluster, action):
    """The key belongs to the deleted version only, and nothing is stored again."""
    photo = picture()
    first = await cluster.master.upload(photo, key=KEY)
    assert (await getattr(cluster.master, action)(first.version)).status == 200
    before = cluster.all_files()
    assert (await cluster.master.upload(photo, key=KEY)).status == 410
    assert cluster.all_files() == before


async def test_retry_does_not_trust_a_copy_without_its_tombstone(cluster):
    """The hint on a third node counts while one mirror missed the delete and the other is down."""
    photo = picture()
    first = await cluster.master.upload(photo, key=KEY)
    await cluster.stop_and_notice("east-1")
    deleted = await cluster.master.delete(first.version)
    assert deleted.document["pending_mirrors"] == ["east-1"]
    await cluster.stop("west-1")
    await cluster.start_and_notice("east-1")
    assert (await cluster.master.upload(photo, key=KEY)).status == 410


async def test_retry_while_the_first_copy_is_unreadable_fails(cluster):
    """A copy exists, but its bytes are unknown."""
    photo = picture()
    first = await cluster.master.upload(photo, key=KEY)
    for node in ("east-1", "west-1"):
        cluster.path(node, first.original).unlink()
        cluster.path(node, first.original).mkdir()
    answer = await cluster.master.upload(photo, key=KEY)
    for node in ("east-1", "west-1"):
        cluster.path(node, first.original).rmdir()
    assert answer.status == 503


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_invalid_key_is_rejected(cluster, key):
    """A key has 1 to 255 printable characters, so it has one spelling on the wire."""
    answer = await cluster.master.upload(picture(), key=key)
    assert answer.status == 400
    assert "Idempotency-Key" in answer.document["detail"]


async def test_key_can_be_long_and_in_any_language(cluster):
    """A key can have any printable characters up to the limit."""
    for key in ("x" * 255, "Fot\u00f3grafo \u5199\u771f"):
        assert (await cluster.master.upload(picture(), key=key)).status == 201
