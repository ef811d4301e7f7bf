"""Plain uploads past aiohttp: the responses of the general path, and no other effects."""

import asyncio
import json
import random
import re
import sys

import pytest

from glassplate.session.new_tokens import sign_new_token
from runtime import plain_server
from runtime.plain_http import PlainRequests
from storagemaster.handlers.plain_uploads import PLAIN_UPLOADS
from tests.storagemaster.pictures import long_picture, picture
from tests.storagemaster.small_cluster import KEYS

SECONDS = 60
PHOTO = picture()


@pytest.fixture(name="plain_count")
def _plain_count(monkeypatch):
    """Return the statuses of responses on the plain path."""
    statuses = []
    respond = plain_server.PlainHandler._respond_later

    async def record(handler, request, pending, *rest):
        async def observed():
            response = await pending
            if response is not None and handler._server.requests is PLAIN_UPLOADS:
                statuses.append(int(response[0].split()[1]))
            return response

        await respond(handler, request, observed(), *rest)

    monkeypatch.setattr(plain_server.PlainHandler, "_respond_later", record)
    return statuses


class Connection:
    """A raw connection to a storagemaster."""

    def __init__(self, reader, writer):
        self._reader, self.writer = reader, writer

    async def response(self):
        """Return status, headers, and document of the next response."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), SECONDS)
        first, *lines = head.decode().split("\r\n")[:-2]
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await asyncio.wait_for(
            self._reader.readexactly(int(headers["content-length"])), SECONDS
        )
        return int(first.split()[1]), headers, json.loads(body)


async def connect(master):
    """Open a connection."""
    return Connection(*await asyncio.open_connection(master.address.host, master.address.port))


def upload(*lines, body=PHOTO, scopes=("upload", "read"), length=None):
    """Return an upload with these further lines."""
    head = [
        "POST /photos HTTP/1.1",
        "Host: photos.example",
        f"Authorization: Bearer {sign_new_token(KEYS, list(scopes))}",
        *lines,
        f"Content-Length: {len(body) if length is None else length}",
    ]
    return "\r\n".join([*head, "\r\n"]).encode() + body


def requests_of_every_kind():
    """Return uploads that meet every rule."""
    return {
        "photo": upload("Content-Type: image/jpeg"),
        "no type": upload(),
        "large photo": upload(body=long_picture(2_000_000)),
        "all URLs": upload(scopes=("upload", "read", "original")),
        "no URLs": upload(scopes=("upload",)),
        "wrong type": upload("Content-Type: text/plain"),
        "text": upload(body=b"some other text"),
        "half a photo": upload(body=PHOTO[:20]),
        "empty": upload(body=b""),
        "wrong scope": upload(scopes=("read",)),
        "no token": upload().replace(b"Bearer ", b"Basic "),
        "bad token": upload().replace(b"Bearer ", b"Bearer x"),
        "strict": upload("Durability: strict"),
        "bad key": upload("Idempotency-Key: "),
        "compressed": upload("Content-Encoding: gzip"),
    }


def normalized(response):
    """Return a response without what differs between two photos."""
    status, headers, document = response
    headers.pop("date")
    request_id = headers.pop("x-request-id")
    assert document.pop("request_id", request_id) == request_id
    text = re.sub(r"[0-9a-z]{16}(/|_)[0-9a-z]{6}", "photo", json.dumps(document, sort_keys=True))
    text = re.sub(r'"(photo|version)": "[^"]*"', r'"\1"', text)
    text = re.sub(r"http://photos.example/\d+/../photo_(.)[^\"]*", r"URL \1", text)
    text = re.sub(r'"(east|west)-\d"', r"\1", text)
    text = re.sub(r'/photos/\d+/photo|"volume": \d+', "photo", text)
    headers["location"] = "location" in headers
    headers.pop("content-length")
    return status, headers, text


async def responses(cluster):
    """Return the response to each upload, on a connection of its own."""
    found = {}
    for name, request in requests_of_every_kind().items():
        connection = await connect(cluster.master)
        connection.writer.write(request)
        found[name] = normalized(await connection.response())
        connection.writer.close()
    return found


async def test_both_paths_respond_alike(cluster, plain_count, monkeypatch):
    """The same table of uploads, with and without the plain path."""
    plain = await responses(cluster)
    assert plain_count.count(201) >= 5
    plain_count.clear()
    monkeypatch.setattr(PlainRequests, "recognize", lambda *_: None)
    general = await responses(cluster)
    assert plain_count == []
    assert plain == general
    assert {found[0] for found in plain.values()} >= {201, 400, 401, 403, 415}


async def test_both_paths_respond_alike_without_enough_nodes(cluster, plain_count, monkeypatch):
    """A 503 says what to do, and the connection stays open."""
    await cluster.stop_and_notice("east-1", "east-2", "west-2")
    found = []
    for _ in range(2):
        connection = await connect(cluster.master)
        for _ in range(2):
            connection.writer.write(upload())
            found.append(normalized(await connection.response()))
        connection.writer.close()
        assert plain_count in ([503, 503], [])
        plain_count.clear()
        monkeypatch.setattr(PlainRequests, "recognize", lambda *_: None)
    assert found == [found[0]] * 4
    assert found[0][0] == 503


@pytest.mark.parametrize("photo", [PHOTO, long_picture(2_000_000)], ids=["small", "large"])
async def test_a_plain_upload_is_stored_as_any_other(cluster, plain_count, photo):
    """On two nodes in two colos, byte for byte."""
    connection = await connect(cluster.master)
    connection.writer.write(upload(body=photo))
    status, headers, receipt = await connection.response()
    connection.writer.close()
    assert (status, plain_count) == (201, [201])
    assert headers["location"] == receipt["status"]
    path = f"{receipt['volume']}/{receipt['photo'][-2:]}/{receipt['photo']}"
    found = cluster.holders(f"{path}_{receipt['version']}_o.jpg")
    assert sorted(found) == sorted(copy["node"] for copy in receipt["copies"])
    assert set(found.values()) == {photo}


@pytest.mark.parametrize("seed", range(3))
async def test_uploads_in_any_parts_have_one_response_each(cluster, seed):
    """Requests are cut anywhere, and follow each other at once."""
    sys.stdout.write(f"seed {seed}\n")
    choose = random.Random(seed)
    photos = [picture(number=number) for number in range(4)]
    whole = b"".join(upload(body=photo) for photo in photos)
    connection = await connect(cluster.master)
    while whole:
        size = choose.choice([1, 200, 1000, 10_000])
        connection.writer.write(whole[:size])
        whole = whole[size:]
        await asyncio.sleep(choose.choice([0, 0, 0.002]))
    received = [await connection.response() for _ in photos]
    connection.writer.close()
    assert [status for status, _, _ in received] == [201] * 4
    assert [receipt["bytes"] for _, _, receipt in received] == [len(photo) for photo in photos]
