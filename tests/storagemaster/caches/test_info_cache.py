"""The info cache: it saves reads from a real memcached, and never changes a result."""

import asyncio
import contextlib
import dataclasses
import os
import re
import signal
import socket
import time

import pytest
from pymemcache.client.base import Client

from permission_urls import Key, KeyRing, KeyState
from storagemaster.caches import memcached
from storagemaster.caches.info_cache import CachedInfo, CachedInfos, InfoCache
from tests.free_ports import free_port
from tests.storagemaster.bundles_to_send import body_of, with_info
from tests.storagemaster.memcached_servers import running_memcached
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import HOST, KEYS
from volumes.address import Address
from volumes.photo_path import PhotoVersion

ONE = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
TWO = PhotoVersion(1, "01jd3x8m2c9qp4k7", "000000")
INFO = CachedInfo(b'{"variants": [{"size": "m"}], "original": {"ext": "jpg"}}', "m", "jpg")
WRONG = CachedInfo(b'{"variants": [{"size": "s"}], "original": {"ext": "png"}}', "s", "png")
BOUND_SECONDS = 30
STRANGE_KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(9, 41)), state=KeyState.SIGNING),))


@pytest.fixture(name="patient_cache", autouse=True)
def _patient_cache(monkeypatch):
    """Return a long timeout, because a busy machine is slow."""
    monkeypatch.setattr(memcached, "RESPONSE_SECONDS", 10.0)


@pytest.fixture(name="memcached_address", scope="module")
def _memcached_address():
    """Return the address of a memcached."""
    port = free_port()
    with running_memcached(port):
        yield Address(HOST, port)


@pytest.fixture(name="raw")
def _raw(memcached_address):
    """Return a client of the empty memcached, for the stored values."""
    with contextlib.closing(Client((memcached_address.host, memcached_address.port))) as client:
        client.flush_all(noreply=False)
        yield client


class Clock:
    """A clock that moves only on request. It starts now, because memcached has its own."""

    def __init__(self):
        self.seconds = float(int(time.time()))

    def __call__(self):
        """Return the time."""
        return self.seconds


@pytest.fixture(name="clock")
def _clock():
    """Return the clock of the caches."""
    return Clock()


@pytest.fixture(name="cache")
def _cache(memcached_address, raw, clock):
    """Return a cache over an empty memcached."""
    assert raw
    with contextlib.closing(cache_of([memcached_address], clock)) as cache:
        yield cache


def cache_of(servers, clock=time.time, keys=KEYS):
    """Return a cache of a storagemaster."""
    return InfoCache(servers, keys, confirmed_seconds=BOUND_SECONDS, now_seconds=clock)


async def put(cache, photo_version, info=INFO, **options):
    """Store an info that nodes confirm now."""
    await cache.put_many({photo_version: info}, confirmed_seconds=cache.now(), **options)


async def confirmed(cache, photo_version):
    """Return the info of a version that needs no node, or None."""
    return (await cache.get_many([photo_version])).confirmed.get(photo_version)


async def older(cache, photo_version):
    """Return the info of a version that counts only with its digest, or None."""
    return (await cache.get_many([photo_version])).older.get(photo_version)


def stored(raw, count=1):
    """Return the keys when there are `count` of them."""
    for _ in range(1000):
        keys = re.findall(rb"key=([0-9a-f]+) ", dump(raw))
        if len(keys) == count:
            return [key.decode() for key in keys]
        time.sleep(0.01)
    raise AssertionError(f"there are {len(keys)} keys")


def dump(raw):
    """Return memcached's list of its keys."""
    with socket.create_connection((raw.server[0], raw.server[1]), 2) as connection:
        connection.sendall(b"lru_crawler metadump all\r\n")
        data = b""
        while not data.endswith(b"END\r\n"):
            data += connection.recv(65536)
    return data


async def test_a_stored_info_is_found(cache):
    """Other versions have none."""
    await put(cache, ONE)
    assert await confirmed(cache, ONE) == INFO
    assert await confirmed(cache, TWO) is None


async def test_an_entry_is_confirmed_for_the_bound(cache, clock):
    """After that, and for a clock that is ahead, it is a copy whose digest a node must report."""
    await put(cache, ONE)
    started = clock.seconds
    for seconds, is_confirmed in ((-1, False), (0, True), (29.9, True), (30, False), (999, False)):
        clock.seconds = started + seconds
        assert (await confirmed(cache, ONE) == INFO) == is_confirmed, seconds
        assert (await older(cache, ONE) == INFO) == (not is_confirmed), seconds


