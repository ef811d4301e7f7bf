"""tuspy, a tus client that others wrote, uploads and continues."""

import asyncio
import io

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed

from tests.storagemaster.pictures import long_picture

PHOTO = long_picture(1_000_000)


class BreaksOff(io.BytesIO):
    """A file that cannot be read behind its first bytes."""

    def __init__(self, data, readable):
        super().__init__(data)
        self.readable_bytes = readable

    def read(self, size=-1):
        """Return bytes, or fail as a phone that loses its line."""
        if self.tell() >= self.readable_bytes:
            raise OSError("the line is lost")
        return super().read(size)


@pytest.fixture(name="uploader_of")
def _uploader_of(cluster):
    """Return a function that makes an uploader of a file, in parts with checksums."""
    client = TusClient(
        f"{cluster.master.url}/uploads?volume=1",
        headers={"Authorization": f"Bearer {cluster.master._token}"},
    )

    def uploader_of(file, **options):
        return client.uploader(
            file_stream=file, chunk_size=300_000, upload_checksum=True, **options
        )

    return uploader_of


def originals(cluster):
    """Return the originals on the mirrors."""
    return [
        data
        for node in ("east-1", "west-1")
        for path, data in cluster.files(node).items()
        if "_o." in path
    ]


async def test_an_upload_in_parts(cluster, uploader_of):
    """The photo is on both mirrors."""
    uploader = uploader_of(io.BytesIO(PHOTO), metadata={"filename": "cat.jpg"})
    await asyncio.to_thread(uploader.upload)
    assert uploader.offset == len(PHOTO)
    assert originals(cluster) == [PHOTO, PHOTO]


async def test_an_upload_is_continued_by_its_url(cluster, uploader_of):
    """A new process of the client knows only the URL."""
    first = uploader_of(BreaksOff(PHOTO, 400_000))
    with pytest.raises((OSError, TusUploadFailed)):
        await asyncio.to_thread(first.upload)
    assert originals(cluster) == []

    def continue_it():
        second = uploader_of(io.BytesIO(PHOTO), url=first.url)
        assert second.get_offset() == 600_000
        second.upload()

    await asyncio.to_thread(continue_it)
    assert originals(cluster) == [PHOTO, PHOTO]
