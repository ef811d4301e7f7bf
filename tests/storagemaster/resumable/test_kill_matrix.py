"""Any part is killed at any byte of an upload, which then continues at the other storagemaster."""

import asyncio
import hashlib

import pytest

from storagemaster.resumable import partial_copies
from storagenode import opening
from tests.storagemaster.pictures import long_picture
from tests.storagemaster.resumable.losing_power import DiskThatLosesPower
from tests.storagemaster.resumable.test_interrupted_uploads import (
    offset_of,
    received_bytes,
    send_a_part,
    stored,
)
from tests.storagemaster.resumable.tus_client import TusClient
from tests.storagemaster.small_cluster import NODES, wait_until

PHOTO = long_picture(1_200_000)
CUTS = (0, 1, 65_535, 1 << 20, len(PHOTO) - 1, len(PHOTO))


async def kill_client(_, connection):
    """Reset the connection of the client."""
    connection.abort()


async def kill_storagemaster(cluster, connection):
    """Reset all connections of the storagemaster, and stop it."""
    connection.abort()
    for node in NODES:
        cluster.links[node].reset_all()
    await cluster.stop_master(0)


async def kill_one_node(cluster, connection):
    """Kill one of the two nodes with the bytes, and start it again; then the client ends."""
    cluster.links["west-1"].cut()
    await cluster.stop("west-1")
    await cluster.start("west-1")
    cluster.links["west-1"].reconnect()
    connection.abort()


async def kill_both_nodes(cluster, connection):
    """Kill the client, and both nodes before they have its last bytes; start the nodes again."""
    connection.abort()
    for node in ("east-1", "west-1"):
        cluster.links[node].cut()
    await cluster.stop("east-1", "west-1")
    await cluster.start("east-1", "west-1")
    for node in ("east-1", "west-1"):
        cluster.links[node].reconnect()


async def cut_the_power(cluster, connection):
    """Cut the power of everything, which leaves only what is durable, and start the nodes again."""
    disks = [cluster.stores[node].file_system for node in NODES]
    for disk in disks:
        disk.lose_power()
    await kill_storagemaster(cluster, connection)
    await cluster.stop(*NODES)
    for disk in disks:
        disk.forget()
    await cluster.start(*NODES)


async def finish(tus, path):
    """Continue as clients do, which request the offset after each error; return the answer."""
    async with asyncio.timeout(30):
        while True:
            offset = await offset_of(tus, path)
            answer = await tus.append(path, PHOTO[offset:], offset=offset)
            if answer.status == 204:
                return answer
            assert answer.status in {409, 423, 503}, answer
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "kill", [kill_client, kill_storagemaster, kill_one_node, kill_both_nodes, cut_the_power]
)
async def test_an_upload_continues_at_the_other_storagemaster(cluster_with, monkeypatch, kill, cut):
    """One photo with equal bytes is on both mirrors, and every storagemaster has its receipt."""
    monkeypatch.setattr(opening, "DiskFileSystem", DiskThatLosesPower)
    monkeypatch.setattr(partial_copies, "SEGMENT_BYTES_MAX", 300_000)
    cluster = await cluster_with()
    received = received_bytes(monkeypatch)
    path = (await TusClient(cluster.master).begin(len(PHOTO))).headers["Location"]
    second = await cluster.another_master()
    other = TusClient(second)
    writer = await send_a_part(cluster.master, path, received, PHOTO[:cut], of=len(PHOTO))
    await kill(cluster, writer.transport)
    await second.fleet.poll()
    answer = await finish(other, path)
    reference = answer.headers["Glassplate-Reference"]
    third = TusClient(await cluster.another_master("m3"))
    for client in (other, third):
        found = await client.offset(path)
        assert found.headers["Upload-Offset"] == str(len(PHOTO))
        assert found.headers["Glassplate-Reference"] == reference
    await second.deliver_hints()
    await wait_until(lambda: cluster.mirrors_are_equal(1))
    assert list(stored(cluster).values()) == [[PHOTO, PHOTO]]
    receipts = [
        (await master.request("GET", path)).document["receipt"] for master in cluster.masters[1:]
    ]
    assert receipts[0] == receipts[1]
    assert receipts[0]["sha256"] == hashlib.sha256(PHOTO).hexdigest()
    assert receipts[0]["durability"] == "mirrored"
