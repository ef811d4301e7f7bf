"""Machines without a storagemaster keep the file of the volume map by themselves."""

import dataclasses
import random
import time

import aiohttp
import pytest

from permission_urls import InternalSigner, Purpose, generate_keys, sign_map
from storagemaster.map_client import EMPTY_DIGEST, MapFollower, NoMap
from storagemaster.wire import SIGNATURE_HEADER, SIGNED_DIGEST_HEADER
from tests.storagemaster.small_cluster import KEYS
from volumes.cluster import Colo, Master
from volumes.config.cluster_file import MAP_NAME, load_cluster
from volumes.map.map_text import render_map
from volumes.map.volume_map import VolumeMap, tables_of

OTHERS = generate_keys(random.Random(2).randbytes)
HEAD = """name = "small"
public_url = "http://photos.example"
keys_file = "keys.toml"
queue_url = "redis://127.0.0.1:1"
"""


@pytest.fixture(name="config")
def _config(cluster, tmp_path):
    """Write the config of a machine, whose storagemaster is the running one."""
    text = render_map(map_of(cluster, version=1))
    path = tmp_path / "cluster.toml"
    path.write_text(HEAD + text[text.index("[nodes.") :])
    return path


def map_of(cluster, *, version, weight=1.0):
    """Return a version of the map, with another weight of a node."""
    config = cluster.config
    nodes = dict(config.nodes)
    nodes["east-1"] = dataclasses.replace(nodes["east-1"], weight=weight)
    master = Master(id="m1", colo=Colo("east"), address=cluster.master.address)
    tables = dataclasses.replace(tables_of(config), nodes=nodes, masters={"m1": master})
    return VolumeMap(version=version, after="0" * 16, why="", tables=tables)


async def put_in_force(cluster, *, version, weight, keys=KEYS):
    """Make the storagemaster follow a map, signed with these keys."""
    volume_map = map_of(cluster, version=version, weight=weight)
    signed = sign_map(keys, render_map(volume_map)).encode()
    await cluster.master.maps.use(volume_map, signed)


async def follow(config, keys=KEYS):
    """Run one pass; return the version of the machine and the weight of the node."""
    async with aiohttp.ClientSession() as session:
        await MapFollower(config, keys).follow(session)
    found = load_cluster(config)
    return found.map_version, found.nodes["east-1"].weight


async def test_each_newer_map_is_stored(cluster, config):
    """`cluster.toml` is version 1, and needs no file."""
    assert await follow(config) == (1, 1.0)
    assert not config.with_name(MAP_NAME).exists()
    await put_in_force(cluster, version=2, weight=2.0)
    for _ in range(2):
        assert await follow(config) == (2, 2.0)
    await put_in_force(cluster, version=3, weight=3.0)
    assert await follow(config) == (3, 3.0)


async def test_a_map_of_another_cluster_is_not_stored(cluster, config):
    """The storagemaster could be another machine at its address."""
    await put_in_force(cluster, version=2, weight=2.0, keys=OTHERS)
    with pytest.raises(NoMap, match="no key of this cluster signed it"):
        await follow(config)
    assert not config.with_name(MAP_NAME).exists()


async def test_a_machine_without_the_keys_gets_no_map(cluster, config):
    """Nor one that cannot reach a storagemaster."""
    await put_in_force(cluster, version=2, weight=2.0)
    with pytest.raises(NoMap, match="m1: ClientResponseError: 403"):
        await follow(config, OTHERS)
    await cluster.stop_master(0)
    with pytest.raises(NoMap, match="m1: "):
        await follow(config)


async def test_only_keys_of_the_map_open_it(cluster):
    """A token of an operator does not, and neither do keys of other requests."""
    path = "/internal/map?version=1"
    assert (await cluster.master.request("GET", path)).status == 403
    for purpose, status in ((Purpose.INTERNAL, 403), (Purpose.MAP, 204)):
        signature = InternalSigner(KEYS, purpose).sign_request(
            receiver="m1",
            method="GET",
            path=path,
            digest=EMPTY_DIGEST,
            expiry_seconds=int(time.time()) + 60,
        )
        headers = {SIGNATURE_HEADER: signature, SIGNED_DIGEST_HEADER: EMPTY_DIGEST}
        assert (await cluster.master.request("GET", path, headers=headers)).status == status
