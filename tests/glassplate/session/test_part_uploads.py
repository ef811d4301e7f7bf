"""Uploads of long photos in parts, which continue after every failure."""

import asyncio
import contextlib
import hashlib
import itertools
import os
import re

import aiohttp
import pytest

from glassplate import GlassplateError, PhotoGone, Retries, Unreachable, UnusableSource, UsageError
from glassplate.session.sources import STREAM_PART_BYTES
from tests.glassplate.faulty_servers import (
    drops_the_connection_after_the_body,
    drops_the_connection_before_the_body,
    forwards,
    loses_the_response,
    misbehaving_master,
    responds,
    responds_503,
)
from volumes.photo_path import Variant, parse_photo_version, render_path

LENGTH = 12_000_000
CUT = 5_000_000
SOURCES = pytest.mark.parametrize("kind", ["bytes", "file", "stream"])


@pytest.fixture(name="data")
def _data(photo):
    return photo + os.urandom(LENGTH - len(photo))


async def in_chunks(data, size=100_000):
    """Yield the data in chunks."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def source_of(kind, data, folder):
    """Return the data as a source."""
    (folder / "long.jpg").write_bytes(data)
    return {"bytes": data, "file": folder / "long.jpg", "stream": in_chunks(data)}[kind]


def assert_stored_once(cluster, receipt, data):
    """Assert that a photo is on two nodes under one name."""
    path = render_path(Variant(parse_photo_version(receipt.reference), "o", receipt.format))
    assert cluster.originals_of(data) == {path: 2}


class Link:
    """Forwards connections to a storagemaster, and breaks once after some bytes of requests.

    The client notices it when the storagemaster has stored what it received.
    """

    def __init__(self, url, *, cut=None):
        self._url = url
        self._host, self._port = url.removeprefix("http://").split(":")
        self._cut = cut
        self._upload = ""
        self.bytes = 0

    @contextlib.asynccontextmanager
    async def serving(self):
        """Yield the URL of the link."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _connect(self, reader, writer):
        back_reader, back_writer = await asyncio.open_connection(self._host, self._port)
        back = asyncio.create_task(self._forward(back_reader, writer))
        await self._forward(reader, back_writer, counts=True)
        back.cancel()
        back_writer.close()  # after all bytes before the cut
        if self._cut == 0:
            await self._wait_until_stored()
        writer.transport.abort()

    async def _wait_until_stored(self):
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            offset = 0
            while not offset:
                async with session.get(self._url + self._upload) as response:
                    offset = (await response.json()).get("offset", 0)

    async def _forward(self, reader, writer, *, counts=False):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
                if counts:
                    self.bytes += len(data)
                    if found := re.search(rb"PATCH (/uploads/\S+) ", data):
                        self._upload = found[1].decode()
                    if self._cut and self.bytes >= self._cut:
                        self._cut = 0
                        return


@SOURCES
def test_an_upload_continues_at_another_storagemaster(cluster, open_client, data, kind, tmp_path):
    """Only the bytes after the last stored one are sent again, and the progress goes back there."""
    seen = []

    async def upload():
        first, second = Link(cluster.masters[0], cut=CUT), Link(cluster.masters[1])
        async with first.serving() as one, second.serving() as two, open_client(one, two) as client:
            return await client.put(
                source_of(kind, data, tmp_path),
                length=len(data),
                on_progress=lambda sent, total: seen.append((sent, total)),
            )

    receipt = asyncio.run(upload())
    assert_stored_once(cluster, receipt, data)
    assert receipt.urls.keys() >= {"q", "o"}
    assert seen[-1] == (LENGTH, LENGTH)
    resumed = [b for (a, _), (b, _) in itertools.pairwise(seen) if b < a]
    assert len(resumed) == 1
    assert resumed[0] > CUT // 2


def run(cluster, open_client, data, *behaviors, **options):
    """Upload through a storagemaster that misbehaves; return the result and its requests."""

    async def upload():
        async with (
            misbehaving_master(cluster.masters[0], *behaviors) as master,
            open_client(
                master.url, retries=Retries(attempts_max=3, first_pause_seconds=0.01)
            ) as client,
        ):
            try:
                return await client.put(data, **options), master
            except GlassplateError as error:
                return error, master

    result, master = asyncio.run(upload())
    return result, "".join(f"{method} " for method in master.methods).strip()


