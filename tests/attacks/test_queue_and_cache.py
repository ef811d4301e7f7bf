"""A client that writes to the queue server or to memcached forges no job, event, or response."""

import asyncio
import contextlib
import json
import random
import time

import pytest
from pymemcache.client.base import Client

from permission_urls import Forbidden, Purpose, generate_keys, sign_job, verify_job
from storagemaster.caches.info_cache import CachedInfo, InfoCache, key_of
from storagemaster.events.events import Event
from storagemaster.events.relay import parse_message, render_message
from storagemaster.job_wire import JobKind, fields_to_sign
from tests.free_ports import free_port
from tests.storagemaster.memcached_servers import running_memcached
from tests.storagemaster.small_cluster import HOST, KEYS
from volumes.address import Address
from volumes.photo_path import PhotoVersion

PHOTO = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
OTHER = PhotoVersion(1, "01jd3x8m2c9qp4k7", "000000")
PATH = "1/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg"
INFO = CachedInfo(b'{"variants": []}', "m", "jpg")
STRANGE = generate_keys(random.Random(9).randbytes)
EVENT = Event(volume=1, photo=PHOTO.photo, version=PHOTO.version, state="deleted")


def other_purposes(own):
    """Return the purposes whose keys sign nothing of this kind."""
    return [purpose for purpose in Purpose if purpose is not own]


JOBS = {
    "without a signature": lambda _: "",
    "of another cluster": lambda fields: sign_job(STRANGE, fields),
    "of another photo": lambda fields: sign_job(KEYS, {**fields, "path": PATH.replace("k7", "k8")}),
    "of another kind": lambda _: sign_job(KEYS, fields_to_sign(JobKind.AGAIN, PATH)),
    **{
        f"by a key for {purpose}": lambda fields, purpose=purpose: sign_job(
            KEYS.ring(purpose), fields
        )
        for purpose in other_purposes(Purpose.JOB)
    },
}


@pytest.mark.parametrize("attack", JOBS)
def test_no_worker_takes_a_forged_job(attack):
    """It fails before anything is fetched."""
    fields = fields_to_sign(JobKind.SIZES, PATH)
    verify_job(KEYS, sign_job(KEYS, fields), fields)
    with pytest.raises(Forbidden):
        verify_job(KEYS, JOBS[attack](fields), fields)


MESSAGES = {
    "without a signature": lambda text: {**json.loads(text), "signature": ""},
    "with another state": lambda text: {
        **json.loads(text),
        "event": json.loads(text)["event"].replace("deleted", "ready"),
    },
    "as of another process": lambda text: {**json.loads(text), "boot": "x"},
    "of another cluster": lambda _: json.loads(render_message(EVENT, "b", STRANGE)),
    "without an event": lambda text: {"boot": "b", "signature": json.loads(text)["signature"]},
    "that is a list": lambda _: [1],
    **{
        f"by a key for {purpose}": lambda _, purpose=purpose: json.loads(
            render_message(EVENT, "b", KEYS.ring(purpose))
        )
        for purpose in other_purposes(Purpose.JOB)
    },
}


@pytest.mark.parametrize("attack", MESSAGES)
def test_no_storagemaster_believes_a_forged_event(attack):
    """It drops the message, and its clients see nothing."""
    text = render_message(EVENT, "b", KEYS)
    assert parse_message(text, "own", KEYS) == EVENT
    assert parse_message(json.dumps(MESSAGES[attack](text)), "own", KEYS) is None


@pytest.fixture(name="server", scope="module")
def _server():
    port = free_port()
    with running_memcached(port):
        yield Address(HOST, port)


def written(raw, keys, *, photo=PHOTO, info=INFO, seconds=None):
    """Write an entry as a storagemaster with these keys writes it."""
    cache = InfoCache([], keys, confirmed_seconds=30)
    seconds = int(time.time()) if seconds is None else seconds
    raw.set(key_of(PHOTO), cache.encode(photo, info, seconds), noreply=False)


def changed(raw, old, new):
    """Write a valid entry in which some bytes are changed."""
    written(raw, KEYS)
    raw.set(key_of(PHOTO), raw.get(key_of(PHOTO)).replace(old, new), noreply=False)


ENTRIES = {
    "with another document": lambda raw: changed(raw, b"variants", b"variantz"),
    "with other sizes": lambda raw: changed(raw, b" m ", b" mo "),
    "with another format": lambda raw: changed(raw, b" jpg", b" png"),
    "with another time": lambda raw: changed(raw, b" m ", b"0 m "),
    "of another photo": lambda raw: written(raw, KEYS, photo=OTHER),
    "of another cluster": lambda raw: written(raw, STRANGE),
    "without a MAC": lambda raw: raw.set(key_of(PHOTO), b"1 m jpg\n{}", noreply=False),
    "that is empty": lambda raw: raw.set(key_of(PHOTO), b"", noreply=False),
    "that is long": lambda raw: raw.set(key_of(PHOTO), b"x" * 500_000, noreply=False),
    **{
        f"by a key for {purpose}": lambda raw, purpose=purpose: written(raw, KEYS.ring(purpose))
        for purpose in other_purposes(Purpose.CACHE)
    },
}


@pytest.mark.parametrize("attack", ENTRIES)
def test_no_storagemaster_believes_a_forged_entry(server, attack):
    """It queries the nodes instead."""

    async def found():
        with contextlib.closing(InfoCache([server], KEYS, confirmed_seconds=30)) as cache:
            infos = await cache.get_many([PHOTO])
        return {**infos.older, **infos.confirmed}

    with contextlib.closing(Client((server.host, server.port))) as raw:
        raw.flush_all(noreply=False)
        written(raw, KEYS)
        assert asyncio.run(found()) == {PHOTO: INFO}
        ENTRIES[attack](raw)
    assert asyncio.run(found()) == {}


def test_an_old_entry_counts_only_if_a_node_confirms_it(server):
    """So a replay shows a photo as it was up to 30 seconds ago, and a deleted one never longer."""
    with contextlib.closing(Client((server.host, server.port))) as raw:
        written(raw, KEYS, seconds=int(time.time()) - 31)

    async def found():
        with contextlib.closing(InfoCache([server], KEYS, confirmed_seconds=30)) as cache:
            return await cache.get_many([PHOTO])

    infos = asyncio.run(found())
    assert (infos.confirmed, infos.older) == ({}, {PHOTO: INFO})
