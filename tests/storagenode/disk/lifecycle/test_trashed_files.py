"""Listing and reading of the trash of a node."""

from dataclasses import replace

import pytest

from storagenode.disk.lifecycle.trash import ended_days, is_day, trashed_files
from storagenode.protocol.errors import BadRequest, NotFound
from storagenode.protocol.layout import Place
from storagenode.protocol.wire import parse_trashed, render_trashed
from tests.storagenode.photo_samples import MTIME, bytes_of, digest_of, variant_of
from tests.storagenode.tombstones import write_tombstone
from volumes.photo_path import PhotoTombstone, VersionTombstone

DATA = bytes_of("deleted", size=3000)


@pytest.fixture(name="deleted")
def _deleted(store, photo_version):
    """Return a deleted original."""
    place = variant_of(photo_version)
    with store.staging(bytes_expected=len(DATA)) as file:
        file.write(DATA)
        store.publish(file, place, mtime_seconds=MTIME, digest=digest_of(DATA))
    write_tombstone(store, Place(VersionTombstone(photo_version)))
    return place.file


def test_a_deleted_original_is_listed_with_its_digest(store, photo_version, deleted):
    """Under the day of its deletion, and only for its photo."""
    (found,) = trashed_files(store.file_system, photo_version.volume, photo_version.photo)
    assert (found.file, found.bytes, found.digest) == (deleted, len(DATA), digest_of(DATA))
    assert is_day(found.day)
    assert store.file_system.stat(found.path).bytes == len(DATA)
    assert trashed_files(store.file_system, photo_version.volume, "01jd3x8m2c9qp4k7") == []


def test_a_listing_has_the_latest_day_first_and_the_photo_files_of_each_day(
    store, root, photo_version
):
    """By name. Other files and folders are left out."""
    stem, other = f"{photo_version.photo}_{photo_version.version}", f"{photo_version.photo}_x"
    names = [f"{stem}_{size}.jpg" for size in "tsmo"]
    for day in ("2026-01-02", "2026-02-01", "2025-12-31", "lost+found"):
        folder = root / ".trash" / day / str(photo_version.volume) / photo_version.shard
        folder.mkdir(parents=True)
        for name in (*names, other, "unrelated.jpg"):
            (folder / name).write_bytes(b"x")
    found = trashed_files(store.file_system, photo_version.volume, photo_version.photo)
    assert [(file.day, file.path.rpartition("/")[2]) for file in found] == [
        (day, name) for day in ("2026-02-01", "2026-01-02", "2025-12-31") for name in sorted(names)
    ]


def test_days_end_in_their_order_and_other_folders_never_do():
    """A day is kept for the whole retention."""
    days = ["2026-01-31", "2026-01-02", "2026-01-01", "1999-12-31", "2025", "0-x", "lost+found"]
    ended = ended_days(days, now_seconds=1769904000, retention_days=30)
    assert ended == ["1999-12-31", "2026-01-01"]


def test_a_listing_survives_the_wire(store, photo_version, deleted):
    """It is equal after rendering and parsing."""
    files = trashed_files(store.file_system, photo_version.volume, photo_version.photo)
    assert files[0].file == deleted
    assert parse_trashed(render_trashed(files)) == files


def test_a_day_never_leads_out_of_the_trash():
    """A valid day has no slash and no dots."""
    assert is_day("2026-01-30")
    for text in ("..", "2026-01-30/..", "2026-1-3", "", "2026-01-30\n"):
        assert not is_day(text)


def test_a_node_sends_files_of_its_trash(served, photo_version):
    """Byte for byte, and nothing for a missing file or an invalid day."""
    served.put(variant_of(photo_version), DATA)
    deleting = served.client.write_tombstone(
        Place(PhotoTombstone(photo_version.volume, photo_version.photo)), mtime_seconds=MTIME
    )
    served.run(deleting)
    (file,) = served.run(served.client.list_trash(photo_version.volume, photo_version.photo))
    assert served.run(received(served.client, file)) == (DATA, digest_of(DATA))
    for day, refusal in (("2001-01-01", NotFound), ("now", BadRequest)):
        with pytest.raises(refusal):
            served.run(received(served.client, replace(file, day=day)))


def test_trash_is_sent_to_machines_of_the_cluster_only(served, photo_version):
    """An unsigned request gets 403."""
    for path in (
        f"/volumes/{photo_version.volume}/trash/{photo_version.photo}",
        "/trash/2026-01-30/x",
    ):
        response = served.send_raw(
            f"GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n".encode()
        )
        assert response.startswith(b"HTTP/1.1 403 ")


async def received(client, file):
    """Return the received bytes of a file in the trash, and the received digest."""
    async with client.stream_trashed(file) as stream:
        return b"".join([chunk async for chunk in stream.chunks]), stream.metadata.digest
