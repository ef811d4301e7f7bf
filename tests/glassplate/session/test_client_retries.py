"""Retries: one upload makes one photo, whatever a server does."""

import asyncio
import os

import pytest

from glassplate import Retries, Timeouts, Unavailable, Unreachable, UnsupportedFormat
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
from volumes.photo_path import Variant, parse_photo_version, render_path

BEHAVIORS = [
    drops_the_connection_before_the_body,
    drops_the_connection_after_the_body,
    loses_the_response,
    responds_503,
    responds_502_like_a_proxy,
]


@pytest.fixture(name="run")
def _run(cluster, open_client):
    """Return a function that runs work(client, master) with a client of a faulty master."""

    def run(work, *behaviors, **options):
        async def main():
            async with (
                misbehaving_master(cluster.masters[0], *behaviors) as master,
                open_client(master.url, **options) as client,
            ):
                return await work(client, master)

        return asyncio.run(main())

    return run


@pytest.fixture(name="assert_stored_once")
def _assert_stored_once(cluster):
    """Return a function that asserts that a photo is on two nodes under one name."""

    def assert_stored_once(receipt, data):
        photo_version = parse_photo_version(receipt.reference)
        path = render_path(Variant(photo_version, "o", receipt.format))
        assert cluster.originals_of(data) == {path: 2}

    return assert_stored_once


@pytest.mark.parametrize("behavior", BEHAVIORS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("size", ["small", "large"])
def test_upload_is_stored_once_although_a_master(behavior, size, run, assert_stored_once, photo):
    """The client retries, and the cluster stores one photo on two nodes."""
    data = photo if size == "small" else photo + os.urandom(3_000_000)

    async def upload(client, master):
        return await client.put(data), master.headers

    receipt, headers = run(upload, behavior)
    assert_stored_once(receipt, data)
    assert len(headers) == 2


def test_upload_that_timed_out_is_found_by_its_second_attempt(run, assert_stored_once, photo):
    """A response after the timeout causes a retry, but not a second photo."""

    async def upload(client, _):
        return await client.put(photo)

    timeouts = Timeouts(connect_seconds=1, response_seconds=0.7)
    assert_stored_once(run(upload, responds_too_late, timeouts=timeouts), photo)


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
    assert len(headers) == 2


def test_a_new_key_is_replaced_while_nothing_is_stored(run, photo):
    """A volume without its mirrors fails only the keys that belong to it; a given key is kept."""

    async def upload(client, master):
        await client.put(photo)
        new_keys = [each["Idempotency-Key"] for each in master.headers]
        master.headers.clear()
        await client.put(photo, idempotency_key="cat")
        return new_keys, [each["Idempotency-Key"] for each in master.headers]

    new_keys, given = run(upload, responds_503)
    assert len(set(new_keys)) == len(new_keys) == 2
    assert set(given) == {"cat"}


def test_an_upload_into_a_volume_is_sent_again_while_nothing_is_stored(run, photo):
    """It has no key, because a key has its own volume."""

    async def upload(client, master):
        return await client.put(photo, volume=3), master.headers

    receipt, headers = run(upload, responds_503)
    assert receipt.volume == 3
    assert ["Idempotency-Key" in each for each in headers] == [False, False]


def test_an_upload_into_a_volume_is_not_repeated_after_a_lost_response(run, photo):
    """Without a key, the cluster would store a second photo."""

    async def upload(client, master):
        with pytest.raises(Unreachable, match="store it twice") as caught:
            await client.put(photo, volume=3)
        return caught.value, master.headers

    error, headers = run(upload, loses_the_response)
    assert error.may_have_succeeded
    assert len(headers) == 1


def test_an_error_has_the_key_for_a_safe_retry(run, assert_stored_once, photo):
    """After a lost response, an upload with the error's key returns the stored photo."""

    async def upload(client, _):
        with pytest.raises(Unreachable) as caught:
            await client.put(photo)
        assert caught.value.may_have_succeeded
        return await client.put(photo, idempotency_key=caught.value.idempotency_key)

    receipt = run(upload, loses_the_response, retries=Retries(attempts_max=1))
    assert_stored_once(receipt, photo)


async def in_chunks(data, size=100_000):
    """Yield the data in chunks."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize(
    ("source", "behaviors", "kind", "message", "attempts"),
    [
        ("bytes", [responds_503] * 4, Unavailable, "the test says so", 4),
        ("text", [], UnsupportedFormat, "not accepted", 1),
    ],
    ids=["unavailable", "rejected"],
)
def test_number_of_attempts(source, behaviors, kind, message, attempts, run, photo):
    """An unavailable cluster is tried four times; a rejection ends it."""
    data = b"this is text " * 300_000 if source == "text" else photo + bytes(2_000_000)

    async def upload(client, master):
        with pytest.raises(kind, match=message) as caught:
            await client.put(data)
        return caught.value, len(master.headers)

    error, requests = run(upload, *behaviors)
    assert requests == attempts
    assert kind is not Unavailable or error.problem.status == 503


def test_a_short_stream_is_retried(run, photo):
    """A stream of up to 8 MiB is kept in memory for retries."""

    async def upload(client, _):
        return await client.put(in_chunks(photo, 500), length=len(photo))

    assert run(upload, drops_the_connection_after_the_body).bytes == len(photo)