@pytest.mark.parametrize(
    ("behaviors", "requests"),
    [
        ([], "POST PATCH"),
        ([responds_503], "POST POST PATCH"),
        ([loses_the_response], "POST POST PATCH"),
        ([forwards, responds_503], "POST PATCH GET PATCH"),
        ([forwards, drops_the_connection_before_the_body], "POST PATCH GET PATCH"),
        ([forwards, drops_the_connection_after_the_body], "POST PATCH GET PATCH"),
        ([forwards, loses_the_response], "POST PATCH GET"),
        ([forwards, loses_the_response, responds_503], "POST PATCH GET GET"),
        ([forwards, responds(409, "offset-mismatch")], "POST PATCH GET PATCH"),
        ([forwards, responds(404, "unknown-upload")], "POST PATCH GET PATCH"),
        (
            [forwards, drops_the_connection_after_the_body, responds(410, "upload-expired")],
            "POST PATCH GET POST PATCH",
        ),
        ([responds(507, "no-room-for-parts")], "POST POST"),
    ],
)
def test_a_long_photo_is_stored_once_whatever_fails(
    cluster, open_client, data, behaviors, requests
):
    """The client requests where the upload continues, and begins again if it was lost."""
    receipt, sent = run(cluster, open_client, data, *behaviors)
    assert sent == requests
    assert_stored_once(cluster, receipt, data)


def test_a_stream_is_sent_in_parts_that_fit_into_memory(cluster, open_client, data):
    """Each is kept until the cluster has stored it."""
    receipt, sent = run(cluster, open_client, in_chunks(data), length=len(data))
    assert sent == "POST" + " PATCH" * -(-LENGTH // STREAM_PART_BYTES)
    assert_stored_once(cluster, receipt, data)


def test_attempts_without_progress_end_the_upload(cluster, open_client, data):
    """The error has the key, with which the photo is not stored twice."""
    faults = [drops_the_connection_after_the_body, forwards] * 3
    error, sent = run(cluster, open_client, data, forwards, *faults)
    assert isinstance(error, Unreachable)
    assert sent == "POST PATCH GET PATCH GET PATCH"
    receipt, _ = run(cluster, open_client, data, idempotency_key=error.idempotency_key)
    assert_stored_once(cluster, receipt, data)


def test_an_upload_into_a_volume_is_repeated_after_a_lost_response(cluster, open_client, data):
    """Only one of the uploads that began is completed."""
    receipt, _ = run(
        cluster, open_client, data, loses_the_response, forwards, loses_the_response, volume=3
    )
    assert receipt.volume == 3
    assert_stored_once(cluster, receipt, data)


def test_a_photo_that_was_deleted_is_not_sent(cluster, open_client, open_blocking, data):
    """The first request tells, because it has the key and the digest."""
    with open_blocking(keys=cluster.keys) as client:
        client.delete(client.put(data, idempotency_key="deleted long photo").reference)
    error, sent = run(cluster, open_client, data, idempotency_key="deleted long photo")
    assert (type(error), sent) == (PhotoGone, "POST")


@pytest.mark.parametrize(
    ("length", "requests"),
    [(60_000, "POST"), (100_000, "POST POST"), (LENGTH, "POST")],
    ids=["short", "longer", "in parts"],
)
def test_a_known_photo_is_not_sent(cluster, open_client, photo, length, requests):
    """The receipt is that of the first upload; a short photo is sent, which costs no more."""
    data = photo + os.urandom(length - len(photo))
    receipt, _ = run(cluster, open_client, data, known=True)
    again, sent = run(cluster, open_client, data, known=True)
    assert again == receipt
    assert sent == requests
    assert_stored_once(cluster, receipt, data)


def test_a_known_photo_has_no_other_key_or_volume(cluster, open_client, photo):
    """Both follow from its digest."""
    for options in ({"idempotency_key": "cat"}, {"volume": 3}):
        error, sent = run(cluster, open_client, photo, known=True, **options)
        assert (type(error), sent) == (UsageError, "")


def test_the_digest_of_a_long_known_stream_is_declared(cluster, open_client, data):
    """It cannot be hashed before it is sent."""
    error, _ = run(cluster, open_client, in_chunks(data), length=len(data), known=True)
    assert type(error) is UnusableSource
    sha256 = hashlib.sha256(data).hexdigest()
    options = {"length": len(data), "sha256": sha256, "known": True}
    receipt, _ = run(cluster, open_client, in_chunks(data), **options)
    assert run(cluster, open_client, data, known=True) == (receipt, "POST")


def test_the_same_photo_is_not_sent_twice_with_one_key(cluster, open_client, open_blocking, data):
    """The first request returns its receipt, for the synchronous client too."""
    with open_blocking(keys=cluster.keys) as client:
        receipt = client.put(data, idempotency_key="one long photo")
        assert client.put(data, idempotency_key="one long photo") == receipt
    again, sent = run(cluster, open_client, data, idempotency_key="one long photo")
    assert (again, sent) == (receipt, "POST")
