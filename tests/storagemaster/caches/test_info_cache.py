"""The info cache: it saves reads from a real memcached, and never changes a result."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import time

import pytest
from pymemcache.client.base import Client

from storagemaster.caches import info_cache
from storagemaster.caches.info_cache import InfoCache, decode_entry, encode_entry
from tests.free_ports import free_port
from tests.storagemaster.bundles_to_send import body_of, sizes_of
from tests.storagemaster.memcached_servers import running_memcached
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import HOST
from volumes.address import Address
from volumes.photo_path import PhotoVersion

ONE = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
TWO = PhotoVersion(1, "01jd3x8m2c9qp4k7", "000000")


@pytest.fixture(name="patient_cache", autouse=True)
def _patient_cache(monkeypatch):
    """Return a long timeout, because a busy machine is slow."""
    monkeypatch.setattr(info_cache, "RESPONSE_SECONDS", 10.0)


@pytest.fixture(name="memcached", scope="module")
def _memcached():
    """Return the address of a memcached."""
    port = free_port()
    with running_memcached(port):
        yield Address(HOST, port)


@pytest.fixture(name="raw")
def _raw(memcached):
    """Return a client of the empty memcached, for the stored values."""
    with contextlib.closing(Client((memcached.host, memcached.port))) as client:
        client.flush_all(noreply=False)
        yield client


@pytest.fixture(name="cache")
def _cache(memcached, raw):
    """Return a cache over an empty memcached."""
    assert raw
    with contextlib.closing(InfoCache([memcached])) as cache:
        yield cache


def stored(raw, count=1):
    """Return the keys when there are `count` of them."""
    for _ in range(1000):
        keys = re.findall(rb"key=([0-9a-f]+) ", dump(raw))
        if len(keys) == count:
            return [key.decode() for key in keys]
        time.sleep(0.01)
    raise AssertionError(f"there are {len(keys)} keys")


def value_when_it_is(raw, key, wanted):
    """Return the value of a key when it is the wanted one, or its last value."""
    for _ in range(1000):
        value = raw.get(key)
        if value == wanted:
            break
        time.sleep(0.01)
    return value


def dump(raw):
    """Return memcached's list of its keys."""
    with socket.create_connection((raw.server[0], raw.server[1]), 2) as connection:
        connection.sendall(b"lru_crawler metadump all\r\n")
        data = b""
        while not data.endswith(b"END\r\n"):
            data += connection.recv(65536)
    return data


async def test_a_stored_document_is_found(cache):
    """Other versions have none."""
    await cache.put(ONE, b"document")
    assert await cache.get(ONE) == b"document"
    assert await cache.get(TWO) is None


async def test_a_removed_document_is_not_found(cache):
    """A deleted photo has no document in the cache."""
    await cache.put(ONE, b"document")
    await cache.drop(ONE)
    assert await cache.get(ONE) is None


async def test_a_flushed_document_is_a_miss(cache, raw):
    """A miss is not an error."""
    await cache.put(ONE, b"document")
    async with asyncio.timeout(10):
        while await cache.get(ONE) is not None:
            # In its first seconds a memcached ignores flushes.
            raw.flush_all(noreply=False)
            await asyncio.sleep(0.05)


async def test_an_entry_of_another_version_is_a_miss(cache, raw):
    """Entries that were swapped between keys are not used."""
    await cache.put(ONE, b"one")
    await cache.put(TWO, b"two")
    first, second = stored(raw, 2)
    values = raw.get(first), raw.get(second)
    raw.set(first, values[1], noreply=False)
    raw.set(second, values[0], noreply=False)
    assert await cache.get(ONE) is None
    assert await cache.get(TWO) is None


@pytest.mark.parametrize("damage", [b"", b"x", bytes(31), bytes(32), b"document", bytes(500)])
async def test_a_damaged_document_is_not_believed(cache, raw, damage):
    """Whatever stands under the key."""
    await cache.put(ONE, b"document")
    (key,) = stored(raw)
    raw.set(key, damage, noreply=False)
    assert await cache.get(ONE) is None


def test_an_entry_is_valid_for_one_version_and_whole():
    """A changed entry and an entry of another version are misses."""
    value = encode_entry(ONE, b"document")
    assert decode_entry(ONE, value) == b"document"
    assert decode_entry(TWO, value) is None
    for changed in (value[:-1], value + b"x", value[1:], b"", bytes([value[0] ^ 1]) + value[1:]):
        assert decode_entry(ONE, changed) is None


