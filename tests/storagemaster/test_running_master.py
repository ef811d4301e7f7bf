"""The storagemaster as a process: its background passes run, and it stops cleanly."""

import asyncio
import json

import aiohttp
import pytest

from glassplate.session.new_tokens import sign_new_token
from storagemaster import app
from storagemaster.background import repeating
from storagemaster.wire import PROBLEM_TYPE
from tests.free_ports import free_port
from tests.storagemaster.pictures import picture
from tests.storagemaster.small_cluster import HOST, KEYS, wait_until
from volumes.address import Address
from volumes.cluster import Colo, Master

UNPARSABLE = (
    b"EHLO secret\r\n\r\n",
    b"GET /photos HTTP/1.1\r\nHost: x\r\nsecret\r\n\r\n",
    b"POST /photos HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n",
    b"GET /" + b"secret" * 11_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
)


@pytest.fixture(name="master")
def _master():
    """Config of a storagemaster on a free port."""
    return Master(id="m9", colo=Colo("west"), address=Address(HOST, free_port()))


@pytest.fixture(name="impatient")
def _impatient(monkeypatch):
    """Background passes that run every 0.05 s."""
    monkeypatch.setattr(app, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(app, "HINTS_PASS_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_hint_is_delivered_in_the_background(cluster, master):
    """No request is needed after the node is back."""
    async with app.running_master(cluster.config, master, KEYS), aiohttp.ClientSession() as session:
        await cluster.stop("west-1")
        url = f"http://{master.address}/photos?volume=1"
        headers = {"Authorization": f"Bearer {sign_new_token(KEYS, ['upload'])}"}
        async with session.post(url, data=picture(), headers=headers) as response:
            assert response.status == 201
        assert cluster.hidden("west-2", ".hints")
        await cluster.start("west-1")
        await wait_until(lambda: not cluster.hidden("west-2", ".hints"))
    assert cluster.mirrors_are_equal(1)


async def test_port_in_use_fails_the_start(cluster, master):
    """Everything that was started before is stopped."""
    async with app.running_master(cluster.config, master, KEYS):
        with pytest.raises(OSError, match="in use"):
            async with app.running_master(cluster.config, master, KEYS):
                raise AssertionError("two listen on one port")


async def test_master_starts_with_every_node_down(cluster, master):
    """Its status says so, and uploads get 503."""
    await cluster.stop(*cluster.stores)
    async with app.running_master(cluster.config, master, KEYS), aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {sign_new_token(KEYS, ['status', 'upload'])}"}
        async with session.get(f"http://{master.address}/status", headers=headers) as response:
            document = await response.json()
        assert [node["up"] for node in document["nodes"]] == [False] * 4
        url = f"http://{master.address}/photos"
        async with session.post(url, data=picture(), headers=headers) as response:
            assert response.status == 503


async def test_error_in_a_pass_does_not_prevent_later_passes():
    """The error is logged."""
    passes = 0
    enough = asyncio.Event()

    async def failing():
        nonlocal passes
        passes += 1
        if passes == 3:
            enough.set()
        raise RuntimeError("a mistake")

    async with repeating(failing, pause_seconds=0.0), asyncio.timeout(5):
        await enough.wait()
    assert passes >= 3


async def test_pass_ends_with_its_block():
    """A pass that waits forever is cancelled."""
    started = asyncio.Event()

    async def endless():
        started.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(5), repeating(endless, pause_seconds=0.0):
        await started.wait()


async def test_malformed_http_gets_a_problem_that_echoes_nothing(cluster, master):
    """Neither the request nor the server's version is in the response."""
    async with app.running_master(cluster.config, master, KEYS):
        for request in UNPARSABLE:
            reader, writer = await asyncio.open_connection(HOST, master.address.port)
            writer.write(request)
            head, _, body = (await asyncio.wait_for(reader.read(), 20)).partition(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            assert head.split()[1] == b"400", request[:40]
            assert b"aiohttp" not in head
            assert PROBLEM_TYPE.encode() in head
            assert json.loads(body)["status"] == 400
            assert b"secret" not in head + body


async def test_no_response_names_the_library_of_the_server(cluster, master):
    """Its version would help only an attacker."""
    async with app.running_master(cluster.config, master, KEYS), aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {sign_new_token(KEYS, ['upload'])}"}
        requests = (
            session.get(f"http://{master.address}/healthz"),
            session.get(f"http://{master.address}/nothing"),
            session.get(f"http://{master.address}/status"),
            session.post(f"http://{master.address}/photos", data=picture(), headers=headers),
            session.post(f"http://{master.address}/photos", data=b"no photo", headers=headers),
        )
        for each in requests:
            async with each as response:
                assert response.headers["Server"] == "glassplate", response.status
