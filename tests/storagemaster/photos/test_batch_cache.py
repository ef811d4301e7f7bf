"""Batches of photos with a memcached that is wrong, corrupt, or missed a delete."""

import contextlib
import dataclasses
import time
from dataclasses import asdict

import pytest
from pymemcache.client.base import Client

from glassplate.session.new_tokens import sign_new_token
from permission_urls import Key, KeyRing, KeyState, parse_permission_url
from storagemaster import wire
from storagemaster.caches import memcached as memcached_client
from storagemaster.caches.info_cache import CachedInfo, InfoCache, info_of, key_of
from tests.free_ports import free_port
from tests.storagemaster.bundles_to_send import with_info
from tests.storagemaster.memcached_servers import CorruptMemcached, running_memcached
from tests.storagemaster.photos.test_batch_lookup import batch_of, ready_photos, states_of
from tests.storagemaster.small_cluster import HOST, KEYS
from volumes.address import Address
from volumes.cluster import Limits
from volumes.photo_path import PhotoVersion


@pytest.fixture(name="patient_cache", autouse=True)
def _patient_cache(monkeypatch):
    """Return a timeout with which a slow machine does not cause a miss."""
    monkeypatch.setattr(memcached_client, "RESPONSE_SECONDS", 10.0)


@pytest.fixture(name="memcached")
def _memcached():
    """Return the address of a memcached of this test."""
    port = free_port()
    with running_memcached(port):
        yield Address(HOST, port)


async def test_entry_that_a_delete_missed_counts_for_the_bound_at_most(cluster_with, memcached):
    """Memcached was unreachable during the delete, and still has the info."""
    cluster = await cluster_with(memcached=(memcached,))
    deleted, other = await ready_photos(cluster, 2)
    with contextlib.closing(Client((memcached.host, memcached.port))) as raw:
        kept = raw.get(key_of(deleted))
        await cluster.master.delete(deleted)
        assert states_of(await batch_of(cluster, [deleted, other])) == ["gone", "ready"]
        raw.set(key_of(deleted), kept, noreply=False)
        assert states_of(await batch_of(cluster, [deleted, other])) == ["ready", "ready"]
        head, _, document = kept.partition(b"\n")
        _, seconds, letters, ext = head.decode().split()
        info = CachedInfo(document, letters, ext)
        too_old = signed_entry(deleted, info, int(seconds) - Limits().cached_info_seconds - 1)
        raw.set(key_of(deleted), too_old, noreply=False)
        assert states_of(await batch_of(cluster, [deleted, other])) == ["gone", "ready"]


async def test_revoked_version_is_gone_from_memcached(cluster_with, memcached):
    """The new version is ready, and the old one gone, at every storagemaster."""
    cluster = await cluster_with(memcached=(memcached,))
    (old,) = await ready_photos(cluster, 1)
    other = await cluster.another_master()
    assert states_of(await batch_of(cluster, [old])) == ["ready"]
    answer = await other.request("POST", wire.REVOKE.path(asdict(old)))
    assert answer.status == 200
    new = dataclasses.replace(old, version=answer.document["version"])
    assert states_of(await batch_of(cluster, [old, new])) == ["gone", "ready"]


@pytest.mark.parametrize("query", ["", "?expires=1h"])
@pytest.mark.parametrize("scopes", [["read"], ["read", "original"]])
async def test_entry_of_memcached_has_only_the_urls_of_the_request(
    cluster_with, memcached, scopes, query
):
    """The scopes of the token and the expiry of the request decide, as for a single photo."""
    cluster = await cluster_with(memcached=(memcached,))
    (photo_version,) = await ready_photos(cluster, 1)
    assert states_of(await batch_of(cluster, [photo_version])) == ["ready"]
    headers = {"Authorization": f"Bearer {sign_new_token(KEYS, scopes)}"}
    one = await cluster.master.request("GET", f"/photos/{photo_version}{query}", headers=headers)
    answer = await cluster.master.request(
        "POST",
        f"{wire.LOOKUP.path()}{query}",
        data=wire.render_batch_request([photo_version]),
        headers=headers,
    )
    (entry,) = answer.document["photos"]
    assert set(entry["urls"]) == {*"sqt", *("o" if "original" in scopes else "")}
    for letter, url in entry["urls"].items():
        permission, single = (
            parse_permission_url(each.removeprefix(cluster.config.public_url)).permission
            for each in (url, one.document["urls"][letter])
        )
        assert permission.key_id == single.key_id
        assert (permission.expiry == 0) == (single.expiry == 0) == (query == "")
        assert query or url == one.document["urls"][letter]


