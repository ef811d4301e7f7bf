"""Downloads: resumed, checked, and written completely or not at all."""

import asyncio
import os
from pathlib import Path

import pytest

from glassplate import Client, ContentMismatch, NotAllowed, Retries, Unreachable, UnusableTarget
from tests.free_ports import free_ports
from tests.glassplate.conftest import QUICK
from tests.glassplate.faulty_servers import InterruptingEdge, corrupting_edge, serving

DATA = os.urandom(1_000_000)


def get_from(handler, work, **options):
    """Run work with a client and one URL of a server, and return its result."""

    async def run():
        async with (
            serving(handler) as url,
            Client(url, token="x", **{**QUICK, **options}) as client,
        ):
            return await work(client, f"{url}/cat.jpg")

    return asyncio.run(run())


async def get(client, url):
    """Return the bytes of a photo."""
    return await client.get(url)


def test_interrupted_download_is_resumed():
    """The second request has the range of the missing bytes."""
    edge = InterruptingEdge(DATA, after_bytes=300_000)
    assert get_from(edge.answer, get) == DATA
    assert edge.ranges[0] is None
    assert edge.ranges[1].startswith("bytes=")
    assert 0 < int(edge.ranges[1][6:-1]) <= 300_000


def test_download_restarts_if_the_photo_has_changed():
    """With another ETag, the edge sends the whole photo, and the client discards the first part."""
    edge = InterruptingEdge(DATA, after_bytes=300_000)

    async def change_its_etag(request):
        response = await edge.answer(request)
        edge.etag = '"2-2"'
        return response

    assert get_from(change_its_etag, get) == DATA


def test_download_without_etag_restarts():
    """Without an ETag, the client requests the whole photo again."""
    edge = InterruptingEdge(DATA, after_bytes=300_000, etag="")
    assert get_from(edge.answer, get) == DATA
    assert edge.ranges == [None, None]


def test_download_ends_after_all_attempts():
    """The error has the reason, but not the path of the URL."""
    edge = InterruptingEdge(DATA, after_bytes=0, times=9)
    with pytest.raises(Unreachable, match="connection lost") as caught:
        get_from(edge.answer, get)
    assert "cat.jpg" not in str(caught.value)


def test_corrupt_bytes_are_never_returned(tmp_path):
    """Every attempt is checked, and no file is written."""
    handler = corrupting_edge(DATA)
    with pytest.raises(ContentMismatch, match="digest mismatch"):
        get_from(handler, get)

    async def download(client, url):
        await client.download(url, tmp_path / "cat.jpg")

    with pytest.raises(ContentMismatch):
        get_from(handler, download)
    assert list(tmp_path.iterdir()) == []


def test_download_without_a_digest_is_not_verified(tmp_path):
    """The result of a download from a server without digests is not verified."""
    edge = InterruptingEdge(DATA, after_bytes=10, times=0, has_digest=False)

    async def download(client, url):
        return await client.download(url, tmp_path / "cat.jpg")

    downloaded = get_from(edge.answer, download)
    assert not downloaded.is_verified
    assert downloaded.bytes == len(DATA)


def test_an_existing_file_is_not_overwritten(client, photo, tmp_path):
    """A file is replaced only with `overwrite`, and no temporary file is left."""
    receipt = client.put(photo)
    target = tmp_path / "cat.jpg"
    progress = []
    downloaded = client.download(
        receipt.reference, target, on_progress=lambda *each: progress.append(each)
    )
    assert downloaded.is_verified
    assert downloaded.sha256 == receipt.sha256
    assert progress[-1] == (len(photo), len(photo))
    target.write_bytes(b"mine")
    with pytest.raises(UnusableTarget, match="exists already"):
        client.download(receipt.reference, target)
    assert target.read_bytes() == b"mine"
    client.download(receipt.reference, target, overwrite=True)
    assert target.read_bytes() == photo
    assert list(tmp_path.iterdir()) == [target]


def test_an_unusable_target_is_rejected_first(client, tmp_path):
    """The target is checked before the first request."""
    with pytest.raises(UnusableTarget, match="No such file or directory"):
        client.download("3/01jd3x8m2c9qp4k7/3fz8qd", tmp_path / "missing" / "cat.jpg")
    with pytest.raises(UnusableTarget, match="is a directory"):
        client.download("3/01jd3x8m2c9qp4k7/3fz8qd", tmp_path)
    assert list(Path(tmp_path).iterdir()) == []


def test_another_edge_replaces_one_that_is_down(cluster, client, photo):
    """A URL of one edge works at every other edge."""
    receipt = client.put(photo)
    (port,) = free_ports(1)
    public = cluster.cluster.public_url
    dead = f"http://127.0.0.1:{port}"

    async def read():
        async with Client(cluster.masters, keys=cluster.keys, edges=[dead, public], **QUICK) as c:
            return await c.get(receipt.urls["o"].replace(public, dead))

    assert asyncio.run(read()) == photo


def test_an_invalid_permission_is_not_retried(client, photo):
    """An invalid permission raises `NotAllowed`."""
    url = client.put(photo).urls["o"]
    forged = url.replace(".a.0.", ".a.0.x")
    with pytest.raises(NotAllowed, match="permission"):
        client.get(forged[:-5] + forged[-4:])


def test_downloads_respect_the_number_of_attempts():
    """The client's `retries` also limit downloads."""
    edge = InterruptingEdge(DATA, after_bytes=0, times=9)
    with pytest.raises(Unreachable):
        get_from(edge.answer, get, retries=Retries(attempts_max=2, first_pause_seconds=0))
    assert len(edge.ranges) == 2