async def test_a_deleted_photo_has_no_info_in_any_cache(cache, memcached_address):
    """All storagemasters use the same servers."""
    await put(cache, ONE)
    await put(cache, TWO)
    with contextlib.closing(cache_of([memcached_address])) as other:
        assert await confirmed(other, ONE) == INFO
        await other.drop([ONE])
        assert await confirmed(other, ONE) is None
        assert await confirmed(other, TWO) == INFO
    assert await confirmed(cache, ONE) is None


async def test_a_lookup_during_a_delete_does_not_bring_the_info_back(cache):
    """It read the cache and the nodes before the delete, and stores the info after it."""
    empty = await cache.get_many([ONE])
    await put(cache, TWO)
    old = await cache.get_many([TWO])
    await cache.drop([ONE, TWO])
    await put(cache, ONE, found=empty)
    await put(cache, TWO, found=old)
    after = await cache.get_many([ONE, TWO])
    assert (after.confirmed, after.deleted) == ({}, {ONE, TWO})
    await put(cache, ONE, found=after)
    assert await confirmed(cache, ONE) is None


async def test_an_entry_is_confirmed_again(cache, clock):
    """A lookup that queried the nodes renews it."""
    await put(cache, ONE)
    clock.seconds += BOUND_SECONDS
    found = await cache.get_many([ONE])
    assert found.older == {ONE: INFO}
    await put(cache, ONE, found=found)
    assert await confirmed(cache, ONE) == INFO


def item_count(port):
    """Return the number of entries of a memcached."""
    with contextlib.closing(Client((HOST, port))) as client:
        return client.stats()[b"curr_items"]


@pytest.mark.parametrize("count", [1, 3])
async def test_a_delete_reaches_every_server(count, clock):
    """Entries are spread over the servers."""
    ports = [free_port() for _ in range(count)]
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(running_memcached(port))
        addresses = [Address(HOST, port) for port in ports]
        cache = stack.enter_context(contextlib.closing(cache_of(addresses, clock)))
        versions = [PhotoVersion(1, "01jd3x8m2c9qp4k7", f"{n:06d}") for n in range(30)]
        await cache.put_many(dict.fromkeys(versions, INFO), confirmed_seconds=cache.now())
        assert len((await cache.get_many(versions)).confirmed) == 30
        assert all(map(item_count, ports))
        await cache.drop(versions)
        assert (await cache.get_many(versions)).confirmed == {}
        assert [item_count(port) for port in ports] == [30] * count


async def test_a_flushed_info_is_a_miss(cache, raw):
    """A miss is not an error."""
    await put(cache, ONE)
    async with asyncio.timeout(10):
        while await confirmed(cache, ONE) is not None:
            # In its first seconds a memcached ignores flushes.
            raw.flush_all(noreply=False)
            await asyncio.sleep(0.05)


async def test_an_entry_of_another_version_is_a_miss(cache, raw):
    """Entries that were swapped between keys are not used."""
    await put(cache, ONE)
    await put(cache, TWO)
    first, second = stored(raw, 2)
    values = raw.get(first), raw.get(second)
    raw.set(first, values[1], noreply=False)
    raw.set(second, values[0], noreply=False)
    assert await cache.get_many([ONE, TWO]) == CachedInfos(
        tokens=(await cache.get_many([ONE, TWO])).tokens
    )


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"x",
        bytes(31),
        b"document",
        b"a.b c",
        b"a." + b"x" * 24 + b" 1 m jpg\n{}",
        b"\xff." + b"\xff" * 24 + b" 1 m jpg\n{}",
        bytes(500),
        b"END\r\nVALUE x 0 1 1\r\n",
    ],
)
async def test_a_damaged_entry_is_not_used(cache, raw, damage):
    """It is a miss, and the next info replaces it."""
    await put(cache, ONE)
    (key,) = stored(raw)
    raw.set(key, damage, noreply=False)
    found = await cache.get_many([ONE])
    assert (found.confirmed, found.older, found.deleted) == ({}, {}, set())
    await put(cache, ONE, found=found)
    assert await confirmed(cache, ONE) == INFO


async def test_an_entry_is_valid_as_a_whole(cache, raw):
    """Time, sizes, format and document are all signed."""
    await put(cache, ONE)
    (key,) = stored(raw)
    value = raw.get(key)
    for position in range(len(value)):
        changed = value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]
        raw.set(key, changed, noreply=False)
        found = await cache.get_many([ONE])
        assert (found.confirmed, found.older) == ({}, {}), changed


async def test_an_entry_of_unknown_keys_is_not_used(cache, memcached_address):
    """A process that reaches memcached cannot forge an entry."""
    with contextlib.closing(cache_of([memcached_address], keys=STRANGE_KEYS)) as forger:
        await put(forger, ONE)
        assert await confirmed(forger, ONE) == INFO
    found = await cache.get_many([ONE])
    assert (found.confirmed, found.older) == ({}, {})


