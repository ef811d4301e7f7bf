"""The ingest nginx in front of real storagemasters: uploads pass, and greedy clients do not."""

import asyncio
import dataclasses
import io
import re
import socket

import aiohttp
import pytest

from tests.edge_servers import running_ingest
from tests.free_ports import free_port
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.resumable.tus_client import PATCH_TYPE
from tests.storagemaster.small_cluster import HOST
from volumes.address import Address
from volumes.cluster import Colo, Ingest, Master

PHOTO = long_picture(3_000_000)


class ThroughIngest:
    """Requests to the ingest with the token of a storagemaster."""

    def __init__(self, address, token, logs):
        self.address = address
        self.logs = logs
        self._token = token

    async def request(self, method, path, *, data=None, headers=None):
        """Return the status, headers, and text of a response."""
        sent = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {self._token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method,
                f"http://{self.address}{path}",
                data=io.BytesIO(data) if isinstance(data, bytes) else data,
                headers={**sent, **(headers or {})},
            ) as response,
        ):
            return response.status, response.headers, await response.text()

    async def append(self, path, data, *, offset):
        """Append bytes to an upload."""
        headers = {"Content-Type": PATCH_TYPE, "Upload-Offset": str(offset)}
        return await self.request("PATCH", path, data=data, headers=headers)


@pytest.fixture(name="ingest_with")
def _ingest_with(cluster, runner):
    """Return a function that runs an ingest over two storagemasters until the test ends."""
    runner.run(cluster.another_master())
    config = dataclasses.replace(
        cluster.config,
        masters={
            f"m{number}": Master(id=f"m{number}", colo=Colo(colo), address=master.address)
            for number, (master, colo) in enumerate(
                zip(cluster.masters, ("east", "west"), strict=True)
            )
        },
        ingests={
            "in": Ingest(id="in", colo=Colo("east"), listen=Address(HOST, free_port())),
        },
    )
    running = []

    def run(**settings):
        context = running_ingest(config, "in", **settings)
        running.append(context)
        logs = context.__enter__()
        return ThroughIngest(config.ingests["in"].listen, cluster.master._token, logs)

    yield run
    for context in running:
        context.__exit__(None, None, None)


async def test_uploads_pass(ingest_with):
    """In one request, as a form, and resumable."""
    ingest = ingest_with()
    status, _, _ = await ingest.request("POST", "/photos?volume=1", data=PHOTO)
    assert status == 201
    form = aiohttp.FormData()
    form.add_field("photo", picture(), filename="cat.jpg")
    status, _, _ = await ingest.request("POST", "/photos?volume=1", data=form)
    assert status == 201
    status, headers, _ = await ingest.request(
        "POST", "/uploads?volume=1", headers={"Upload-Length": str(len(PHOTO))}
    )
    assert (status, headers["Location"].startswith("/uploads/")) == (201, True)
    path = headers["Location"]
    assert (await ingest.append(path, PHOTO[:1_000_000], offset=0))[0] == 204
    status, headers, _ = await ingest.append(path, PHOTO[1_000_000:], offset=1_000_000)
    assert (status, headers["Upload-Offset"]) == (204, str(len(PHOTO)))


async def test_an_upload_continues_through_it_when_a_storagemaster_dies(cluster, ingest_with):
    """The address is the same, and nothing is lost."""
    ingest = ingest_with()
    length = {"Upload-Length": str(len(PHOTO))}
    _, headers, _ = await ingest.request("POST", "/uploads?volume=1", headers=length)
    path = headers["Location"]
    await ingest.append(path, PHOTO[:1_000_000], offset=0)
    await cluster.stop_master(0)
    status, headers, _ = await ingest.request("HEAD", path)
    assert (status, headers["Upload-Offset"]) == (200, "1000000")
    assert (await ingest.append(path, PHOTO[1_000_000:], offset=1_000_000))[0] == 204


async def test_the_inside_is_closed(ingest_with):
    """Bundles of workers and metrics are for machines of the cluster."""
    ingest = ingest_with()
    for path in ("/internal/bundles/1/x/y", "/metrics", "/%69nternal/bundles/1/x/y"):
        assert (await ingest.request("POST", path))[0] == 403
    assert (await ingest.request("GET", "/healthz"))[0] == 200


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(ingest_with):
    """The client gets the response after the header."""
    ingest = ingest_with()
    with socket.create_connection((HOST, ingest.address.port), timeout=10) as connection:
        connection.sendall(b"POST /photos HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n\r\n")
        head = await asyncio.to_thread(connection.recv, 100)
    assert head.startswith(b"HTTP/1.1 413 ")


async def test_one_address_has_a_limit_of_connections(cluster, ingest_with):
    """An event stream holds the only connection that it may have."""
    ingest = ingest_with(connections_max=1)
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {cluster.master._token}"}
        async with session.get(f"http://{ingest.address}/events", headers=headers) as stream:
            assert stream.status == 200
            await stream.content.readuntil(b"\n\n")
            assert (await ingest.request("GET", "/healthz"))[0] == 429


async def test_no_log_has_the_path_of_an_upload(ingest_with):
    """It is the permission to continue the upload."""
    ingest = ingest_with()
    _, headers, _ = await ingest.request(
        "POST", "/uploads?volume=1", headers={"Upload-Length": "1000"}
    )
    await ingest.request("HEAD", headers["Location"])
    secret = headers["Location"].rpartition(".")[2]
    log = ingest.logs / "access.log"
    async with asyncio.timeout(60):
        while "HEAD" not in log.read_text():  # noqa: ASYNC110  # nginx writes it
            await asyncio.sleep(0.05)
    assert secret not in "".join(each.read_text() for each in ingest.logs.glob("*.log"))
    assert re.search(r"[0-9a-f]{32} HEAD /uploads/- 200", log.read_text())
