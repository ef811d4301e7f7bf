"""An upload that falls silent ends with 408, and leaves nothing on any node."""

import asyncio

import pytest

from runtime.clients import Clients, Offense
from storagemaster import app
from storagenode import app as node_app
from tests.storagemaster.pictures import long_picture
from tests.storagemaster.small_cluster import has_files, wait_until

PHOTO = long_picture(2_000_000)
UPLOAD_SECONDS_MAX = 60.0


@pytest.fixture(name="clients")
def _clients(monkeypatch):
    """Every `Clients` of a storagemaster that starts from now on."""
    made = []

    class Recorded(Clients):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(app, "Clients", Recorded)
    return made


async def test_a_silent_upload_gets_408_and_leaves_nothing(cluster, clients):
    """The window and the pause between two checks fit into the promised minute."""
    master = await cluster.another_master()
    (watched,) = clients
    assert watched.limits.window_seconds + 2 * watched.limits.check_seconds < UPLOAD_SECONDS_MAX
    reader, writer = await asyncio.open_connection(master.address.host, master.address.port)
    writer.write(master.upload_head(content_length=len(PHOTO)) + PHOTO[:1_500_000])
    for node in ("east-1", "west-1"):
        await wait_until(lambda node=node: has_files(cluster.root(node) / ".staging"))
    (connection,) = watched.connections
    now = asyncio.get_running_loop().time()
    await wait_until(lambda: connection.state(now).is_receiving)
    watched.check(now)
    watched.check(now + watched.limits.window_seconds - 1)
    assert watched.rejected[Offense.SLOW_BODY] == 0
    watched.check(now + watched.limits.window_seconds + 1)
    assert watched.rejected[Offense.SLOW_BODY] == 1
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    await reader.read()
    writer.close()
    await cluster.wait_until_nothing_is_staged()
    assert cluster.all_files() == {}
    metrics = (await master.request("GET", "/metrics")).document
    name = "glassplate_rejected_connections_total"
    assert f'{name}{{port="api",reason="slow_body"}} 1.0' in metrics


async def test_a_silent_put_to_a_node_leaves_nothing(cluster, monkeypatch):
    """A storagemaster that freezes within an upload holds no staged file for long."""
    made = []

    class Recorded(Clients):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

    await cluster.stop("west-1")
    monkeypatch.setattr(node_app, "Clients", Recorded)
    await cluster.start_and_notice("west-1")
    master = cluster.master
    _, writer = await asyncio.open_connection(master.address.host, master.address.port)
    writer.write(master.upload_head(content_length=len(PHOTO)) + PHOTO[:1_500_000])
    await wait_until(lambda: has_files(cluster.root("west-1") / ".staging"))
    now = asyncio.get_running_loop().time()
    for seconds in (0, 31, 63):
        for clients in made:
            clients.check(now + seconds)
    assert sum(clients.rejected[Offense.SLOW_BODY] for clients in made) >= 1
    await wait_until(lambda: not has_files(cluster.root("west-1") / ".staging"))
    writer.transport.abort()
    await cluster.wait_until_nothing_is_staged()
