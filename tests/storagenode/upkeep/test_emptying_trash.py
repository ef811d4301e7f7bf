"""Emptying of the trash removes only days whose retention has ended."""

import asyncio
import doctest
from concurrent.futures import ThreadPoolExecutor

import pytest

from storagenode.disk import walking
from storagenode.disk.lifecycle import trash
from storagenode.disk.lifecycle.trash import empty_trash, ended_days
from storagenode.protocol import layout
from storagenode.protocol.errors import DiskSuspect
from storagenode.protocol.layout import Place
from storagenode.upkeep.scrub import Scrub
from storagenode.upkeep.upkeep import Upkeep
from tests.storagemaster.small_cluster import wait_until
from tests.storagenode.photo_samples import MTIME, VOLUME, bundle_of, version_of
from tests.storagenode.tombstones import write_tombstone
from volumes.photo_path import VersionTombstone

DAY_SECONDS = 86_400
NOON = 1_704_110_400
"""The first of January 2024, at noon in UTC."""


@pytest.fixture(name="deleted")
def _deleted(store, clock):
    """Delete the photo with a number, each a day after the one before."""

    def delete(number):
        clock.seconds = NOON + number * DAY_SECONDS
        photo_version = version_of(number)
        store.publish_bundle(bundle_of(photo_version, sizes="om"), mtime_seconds=MTIME)
        write_tombstone(store, Place(VersionTombstone(photo_version)))

    for number in range(4):
        delete(number)


def days_in(store):
    """Return the days in the trash."""
    return sorted(store.file_system.list(".trash"))


@pytest.mark.parametrize(
    ("retention_days", "kept"),
    [(0, ["2024-01-04"]), (1, ["2024-01-03", "2024-01-04"]), (3, None), (30, None)],
)
@pytest.mark.usefixtures("deleted")
def test_a_day_is_emptied_when_all_of_it_is_older_than_the_retention(
    store, clock, retention_days, kept
):
    """To its last second, and with its directories."""
    before = days_in(store)
    kept = before if kept is None else kept
    removed = empty_trash(
        store.file_system, now_seconds=clock.seconds, retention_days=retention_days
    )
    assert days_in(store) == kept
    assert removed == 3 * (len(before) - len(kept))
    assert len(store.find(version_of(3).photo)) == 4


@pytest.mark.usefixtures("deleted")
def test_unknown_entries_in_the_trash_are_left_alone(store, clock):
    """An operator put them there."""
    store.file_system.make_directory(".trash/by-hand")
    empty_trash(store.file_system, now_seconds=clock.seconds + 1e9, retention_days=1)
    assert days_in(store) == ["by-hand"]


@pytest.mark.usefixtures("deleted")
def test_a_file_that_an_operator_removes_meanwhile_stops_nothing(store, clock, monkeypatch):
    """Hidden folders may be emptied at any time."""
    monkeypatch.setattr(
        trash, "names_in", lambda *where: [*walking.names_in(*where), "removed.jpg"]
    )
    assert empty_trash(store.file_system, now_seconds=clock.seconds, retention_days=0) == 9


def test_ended_days_are_compared_by_date():
    """A second before midnight belongs to the day before."""
    midnight = NOON + DAY_SECONDS // 2
    days = ["2023-12-31", "2024-01-01", "2024-01-02", "x", "2024-1-1"]
    assert ended_days(days, now_seconds=midnight - 1, retention_days=0) == ["2023-12-31"]
    assert ended_days(days, now_seconds=midnight, retention_days=0) == days[:2]


@pytest.mark.usefixtures("deleted")
def test_a_suspect_disk_keeps_its_trash(store, clock):
    """It accepts no writes, and the trash can have the last copy."""
    store.health.suspect_reason = "an fsync failed"
    clock.advance(1e9)

    async def empty():
        with ThreadPoolExecutor(1) as threads:
            scrub = Scrub(store, threads, bytes_per_second=1, now_seconds=clock)
            upkeep = Upkeep(store, scrub, threads, trash_days=1)
            upkeep._empty_trash()

    with pytest.raises(DiskSuspect):
        asyncio.run(empty())
    assert len(days_in(store)) == 4
    assert store.list_shard(VOLUME, version_of(0).shard)


@pytest.mark.usefixtures("deleted")
def test_the_trash_is_emptied_while_a_scrub_pass_runs(store, clock):
    """A pass of a large disk takes days."""
    clock.advance(1e9)

    async def run():
        with ThreadPoolExecutor(2) as threads:
            scrub = Scrub(store, threads, bytes_per_second=1, now_seconds=clock)
            async with Upkeep(store, scrub, threads, trash_days=1).running():
                await wait_until(lambda: not days_in(store))
                assert not scrub.progress.is_complete

    asyncio.run(run())


@pytest.mark.parametrize("module", [layout, trash], ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_are_true(module):
    """They show the names of days."""
    outcome = doctest.testmod(module)
    assert outcome.attempted >= 1
    assert outcome.failed == 0