async def test_a_key_contains_nothing_of_a_request(cache, raw):
    """Keys have one alphabet and one length."""
    await put(cache, ONE)
    (key,) = stored(raw)
    assert len(key) == 64
    assert set(key) <= set("0123456789abcdef")


async def test_without_servers_nothing_is_cached():
    """Memcached is optional."""
    cache = cache_of([])
    await put(cache, ONE)
    await cache.drop([ONE])
    assert await cache.get_many([ONE]) == CachedInfos()


async def test_a_dead_memcached_is_a_miss():
    """This holds for concurrent calls as well."""
    with contextlib.closing(cache_of([Address(HOST, free_port())])) as cache:
        for _ in range(5):
            found = await asyncio.gather(*(cache.get_many([ONE]) for _ in range(20)))
            assert found == [CachedInfos()] * 20
            await asyncio.gather(*(put(cache, ONE) for _ in range(20)))


async def test_a_restarted_memcached_is_used_at_once():
    """Connections to the old process are closed."""
    port = free_port()
    with contextlib.closing(cache_of([Address(HOST, port)])) as cache:
        for _ in range(2):
            with running_memcached(port):
                await asyncio.gather(*(put(cache, ONE) for _ in range(5)))
                assert await confirmed(cache, ONE) == INFO


async def test_an_info_that_is_too_large_is_not_cached(cache):
    """Memcached refuses it, and stores the others."""
    large = dataclasses.replace(INFO, document=bytes(3_000_000))
    await put(cache, ONE, large)
    assert await confirmed(cache, ONE) is None
    await put(cache, TWO)
    assert await confirmed(cache, TWO) == INFO


async def test_a_frozen_memcached_is_a_miss(monkeypatch):
    """It accepts connections and sends nothing."""
    monkeypatch.setattr(memcached, "RESPONSE_SECONDS", 0.2)
    port = free_port()
    with (
        running_memcached(port) as process,
        contextlib.closing(cache_of([Address(HOST, port)])) as cache,
    ):
        await put(cache, ONE)
        process.send_signal(signal.SIGSTOP)
        # One of its threads may still respond until the process has stopped.
        await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED)
        async with asyncio.timeout(20):
            assert await cache.get_many([ONE]) == CachedInfos()
            await put(cache, TWO)
            await cache.drop([ONE])


@pytest.fixture(name="ready")
def _ready(runner, cluster_with, memcached_address, raw):
    """Return a cluster with memcached, and a ready photo in it."""
    assert raw

    async def make():
        cluster = await cluster_with(memcached=(memcached_address,))
        photo_version = (await cluster.master.upload(picture())).version
        await cluster.master.worker.put_bundle(
            photo_version, body_of(with_info(photo_version)), mtime_seconds=1
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


WRONG_ENTRIES = {
    "empty": lambda _: b"",
    "garbage": lambda _: b"garbage" * 10,
    "of another photo": lambda now: cache_of([]).encode(TWO, WRONG, now),
    "of another document, and too old": lambda now: cache_of([]).encode(ONE, WRONG, now - 30),
    "of another ring": lambda now: cache_of([], keys=STRANGE_KEYS).encode(ONE, WRONG, now),
}


@pytest.mark.parametrize("wrong", WRONG_ENTRIES.values(), ids=WRONG_ENTRIES)
async def test_an_invalid_cache_entry_changes_no_response(ready, raw, wrong):
    """The info is read from disk, and the entry is corrected."""
    cluster, photo_version = ready
    (key,) = stored(raw)
    raw.set(key, wrong(int(time.time())), noreply=False)
    response = await cluster.master.photo(photo_version)
    assert set(response.document["urls"]) == {"s", "q", "t", "o"}
    with contextlib.closing(cache_of([Address(*raw.server)])) as cache:
        assert (await confirmed(cache, photo_version)).letters == "sqt"


async def test_a_signed_entry_of_another_document_is_not_used(ready, raw):
    """For a single photo, the digest that the nodes recorded decides."""
    cluster, photo_version = ready
    (key,) = stored(raw)
    raw.set(key, cache_of([]).encode(photo_version, WRONG, int(time.time())), noreply=False)
    response = await cluster.master.photo(photo_version)
    assert set(response.document["urls"]) == {"s", "q", "t", "o"}


async def test_a_deleted_photo_is_gone_although_it_is_cached(ready, raw):
    """For a single photo, the cache never decides if it exists."""
    cluster, photo_version = ready
    (key,) = stored(raw)
    value = raw.get(key)
    await cluster.master.delete(photo_version)
    raw.set(key, value, noreply=False)
    assert (await cluster.master.photo(photo_version)).status == 410