def signed_entry(photo_version, info, confirmed_seconds, keys=KEYS):
    """Return an entry as a storagemaster makes it."""
    return InfoCache([], keys, confirmed_seconds=30).encode(photo_version, info, confirmed_seconds)


FOREIGN = PhotoVersion(1, "01jd3x8m2c9qp4k7", "000000")
FORGED = CachedInfo(b'{"variants": [], "original": {"ext": "jpg"}}', "m", "jpg")
OTHER_KEYS = KeyRing(keys=(Key(key_id="a", secret=bytes(range(9, 41)), state=KeyState.SIGNING),))
CORRUPT_VALUES = {
    "nothing": lambda _: b"",
    "noise": lambda key: key * 20,
    "another photo's": lambda _: signed_entry(FOREIGN, FORGED, int(time.time())),
    "a marker of a delete": lambda _: b"deleted",
}


@pytest.mark.parametrize("value_of", CORRUPT_VALUES.values(), ids=CORRUPT_VALUES)
async def test_corrupt_memcached_changes_nothing(cluster_with, value_of):
    """It returns the same value for every key."""
    corrupt = CorruptMemcached(value_of)
    async with corrupt.running():
        cluster = await cluster_with(memcached=(corrupt.address,))
        photos = await ready_photos(cluster, 3)
        batch = await batch_of(cluster, photos)
        assert corrupt.requests == 1
        assert [entry["info"]["color"] for entry in batch] == ["#000000", "#000001", "#000002"]


WRONG_ENTRIES = {
    "forged": lambda version, info: signed_entry(version, info, int(time.time()), OTHER_KEYS),
    "of another photo": lambda _, info: signed_entry(FOREIGN, info, int(time.time())),
    "of an older version": lambda version, info: signed_entry(
        dataclasses.replace(version, version="000000"), info, int(time.time())
    ),
    "signed long ago": lambda version, info: signed_entry(version, info, int(time.time()) - 31),
    "signed in the future": lambda version, info: signed_entry(
        version, info, int(time.time()) + 99
    ),
}


@pytest.mark.parametrize("make_entry", WRONG_ENTRIES.values(), ids=WRONG_ENTRIES)
async def test_wrong_info_is_not_used(cluster_with, make_entry):
    """The MAC, or the digest on the node, decides."""
    values = {}
    corrupt = CorruptMemcached(lambda key: values.get(key, b""))
    async with corrupt.running():
        cluster = await cluster_with(memcached=(corrupt.address,))
        (photo_version,) = await ready_photos(cluster, 1)
        wrong = info_of(with_info(photo_version, color="#ffffff")[-1].data)
        values[key_of(photo_version).encode()] = make_entry(photo_version, wrong)
        (entry,) = await batch_of(cluster, [photo_version])
        assert entry["info"]["color"] == "#000000"


@pytest.mark.parametrize("make_entry", WRONG_ENTRIES.values(), ids=WRONG_ENTRIES)
async def test_wrong_entry_of_a_deleted_photo_is_not_used(cluster_with, make_entry):
    """The photo is gone."""
    values = {}
    corrupt = CorruptMemcached(lambda key: values.get(key, b""))
    async with corrupt.running():
        cluster = await cluster_with(memcached=(corrupt.address,))
        (photo_version,) = await ready_photos(cluster, 1)
        info = info_of(with_info(photo_version)[-1].data)
        values[key_of(photo_version).encode()] = make_entry(photo_version, info)
        await cluster.master.delete(photo_version)
        assert states_of(await batch_of(cluster, [photo_version])) == ["gone"]