async def test_a_key_contains_nothing_of_a_request(cache, raw):
    """Keys have one alphabet and one length."""
    await cache.put(ONE, b"document")
    (key,) = stored(raw)
    assert len(key) == 64
    assert set(key) <= set("0123456789abcdef")


async def test_without_servers_nothing_is_cached():
    """Memcached is optional."""
    cache = InfoCache([])
    await cache.put(ONE, b"document")
    await cache.drop(ONE)
    assert await cache.get(ONE) is None


async def test_a_dead_memcached_is_a_miss():
    """This holds for concurrent calls as well."""
    with contextlib.closing(InfoCache([Address(HOST, free_port())])) as cache:
        for _ in range(5):
            responses = await asyncio.gather(*(cache.get(ONE) for _ in range(20)))
            assert responses == [None] * 20
            await asyncio.gather(*(cache.put(ONE, b"document") for _ in range(20)))


async def test_a_frozen_memcached_is_a_miss(monkeypatch):
    """It accepts connections and sends nothing."""
    monkeypatch.setattr(info_cache, "RESPONSE_SECONDS", 0.2)
    port = free_port()
    with (
        running_memcached(port) as process,
        contextlib.closing(InfoCache([Address(HOST, port)])) as cache,
    ):
        await cache.put(ONE, b"document")
        process.send_signal(signal.SIGSTOP)
        # One of its threads may still respond until the process has stopped.
        await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED)
        async with asyncio.timeout(20):
            assert await cache.get(ONE) is None
            await cache.put(TWO, b"document")
            await cache.drop(ONE)


@pytest.fixture(name="ready")
def _ready(runner, cluster_with, memcached, raw):
    """Return a cluster with memcached, and a ready photo in it."""
    assert raw

    async def make():
        cluster = await cluster_with(memcached=(memcached,))
        photo_version = (await cluster.master.upload(picture())).version
        await cluster.master.worker.put_bundle(
            photo_version, body_of(sizes_of(photo_version)), mtime_seconds=1
        )
        return cluster, photo_version

    return runner.run(make())


async def test_a_ready_photo_is_read_from_the_cache(ready, raw):
    """The cache has it when the sizes are stored."""
    cluster, photo_version = ready
    assert stored(raw)
    for node in ("east-1", "west-1"):
        info = cluster.path(
            node, f"1/{photo_version.shard}/{photo_version.photo}_{photo_version.version}.json"
        )
        info.chmod(0o644)
        info.write_bytes(b"damaged beyond reading")
    response = await cluster.master.photo(photo_version)
    assert (response.status, response.document["state"]) == (200, "ready")


@pytest.mark.parametrize("lie", [b"", b"garbage" * 10, encode_entry(TWO, b'{"variants": []}')])
async def test_an_invalid_cache_entry_changes_no_response(ready, raw, lie):
    """The info is read from disk, and the entry is corrected."""
    cluster, photo_version = ready
    (key,) = stored(raw)
    truth = raw.get(key)
    raw.set(key, lie, noreply=False)
    response = await cluster.master.photo(photo_version)
    assert set(response.document["urls"]) == {"s", "q", "t", "o"}
    assert value_when_it_is(raw, key, truth) == truth


async def test_a_forged_entry_with_a_valid_digest_is_not_used(ready, raw):
    """The digest that the nodes recorded decides."""
    cluster, photo_version = ready
    (key,) = stored(raw)
    truth = raw.get(key)
    raw.set(key, encode_entry(photo_version, b'{"variants": []}'), noreply=False)
    response = await cluster.master.photo(photo_version)
    assert set(response.document["urls"]) == {"s", "q", "t", "o"}
    assert value_when_it_is(raw, key, truth) == truth


async def test_a_deleted_photo_is_gone_although_it_is_cached(ready, raw):
    """The cache never decides if a photo exists."""
    cluster, photo_version = ready
    (key,) = stored(raw)
    value = raw.get(key)
    await cluster.master.delete(photo_version)
    raw.set(key, value, noreply=False)
    assert (await cluster.master.photo(photo_version)).status == 410
