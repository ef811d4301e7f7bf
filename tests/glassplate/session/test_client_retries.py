"""Retries: one upload makes one photo, whatever a server does."""

import asyncio
import os

import pytest

from glassplate import Retries, Timeouts, Unavailable, Unreachable
from tests.free_ports import free_ports
from tests.glassplate.faulty_servers import (
    drops_the_connection_after_the_body,
    drops_the_connection_before_the_body,
    forwards,
    loses_the_response,
    misbehaving_master,
    responds_502_like_a_proxy,
    responds_503,
    responds_too_late,
)
from tests.glassplate.live_cluster import jpeg
from volumes.photo_path import Variant, parse_photo_version, render_path

BEHAVIORS = [
    drops_the_connection_before_the_body,
    drops_the_connection_after_the_body,
    loses_the_response,
    responds_503,
    responds_502_like_a_proxy,
]


def assert_stored_once(cluster, receipt, data):
    """Assert that the photo is on two nodes under the receipt's name, and under no other."""
    photo_version = parse_photo_version(receipt.reference)
    path = render_path(Variant(photo_version, "o", receipt.format))
    assert cluster.originals_of(data) == {path: 2}


@pytest.mark.parametrize("behavior", BEHAVIORS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("size", ["small", "large"])
def test_upload_is_stored_once_although_a_master(behavior, size, cluster, open_client, photo):
    """The client retries with the same key, and the cluster stores one photo on two nodes."""
    data = photo if size == "small" else photo + os.urandom(3_000_000)

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], behavior) as master,
            open_client(master.url) as client,
        ):
            return await client.put(data), master.headers

    receipt, headers = asyncio.run(upload())
    assert_stored_once(cluster, receipt, data)
    assert len({each["Idempotency-Key"] for each in headers}) == 1
    assert [each.get("Glassplate-First-Attempt") for each in headers] == ["1", None]


def test_upload_that_timed_out_is_found_by_its_second_attempt(cluster, open_client, photo):
    """A response after the timeout causes a retry, but not a second photo."""

    async def upload():
        timeouts = Timeouts(connect_seconds=1, response_seconds=0.7)
        async with (
            misbehaving_master(cluster.masters[0], responds_too_late) as master,
            open_client(master.url, timeouts=timeouts) as client,
        ):
            return await client.put(photo)

    assert_stored_once(cluster, asyncio.run(upload()), photo)


def test_the_next_master_replaces_one_that_is_down(cluster, open_client, photo):
    """The client tries the second master, and starts with it from then on."""
    (port,) = free_ports(1)

    async def upload():
        async with (
            misbehaving_master(cluster.masters[1], forwards) as second,
            open_client(f"http://127.0.0.1:{port}", second.url) as client,
        ):
            receipt = await client.put(photo)
            await client.info(receipt.reference)
            return receipt, second.headers

    receipt, headers = asyncio.run(upload())
    assert receipt.durability == "mirrored"
    # The failed connection was the first attempt.
    assert "Glassplate-First-Attempt" not in headers[0]
    assert len(headers) == 2


def test_a_given_key_is_never_sent_as_new(cluster, open_client, photo):
    """Only a key made for this upload saves the search for an earlier upload."""

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0]) as master,
            open_client(master.url) as client,
        ):
            first = await client.put(photo, idempotency_key="cat")
            again = await client.put(photo, idempotency_key="cat")
            return first, again, master.headers

    first, again, headers = asyncio.run(upload())
    assert first.reference == again.reference
    assert all("Glassplate-First-Attempt" not in each for each in headers)


def test_an_error_has_the_key_for_a_safe_retry(cluster, open_client, photo):
    """After a lost response, an upload with the error's key returns the stored photo."""

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], loses_the_response) as master,
            open_client(master.url, retries=Retries(attempts_max=1)) as client,
        ):
            with pytest.raises(Unreachable) as caught:
                await client.put(photo)
            assert caught.value.may_have_succeeded
            return await client.put(photo, idempotency_key=caught.value.idempotency_key)

    assert_stored_once(cluster, asyncio.run(upload()), photo)


def test_an_unavailable_cluster_is_tried_several_times(cluster, open_client, photo):
    """The last error has the message of the responses."""

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], *[responds_503] * 4) as master,
            open_client(master.url) as client,
        ):
            with pytest.raises(Unavailable, match="the test says so") as caught:
                await client.put(photo)
            return caught.value, len(master.headers)

    error, requests = asyncio.run(upload())
    assert error.problem.status == 503
    assert requests == 4


async def in_chunks(data, size=100_000):
    """Yield the data in chunks."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def test_a_long_stream_is_not_retried_after_its_first_chunk(cluster, open_client, photo):
    """A consumed stream cannot be sent again, and the error says so."""
    data = photo + bytes(2_000_000)

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], drops_the_connection_after_the_body) as master,
            open_client(master.url) as client,
        ):
            with pytest.raises(Unreachable, match="cannot be sent again"):
                await client.put(in_chunks(data), length=len(data))
            return len(master.headers)

    assert asyncio.run(upload()) == 1


def test_an_unread_long_stream_goes_to_the_next_master(cluster, open_client, photo):
    """A master that is down has read nothing, so the stream is still complete."""
    data = photo + bytes(2_000_000)
    (port,) = free_ports(1)

    async def upload():
        async with open_client(f"http://127.0.0.1:{port}", *cluster.masters) as client:
            return await client.put(in_chunks(data), length=len(data))

    assert asyncio.run(upload()).bytes == len(data)


def test_a_short_stream_is_retried(cluster, open_client):
    """A stream of up to 1 MiB is kept in memory for retries."""
    data = jpeg(77)

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], drops_the_connection_after_the_body) as master,
            open_client(master.url) as client,
        ):
            return await client.put(in_chunks(data, 500), length=len(data))

    assert asyncio.run(upload()).bytes == len(data)


def test_a_rejected_upload_is_not_retried(cluster, open_client):
    """A 4xx response ends the upload after one attempt."""

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0]) as master,
            open_client(master.url) as client,
        ):
            with pytest.raises(Exception, match="not accepted"):
                await client.put(b"this is text " * 300_000)
            return len(master.headers)

    assert asyncio.run(upload()) == 1
