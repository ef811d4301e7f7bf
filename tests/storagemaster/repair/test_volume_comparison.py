"""Mirrors whose volumes have the same digest are not compared any further."""

from dataclasses import replace

import pytest

from storagenode.protocol.errors import NodeError
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import MIRRORS

PATH = "1/k7/01jd3x8m2c9qp4k7_3fz8qd_o.jpg"
OTHER_PATH = "1/m8/01jd3x8m2c9qp4m8_3fz8qd_o.jpg"
DATA = picture()


@pytest.fixture(name="photo", autouse=True)
def _photo(cluster):
    """Store a photo on both mirrors."""
    for node in MIRRORS[1]:
        cluster.write(node, PATH, DATA)


async def run_cycle(cluster):
    """Compare every volume once."""
    reconcile = cluster.master.reconcile
    for _ in cluster.config.volumes:
        await reconcile.reconcile_next()


@pytest.fixture(name="listings")
def _listings(cluster, monkeypatch):
    """Return the nodes and volumes whose shards were compared one by one."""
    seen = []
    for node, store in cluster.stores.items():
        shard_digests = store.shard_digests

        def record(volume, sizes=None, *, node=node, shard_digests=shard_digests):
            seen.append((node, volume))
            return shard_digests(volume, sizes)

        monkeypatch.setattr(store, "shard_digests", record)
    return seen


async def test_equal_mirrors_are_one_small_answer(cluster, listings):
    """Empty volumes too; a difference is found shard by shard."""
    await run_cycle(cluster)
    assert listings == []
    cluster.path("west-1", PATH).unlink()
    await run_cycle(cluster)
    assert sorted(set(listings)) == [("east-1", 1), ("west-1", 1)]
    assert cluster.holders(PATH).keys() == set(MIRRORS[1])


async def test_one_failing_volume_delays_no_other(cluster, listings, monkeypatch):
    """Each volume is compared alone."""
    cluster.path("west-1", PATH).unlink()

    def fail(volume):
        raise NodeError(f"volume {volume}: input/output error")

    monkeypatch.setattr(cluster.stores["west-1"], "volume_summary", fail)
    await run_cycle(cluster)
    assert ("west-1", 1) in listings
    assert cluster.holders(PATH).keys() == set(MIRRORS[1])


async def test_the_status_has_the_photos_and_bytes_of_each_volume(cluster):
    """From the last comparison, also of a node that is down."""

    async def status():
        return (await cluster.master.request("GET", "/status")).document

    volume = (await status())["volumes"][0]
    assert (volume["photos"], volume["bytes"], volume["mirrors_equal"]) == (None, None, None)
    await run_cycle(cluster)
    await cluster.stop_and_notice("west-1")
    document = await status()
    volume = document["volumes"][0]
    assert (volume["photos"], volume["bytes"], volume["mirrors_equal"]) == (1, len(DATA), True)
    nodes = {node["id"]: (node["photos"], node["bytes"]) for node in document["nodes"]}
    assert nodes["east-1"] == nodes["west-1"] == (1, len(DATA))
    contents = cluster.master.reconcile.comparison.contents
    summary = contents.of(1)["west-1"]
    for difference in ({"photos": 2}, {"bytes": len(DATA) + 1}):
        contents.record("west-1", {1: replace(summary, **difference)})
        assert (await status())["volumes"][0]["mirrors_equal"] is False


async def test_a_plan_without_repair_lists_only_the_shards_that_differ(cluster, monkeypatch):
    """An operator can request it at any time, however large the volume is."""
    cluster.write("east-1", OTHER_PATH, DATA)
    cluster.write("west-1", OTHER_PATH, DATA)
    cluster.path("west-1", PATH).unlink()
    listed = []
    for store in cluster.stores.values():
        list_shard = store.list_shard
        monkeypatch.setattr(
            store,
            "list_shard",
            lambda volume, shard, list_shard=list_shard: (
                listed.append(shard) or list_shard(volume, shard)
            ),
        )
    found = (await cluster.master.request("GET", "/repairs/1")).document
    assert [(step["node"], step["path"]) for step in found["steps"]] == [("west-1", PATH)]
    assert set(listed) == {"k7"}
