"""Downloads: continued where they broke, checked, and never half a file."""

import asyncio
import os
from pathlib import Path

import pytest

from glassplate import Client, ContentMismatch, NotAllowed, Retries, Unreachable, UnusableTarget
from tests.free_ports import free_ports
from tests.glassplate.conftest import QUICK
from tests.glassplate.faulty_servers import EdgeThatBreaksOff, edge_with_wrong_bytes, serving

DATA = os.urandom(1_000_000)


def get_from(handler, work, **options):
    """What a client does with one URL of a server."""

    async def run():
        async with (
            serving(handler) as url,
            Client(url, token="x", **{**QUICK, **options}) as client,
        ):
            return await work(client, f"{url}/cat.jpg")

    return asyncio.run(run())


async def get(client, url):
    """The bytes of a photo."""
    return await client.get(url)


def test_broken_download_is_continued():
    """The second request asks for the rest, and only for the same photo."""
    edge = EdgeThatBreaksOff(DATA, after_bytes=300_000)
    assert get_from(edge.answer, get) == DATA
    assert edge.ranges[0] is None
    assert edge.ranges[1].startswith("bytes=")
    assert 0 < int(edge.ranges[1][6:-1]) <= 300_000


def test_download_begins_anew_when_the_photo_is_another():
    """An ETag that no longer holds brings the whole photo, and it is put together right."""
    edge = EdgeThatBreaksOff(DATA, after_bytes=300_000)

    async def change_its_etag(request):
        response = await edge.answer(request)
        edge.etag = '"2-2"'
        return response

    assert get_from(change_its_etag, get) == DATA


def test_download_without_etag_begins_anew():
    """What cannot be continued safely is fetched once more."""
    edge = EdgeThatBreaksOff(DATA, after_bytes=300_000, etag="")
    assert get_from(edge.answer, get) == DATA
    assert edge.ranges == [None, None]


def test_edge_that_always_breaks_off_is_given_up():
    """After all attempts the error says what happened, without the permission of the URL."""
    edge = EdgeThatBreaksOff(DATA, after_bytes=0, times=9)
    with pytest.raises(Unreachable, match="connection was lost") as caught:
        get_from(edge.answer, get)
    assert "cat.jpg" not in str(caught.value)


def test_wrong_bytes_are_never_given(tmp_path):
    """Every attempt is checked, and a file is never there under its name."""
    handler = edge_with_wrong_bytes(DATA)
    with pytest.raises(ContentMismatch, match="was announced"):
        get_from(handler, get)

    async def download(client, url):
        await client.download(url, tmp_path / "cat.jpg")

    with pytest.raises(ContentMismatch):
        get_from(handler, download)
    assert list(tmp_path.iterdir()) == []


def test_download_without_digest_says_that_it_is_not_checked(tmp_path):
    """A server that tells no digest is believed, and the caller knows."""
    edge = EdgeThatBreaksOff(DATA, after_bytes=10, times=0, tells_digest=False)

    async def download(client, url):
        return await client.download(url, tmp_path / "cat.jpg")

    downloaded = get_from(edge.answer, download)
    assert not downloaded.is_verified
    assert downloaded.bytes == len(DATA)


def test_file_is_written_whole_and_not_overwritten(client, photo, tmp_path):
    """What is there stays, unless it is to be overwritten; nothing else is left beside it."""
    receipt = client.put(photo)
    target = tmp_path / "cat.jpg"
    heard = []
    downloaded = client.download(
        receipt.reference, target, on_progress=lambda *progress: heard.append(progress)
    )
    assert downloaded.is_verified
    assert downloaded.sha256 == receipt.sha256
    assert heard[-1] == (len(photo), len(photo))
    target.write_bytes(b"mine")
    with pytest.raises(UnusableTarget, match="there already"):
        client.download(receipt.reference, target)
    assert target.read_bytes() == b"mine"
    client.download(receipt.reference, target, overwrite=True)
    assert target.read_bytes() == photo
    assert list(tmp_path.iterdir()) == [target]


def test_target_that_cannot_be_written_is_refused_at_once(client, tmp_path):
    """Before anything is fetched."""
    with pytest.raises(UnusableTarget, match="No such file or directory"):
        client.download("3/01jd3x8m2c9qp4k7/3fz8qd", tmp_path / "missing" / "cat.jpg")
    with pytest.raises(UnusableTarget, match="is a directory"):
        client.download("3/01jd3x8m2c9qp4k7/3fz8qd", tmp_path)
    assert list(Path(tmp_path).iterdir()) == []


def test_other_edge_is_asked_when_one_is_down(cluster, client, photo):
    """A URL of one edge is the same photo at every other."""
    receipt = client.put(photo)
    (port,) = free_ports(1)
    public = cluster.cluster.public_url
    dead = f"http://127.0.0.1:{port}"

    async def read():
        async with Client(cluster.masters, keys=cluster.keys, edges=[dead, public], **QUICK) as c:
            return await c.get(receipt.urls["o"].replace(public, dead))

    assert asyncio.run(read()) == photo


def test_url_with_a_bad_permission_is_refused_at_once(client, photo):
    """The one answer for all of these, and no second attempt."""
    url = client.put(photo).urls["o"]
    forged = url.replace(".a.0.", ".a.0.x")
    with pytest.raises(NotAllowed, match="permission"):
        client.get(forged[:-5] + forged[-4:])


def test_no_attempts_are_made_beyond_the_limit():
    """The policy of the client holds for downloads too."""
    edge = EdgeThatBreaksOff(DATA, after_bytes=0, times=9)
    with pytest.raises(Unreachable):
        get_from(edge.answer, get, retries=Retries(attempts_max=2, first_pause_seconds=0))
    assert len(edge.ranges) == 2
