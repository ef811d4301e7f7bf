"""Trying again: whatever a server does, one upload is one photo."""

import asyncio
import os

import pytest

from glassplate import Retries, Timeouts, Unavailable, Unreachable
from tests.free_ports import free_ports
from tests.glassplate.faulty_servers import (
    answers_502_as_a_proxy_does,
    answers_503,
    answers_too_late,
    drops_the_connection_after_the_body,
    drops_the_connection_before_the_body,
    loses_the_answer,
    misbehaving_master,
    passes,
)
from tests.glassplate.live_cluster import jpeg
from volumes.photo_path import Variant, parse_photo_version, render_path

BEHAVIORS = [
    drops_the_connection_before_the_body,
    drops_the_connection_after_the_body,
    loses_the_answer,
    answers_503,
    answers_502_as_a_proxy_does,
]


def assert_kept_once(cluster, receipt, data):
    """The photo is on two nodes under the receipt's name, and there is no second one."""
    photo_version = parse_photo_version(receipt.reference)
    path = render_path(Variant(photo_version, "o", receipt.format))
    assert cluster.originals_of(data) == {path: 2}


@pytest.mark.parametrize("behavior", BEHAVIORS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("size", ["small", "large"])
def test_upload_succeeds_once_when_a_master(behavior, size, cluster, open_client, photo):
    """It is tried again with the same key, and there is one more photo, on two nodes."""
    data = photo if size == "small" else photo + os.urandom(3_000_000)

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], behavior) as master,
            open_client(master.url) as client,
        ):
            return await client.put(data), master.headers

    receipt, headers = asyncio.run(upload())
    assert_kept_once(cluster, receipt, data)
    assert len({each["Idempotency-Key"] for each in headers}) == 1
    assert [each.get("Glassplate-First-Attempt") for each in headers] == ["1", None]


def test_upload_that_timed_out_is_found_by_its_second_attempt(cluster, open_client, photo):
    """A master that has kept the photo and says so too late costs time, and no second photo."""

    async def upload():
        timeouts = Timeouts(connect_seconds=1, response_seconds=0.7)
        async with (
            misbehaving_master(cluster.masters[0], answers_too_late) as master,
            open_client(master.url, timeouts=timeouts) as client,
        ):
            return await client.put(photo)

    assert_kept_once(cluster, asyncio.run(upload()), photo)


def test_next_master_answers_for_one_that_is_down(cluster, open_client, photo):
    """The second in the list is asked when nobody listens at the first, and asked first later."""
    (port,) = free_ports(1)

    async def upload():
        async with (
            misbehaving_master(cluster.masters[1], passes) as second,
            open_client(f"http://127.0.0.1:{port}", second.url) as client,
        ):
            receipt = await client.put(photo)
            await client.info(receipt.reference)
            return receipt, second.headers

    receipt, headers = asyncio.run(upload())
    assert receipt.durability == "mirrored"
    # The first attempt never arrived anywhere, so this one may not call itself the first.
    assert "Glassplate-First-Attempt" not in headers[0]
    assert len(headers) == 2


def test_given_key_never_calls_itself_fresh(cluster, open_client, photo):
    """Only a key made for this upload spares the search for an earlier one."""

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0]) as master,
            open_client(master.url) as client,
        ):
            first = await client.put(photo, idempotency_key="cat of the house")
            again = await client.put(photo, idempotency_key="cat of the house")
            return first, again, master.headers

    first, again, headers = asyncio.run(upload())
    assert first.reference == again.reference
    assert all("Glassplate-First-Attempt" not in each for each in headers)


def test_giving_up_tells_the_key_that_makes_trying_again_safe(cluster, open_client, photo):
    """After a lost answer and no more attempts, the error's key finds the photo that was kept."""

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], loses_the_answer) as master,
            open_client(master.url, retries=Retries(attempts_max=1)) as client,
        ):
            with pytest.raises(Unreachable) as caught:
                await client.put(photo)
            assert caught.value.may_have_succeeded
            return await client.put(photo, idempotency_key=caught.value.idempotency_key)

    assert_kept_once(cluster, asyncio.run(upload()), photo)


def test_answer_of_every_attempt_is_in_the_last_error(cluster, open_client, photo):
    """A cluster that keeps saying "not now" is unavailable, and its words are passed on."""

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], *[answers_503] * 4) as master,
            open_client(master.url) as client,
        ):
            with pytest.raises(Unavailable, match="the test says so") as caught:
                await client.put(photo)
            return caught.value, len(master.headers)

    error, requests = asyncio.run(upload())
    assert error.problem.status == 503
    assert requests == 4


async def in_pieces(data, size=100_000):
    """Bytes as they come from somewhere."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def test_long_stream_is_not_sent_again_once_a_part_has_left(cluster, open_client, photo):
    """What has been read of a stream is gone, so the error says that it ends there."""
    data = photo + bytes(2_000_000)

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], drops_the_connection_after_the_body) as master,
            open_client(master.url) as client,
        ):
            with pytest.raises(Unreachable, match="cannot be sent again"):
                await client.put(in_pieces(data), length=len(data))
            return len(master.headers)

    assert asyncio.run(upload()) == 1


def test_long_stream_goes_to_the_next_master_when_nothing_has_left(cluster, open_client, photo):
    """A master that is down has not read anything, so the stream is still whole."""
    data = photo + bytes(2_000_000)
    (port,) = free_ports(1)

    async def upload():
        async with open_client(f"http://127.0.0.1:{port}", *cluster.masters) as client:
            return await client.put(in_pieces(data), length=len(data))

    assert asyncio.run(upload()).bytes == len(data)


def test_short_stream_is_sent_again(cluster, open_client):
    """Up to a megabyte is held, so that a lost connection does not end it."""
    data = jpeg(77)

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], drops_the_connection_after_the_body) as master,
            open_client(master.url) as client,
        ):
            return await client.put(in_pieces(data, 500), length=len(data))

    assert asyncio.run(upload()).bytes == len(data)


def test_refusal_is_not_tried_again(cluster, open_client):
    """A 4xx will be the same the next time."""

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0]) as master,
            open_client(master.url) as client,
        ):
            with pytest.raises(Exception, match="not accepted"):
                await client.put(b"this is text " * 300_000)
            return len(master.headers)

    assert asyncio.run(upload()) == 1
