"""Steps in phases, tasks of small copies, and their throttle."""

import asyncio

import pytest

from storagemaster.repair.steps import (
    PHASES,
    Copy,
    Plan,
    QuarantineInfo,
    Replace,
    ReplaceSizes,
    RestoreDigest,
    WriteTombstone,
)
from storagemaster.repair.tasks import (
    STEP_BYTES_MIN,
    RepairThrottle,
    Task,
    group_steps,
)
from storagenode.protocol.batch_wire import BATCH_BYTES_MAX, BATCH_FILES_MAX, FILE_BYTES_MAX
from tests.simulation.virtual_loop import VirtualLoop
from volumes.photo_path import Info, PhotoVersion, Variant, VersionTombstone

OF = PhotoVersion(1, "01jd3x8m2c9qp4k7", "3fz8qd")
SIZE, INFO = Variant(OF, "m", "jpg"), Info(OF)
TOMBSTONE = WriteTombstone("east", VersionTombstone(OF), "west")
RESTORED = RestoreDigest("east", SIZE, "d")
QUARANTINED = QuarantineInfo("east", INFO, "d")
SIZES = ReplaceSizes("east", INFO, "west", (Copy("east", SIZE, "west", "d", 7),) * 2)


def copy(size_bytes=10, *, node="east", source="west", file=SIZE):
    """Return a copy."""
    return Copy(node, file, source, "d", size_bytes)


@pytest.mark.parametrize(
    ("step", "phase"),
    [
        (TOMBSTONE, 0),
        (copy(), 1),
        (Replace("east", SIZE, "west", "d", 10, "e"), 1),
        (RESTORED, 1),
        (SIZES, 1),
        (copy(file=INFO), 2),
        (RestoreDigest("east", INFO, "d"), 2),
        (QUARANTINED, 2),
    ],
)
def test_a_step_has_one_phase(step, phase):
    """Tombstones come first and infos last; sizes with their info are not an info alone."""
    assert [number for number, has in enumerate(PHASES) if has(step)] == [phase]


def test_only_copies_have_bytes():
    """A plan has the bytes of all its copies."""
    assert Plan((TOMBSTONE, RESTORED, QUARANTINED)).copy_bytes == 0
    assert Plan((copy(3), Replace("east", SIZE, "west", "d", 4, "e"), SIZES)).copy_bytes == 21


@pytest.mark.parametrize(
    ("step", "link"),
    [
        (copy(), ("west", "east")),
        (SIZES, ("west", "east")),
        (TOMBSTONE, None),
        (RESTORED, None),
        (QUARANTINED, None),
    ],
)
def test_a_task_has_the_link_of_its_copies(step, link):
    """Without a copy it uses none."""
    assert (Task((step,)).node, Task((step,)).link) == ("east", link)


def sizes_of(steps):
    """Return the bytes of the steps of each task."""
    return [[step.size_bytes for step in task.steps] for task in group_steps(steps)]


def test_small_copies_on_a_link_are_one_task():
    """Each link has its own; other steps and large copies are tasks of their own, in order."""
    here, there, back = copy(1), copy(2, node="north"), copy(3, source="north")
    large = copy(FILE_BYTES_MAX + 1)
    steps = [here, TOMBSTONE, there, large, here, back, RESTORED, SIZES]
    assert [task.steps for task in group_steps(steps)] == [
        *((each,) for each in (TOMBSTONE, large, RESTORED, SIZES)),
        *((here, here), (there,), (back,)),
    ]


def test_a_batch_has_a_maximum_of_files_and_of_bytes():
    """The copies beyond it are the next task."""
    assert sizes_of([copy(1)] * BATCH_FILES_MAX) == [[1] * BATCH_FILES_MAX]
    assert sizes_of([copy(1)] * (BATCH_FILES_MAX + 1)) == [[1] * BATCH_FILES_MAX, [1]]
    full = [FILE_BYTES_MAX] * (BATCH_BYTES_MAX // FILE_BYTES_MAX)
    assert sum(full) == BATCH_BYTES_MAX
    assert sizes_of([copy(each) for each in full]) == [full]
    assert sizes_of([copy(each) for each in (*full, 1, 2)]) == [full, [1, 2]]


def begin_times(tasks, *, bytes_per_second, pauses=()):
    """Return when each task begins, with pauses before some of them."""
    loop = VirtualLoop()

    async def run():
        throttle, begun = RepairThrottle(bytes_per_second), []
        for number, task in enumerate(tasks):
            await asyncio.sleep(dict(pauses).get(number, 0))
            await throttle.acquire(task)
            begun.append(loop.time())
        return begun

    try:
        return [round(each, 6) for each in loop.run_until_complete(run())]
    finally:
        loop.close()


MB = 1_000_000


def test_repairs_keep_to_their_bytes_per_second():
    """After a burst of one second, each task waits for the bytes before it."""
    tasks = [Task((copy(MB),))] * 5
    assert begin_times(tasks, bytes_per_second=MB) == [0, 0, 1, 2, 3]


def test_a_pause_saves_a_second_of_budget_and_no_more():
    """So a burst after an idle hour is as short as after an idle second."""
    tasks = [Task((copy(MB),))] * 5
    times = begin_times(tasks, bytes_per_second=MB, pauses=[(2, 3600)])
    assert times == [0, 0, 3600, 3600, 3601]


def test_small_files_cost_a_disk_as_much_as_larger_ones():
    """Each step of a task counts as 64 KiB."""
    assert STEP_BYTES_MIN == 65_536
    task = Task((copy(1),) * 10)
    assert begin_times([task] * 3, bytes_per_second=10 * STEP_BYTES_MIN) == [0, 0, 1]
    large = Task((copy(2 * STEP_BYTES_MIN),) * 2)
    assert begin_times([large] * 3, bytes_per_second=4 * STEP_BYTES_MIN) == [0, 0, 1]
