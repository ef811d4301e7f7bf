"""The list of the photos that a node stored last: a hint, complete as long as nothing fails."""

import random

import pytest

from storagenode.protocol.errors import Conflict
from storagenode.protocol.files import Published
from storagenode.protocol.recent import parse_recent
from storagenode.upkeep import recent_photos
from storagenode.upkeep.recent_photos import AGE_SECONDS_MAX, RecentPhotos
from volumes.photo_path import shard_of

NOW = 1_700_000_000


@pytest.fixture(name="recent")
def _recent(tmp_path):
    """Return the list of a node whose clock stands."""
    return RecentPhotos(tmp_path, now_seconds=lambda: NOW)


def published(number, *, second=NOW, size="o", existed=False, hint=""):
    """Return the outcome of a write, for one photo a number."""
    photo = f"{number:016d}"
    path = f"{hint}42/{shard_of(photo)}/{photo}_3fz8qd_{size}.jpg"
    return Published(path, "", 1, second, existed=existed)


def numbers(page):
    """Return the numbers of the photos of a page."""
    return [int(each.photo_version.photo) for each in page]


def test_only_new_originals_are_listed(recent):
    """Sizes, hints, repeated and refused writes, and old copies of a repair are not."""
    recent.record(
        [
            published(1, second=NOW - 1),
            published(2, size="m"),
            published(3, existed=True),
            published(4, hint=".hints/west-1/"),
            published(5, second=NOW - AGE_SECONDS_MAX - 1),
            Conflict("other bytes"),
            published(6),
        ]
    )
    assert numbers(recent.page(before=None, limit=10)) == [6, 1]


def test_pages_have_every_photo_once_and_the_latest_first(recent):
    """Whatever the order of the writes, also if many photos have the same second."""
    seconds = [NOW - number % 7 for number in range(50)]
    photos = [published(number, second=second) for number, second in enumerate(seconds)]
    random.Random(1).shuffle(photos)
    for each in photos:
        recent.record([each, each])
    found, before = [], None
    while page := recent.page(before=before, limit=8):
        found += page
        before = page[-1]
    assert len(found) == 50
    assert found == sorted(found, reverse=True)


def test_a_full_file_makes_room_and_the_latest_photos_stay(recent, monkeypatch, tmp_path):
    """At most two files are kept."""
    monkeypatch.setattr(recent_photos, "FILE_BYTES_MAX", 1_000)
    for number in range(200):
        recent.record([published(number, second=NOW - 200 + number)])
    page = numbers(recent.page(before=None, limit=1_000))
    assert page == list(range(199, 199 - len(page), -1))
    assert len(page) > 20
    assert sum(path.stat().st_size for path in (tmp_path / ".recent").iterdir()) < 2_100


def test_a_revoked_photo_is_listed_in_its_place(recent, tmp_path):
    """Its new version has the second of its upload."""
    recent.record([published(1, second=NOW - 5), published(2)])
    path = published(1).path.replace("3fz8qd", "a1b2c3")
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    recent_photos.os.utime(tmp_path / path, (NOW - 3, NOW - 3))
    recent.record_relinked([path, path.replace("_o.", "_m.")])
    assert [str(each.photo_version.version) for each in recent.page(before=None, limit=9)] == [
        "3fz8qd",
        "a1b2c3",
        "3fz8qd",
    ]


def test_the_list_can_be_lost_at_any_moment(recent, tmp_path):
    """A removed or damaged file loses photos of the list, and nothing else fails."""
    recent.record([published(1)])
    (tmp_path / ".recent" / "a").write_bytes(b"99999\xff\n" + b"x" * 100 + b"\n1700000000 42/cut")
    assert recent.page(before=None, limit=9) == []
    recent.record([published(2)])
    (tmp_path / ".recent" / "a").unlink()
    (tmp_path / ".recent").rmdir()
    assert recent.page(before=parse_recent(f"{NOW} 9/{'0' * 16}/3fz8qd"), limit=9) == []
    recent.record([published(3)])
    assert numbers(recent.page(before=None, limit=9)) == [3]
    (tmp_path / ".recent" / "a").unlink()
    (tmp_path / ".recent").rmdir()
    (tmp_path / ".recent").write_text("in the way")
    recent.record([published(4)])
    assert recent.page(before=None, limit=9) == []


def test_a_bucket_has_no_list():
    """Its photos are on the list of their other mirror."""
    recent = RecentPhotos(None, now_seconds=lambda: NOW)
    recent.record([published(1)])
    recent.record_relinked([published(1).path])
    assert recent.page(before=None, limit=9) == []
