"""Acts that are logged together are each as durable as their answers say."""

import asyncio

from storagemaster.audit.copies import Durability
from storagemaster.audit.entries import Act
from storagenode.client import NodeClient
from storagenode.protocol.errors import OutOfSpace
from tests.storagemaster.audit.test_audit_log import entries_on
from tests.storagemaster.small_cluster import NODES


async def test_an_act_during_an_append_that_fails_is_as_durable_as_it_says(cluster, monkeypatch):
    """It was not part of that append, so an append of its own decides."""
    append = NodeClient.append_audit
    reached, released = asyncio.Event(), asyncio.Event()

    async def only_one(node, file, lines):
        if "east-1" not in names[node.url]:
            raise OutOfSpace("full")
        reached.set()
        await released.wait()
        await append(node, file, lines)

    names = {f"http://{cluster.config.nodes[id_].write}": id_ for id_ in NODES}
    monkeypatch.setattr(NodeClient, "append_audit", only_one)
    first, second = (Act(act=name, target="t", result="done") for name in ("first", "second"))
    records = [asyncio.create_task(cluster.master.audit.record(first))]
    await reached.wait()
    records.append(asyncio.create_task(cluster.master.audit.record(second)))
    await asyncio.sleep(0)
    released.set()
    assert await asyncio.gather(*records) == [Durability.ONE_NODE, Durability.ONE_NODE]
    assert [each["act"] for each in entries_on(cluster)["east-1"]][:2] == ["first", "second"]
