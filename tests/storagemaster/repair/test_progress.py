"""Progress of a repair: steps and bytes left, and the time that they take at the rate so far."""

from storagemaster.repair.progress import RepairProgress
from storagemaster.repair.steps import Copy, WriteTombstone
from storagemaster.repair.tasks import Task
from volumes.photo_path import PhotoVersion, Variant, VersionTombstone

OF = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
TOMBSTONE = WriteTombstone("east", VersionTombstone(OF), "west")


def copy(size_bytes):
    """Return a copy of a size."""
    return Copy("west", Variant(OF, "m", "jpg"), "east", "digest", size_bytes)


def begun(steps, **plan):
    """Return the progress of a volume that begins at 100 seconds."""
    progress = RepairProgress()
    progress.begin_volume(now_seconds=100.0)
    progress.plan(steps, **plan)
    return progress


def left(progress):
    """Return the volumes, steps, and bytes left."""
    return progress.volumes_left, progress.steps_left, progress.bytes_left


def test_the_time_left_follows_from_the_rate_so_far():
    """The slower of steps and bytes counts."""
    steps = [copy(10), copy(20), copy(30), TOMBSTONE]
    progress = begun(steps)
    assert left(progress) == (1, 4, 60)
    assert progress.seconds_left(now_seconds=101.0) is None
    progress.count(Task((steps[0], steps[1])))
    assert left(progress) == (1, 2, 30)
    assert progress.seconds_left(now_seconds=106.0) == 6.0
    progress.count(Task((steps[2],)))
    assert progress.seconds_left(now_seconds=112.0) == 4.0
    progress.count(Task((steps[3],)))
    assert progress.seconds_left(now_seconds=113.0) == 0.0


def test_shards_without_a_plan_count_as_those_before_them():
    """With a quarter of the shards planned, four times the steps are expected."""
    progress = begun([copy(10)] * 4, shards=2, shards_left=6)
    assert left(progress) == (1, 16, 160)
    progress.count(Task((copy(10),) * 4))
    assert left(progress) == (1, 12, 120)
    assert progress.seconds_left(now_seconds=110.0) == 30.0
    progress.plan([], shards=6, shards_left=0)
    assert left(progress) == (1, 0, 0)


def test_volumes_that_wait_count_by_the_bytes_that_mirrors_lack():
    """The rate is that of all volumes since the first."""
    progress = RepairProgress()
    progress.begin_volume(now_seconds=100.0, volumes_left=2, waiting_bytes=300)
    progress.plan([copy(100)])
    assert left(progress) == (2, 1, 400)
    progress.count(Task((copy(100),)))
    assert progress.seconds_left(now_seconds=110.0) == 30.0
    progress.end_volume()
    progress.begin_volume(now_seconds=110.0, volumes_left=1)
    progress.plan([copy(300)])
    assert progress.seconds_left(now_seconds=110.0) == 30.0


def test_the_next_repair_has_a_rate_of_its_own():
    """After the last volume, nothing is left, and the next one starts from nothing."""
    progress = begun([copy(100)])
    progress.count(Task((copy(100),)))
    progress.end_volume()
    assert left(progress) == (0, 0, 0)
    assert progress.seconds_left(now_seconds=500.0) == 0.0
    progress.begin_volume(now_seconds=600.0)
    progress.plan([copy(100)])
    assert progress.seconds_left(now_seconds=610.0) is None
