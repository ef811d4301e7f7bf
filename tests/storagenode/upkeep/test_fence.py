"""The fence: a node that was down serves nothing until it has all tombstones, or a time-out."""

import pytest

from storagenode.protocol.errors import Conflict
from storagenode.upkeep.fence import NEVER, STALL_SECONDS, Fence
from tests.storagenode.fake_clock import FakeClock

FENCE_SECONDS = 10


@pytest.fixture(name="clock")
def _clock():
    return FakeClock(100.0)


@pytest.fixture(name="fence")
def _fence(clock):
    return Fence([2, 1, 8], falls_after_seconds=FENCE_SECONDS, clock=clock)


def run_for(fence, clock, seconds):
    """Advance the clock for a node that does not stall."""
    for _ in range(round(seconds * 2)):
        clock.advance(0.5)
        fence.tick()


def test_a_node_that_starts_fences_all_its_volumes(fence):
    """Its files can be deleted elsewhere."""
    assert fence.fenced_volumes == (1, 2, 8)
    assert fence.is_fenced(1)
    assert fence.is_fenced(2)


def test_a_fence_is_lifted_by_volume(fence):
    """The other volume stays fenced."""
    assert fence.lift(1, serial=fence.serial)
    assert fence.fenced_volumes == (2, 8)


def test_a_fence_times_out(fence, clock):
    """Photos must not wait for a colo that never returns."""
    run_for(fence, clock, FENCE_SECONDS)
    assert fence.is_fenced(1)
    run_for(fence, clock, 1)
    assert not fence.is_fenced(1)


def test_a_lifted_fence_serves_at_once(fence):
    """Also before its time-out, and only that volume."""
    assert fence.lift(1, serial=fence.serial)
    assert not fence.is_fenced(1)
    assert fence.is_fenced(2)


def test_a_followed_volume_is_fenced_and_delays_no_other(fence):
    """A lift that began before it does not lift its fence, and no lifted fence is raised."""
    assert fence.lift(1, serial=fence.serial)
    before = fence.serial
    fence.follow([1, 2, 9])
    assert fence.fenced_volumes == (2, 9)
    assert not fence.is_fenced(1)
    assert fence.is_fenced(8)
    assert fence.is_fenced(9)
    assert not fence.lift(9, serial=before)
    assert fence.lift(9, serial=fence.serial)
    assert not fence.is_fenced(9)
    assert not fence.knows_absence(8)


def test_a_volume_that_returns_to_the_node_is_fenced_again(fence):
    """Photos may have been deleted while it was elsewhere."""
    assert fence.lift(1, serial=fence.serial)
    fence.follow([2, 8])
    fence.follow([1, 2, 8])
    assert fence.is_fenced(1)
    assert fence.fenced_volumes == (1, 2, 8)


def test_a_followed_volume_has_the_whole_time_out(fence, clock):
    """Its tombstones are only being collected since then."""
    run_for(fence, clock, FENCE_SECONDS - 1)
    fence.follow([1, 2, 8, 9])
    run_for(fence, clock, FENCE_SECONDS)
    assert fence.is_fenced(9)
    run_for(fence, clock, 1)
    assert not fence.is_fenced(9)


def test_a_stall_before_a_new_map_fences_all_volumes(fence, clock):
    """The map does not hide it."""
    assert fence.lift(1, serial=fence.serial)
    clock.advance(STALL_SECONDS + 0.1)
    fence.follow([1, 2, 8])
    assert fence.fenced_volumes == (1, 2, 8)


def test_progress_counts_from_its_own_time(fence, clock):
    """And not from the last look at the clock."""
    clock.advance(STALL_SECONDS - 1)
    fence.note_progress(serial=fence.serial)
    run_for(fence, clock, FENCE_SECONDS)
    assert fence.is_fenced(1)


def test_a_fall_after_a_stall_lasts(fence, clock, caplog):
    """The stall is noticed first, and the fall of nothing is not reported."""
    clock.advance(STALL_SECONDS + 0.1)
    assert fence.fall() == 3
    assert not fence.is_fenced(1)
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert fence.fall() == 0
    assert len(caplog.records) == 2


def test_a_stall_shows_in_the_status_before_the_next_read(fence, clock):
    """A storagemaster must not take the fence for lifted."""
    for volume in (1, 2, 8):
        fence.lift(volume, serial=fence.serial)
    serial = fence.serial
    clock.advance(STALL_SECONDS + 0.1)
    assert fence.fenced_volumes == (1, 2, 8)
    assert fence.serial != serial


def test_a_fence_stays_while_a_lift_makes_progress(fence, clock):
    """Each step of a storagemaster counts, and each volume whose fence it lifts."""
    for _ in range(3):
        run_for(fence, clock, FENCE_SECONDS - 1)
        fence.note_progress(serial=fence.serial)
    run_for(fence, clock, FENCE_SECONDS - 1)
    fence.lift(2, serial=fence.serial)
    run_for(fence, clock, FENCE_SECONDS)
    assert fence.is_fenced(1)
    fence.note_progress(serial="of an earlier fence")
    run_for(fence, clock, 1)
    assert not fence.is_fenced(1)


def test_a_strict_fence_never_falls(clock):
    """Neither by time nor by an operator."""
    fence = Fence([1, 2], falls_after_seconds=NEVER, clock=clock)
    run_for(fence, clock, 100 * FENCE_SECONDS)
    with pytest.raises(Conflict, match="no fence falls"):
        fence.fall()
    assert fence.is_fenced(1)
    assert fence.fallen_volumes == ()
    assert fence.lift(1, serial=fence.serial)
    assert not fence.is_fenced(1)


def test_an_operator_lets_a_fence_fall(clock):
    """Before its time."""
    fence = Fence([1, 2], falls_after_seconds=FENCE_SECONDS, clock=clock)
    assert fence.fall() == 2
    assert fence.fall() == 0
    assert not fence.is_fenced(1)
    assert fence.fallen_volumes == (1, 2)


def test_a_fallen_fence_counts_until_it_is_lifted(fence, clock):
    """Also if it is raised again: then nothing is served."""
    run_for(fence, clock, FENCE_SECONDS + 1)
    assert fence.fallen_volumes == (1, 2, 8)
    fence.lift(2, serial=fence.serial)
    assert fence.fallen_volumes == (1, 8)
    clock.advance(STALL_SECONDS + 0.1)
    assert fence.fallen_volumes == ()


def test_a_time_out_proves_nothing(fence, clock):
    """The node knows what it lacks only when a storagemaster has lifted the fence."""
    run_for(fence, clock, FENCE_SECONDS + 1)
    assert fence.fenced_volumes == (1, 2, 8)
    assert not fence.knows_absence(1)
    assert fence.lift(1, serial=fence.serial)
    assert fence.fenced_volumes == (2, 8)
    assert fence.knows_absence(1)
    clock.advance(STALL_SECONDS + 0.1)
    assert fence.is_fenced(1)
    assert not fence.knows_absence(1)


def test_a_stalled_node_is_fenced_before_its_next_read(fence, clock):
    """The read itself detects the stall."""
    for volume in fence.fenced_volumes:
        fence.lift(volume, serial=fence.serial)
    clock.advance(STALL_SECONDS + 0.1)
    assert fence.is_fenced(1)
    assert fence.fenced_volumes == (1, 2, 8)


def test_a_busy_node_is_not_fenced(fence, clock):
    """A second or two is not a stall, and neither is the longest time that is allowed."""
    for volume in fence.fenced_volumes:
        fence.lift(volume, serial=fence.serial)
    clock.advance(STALL_SECONDS)
    assert fence.fenced_volumes == ()


def test_tombstones_from_before_the_last_stall_lift_nothing(fence, clock):
    """A storagemaster may have collected them before it."""
    serial = fence.serial
    clock.advance(STALL_SECONDS + 0.1)
    assert not fence.lift(1, serial=serial)
    assert fence.is_fenced(1)


def test_a_fence_rises_again_after_the_next_stall(fence, clock):
    """With the same time-out."""
    run_for(fence, clock, FENCE_SECONDS + 1)
    assert not fence.is_fenced(2)
    clock.advance(STALL_SECONDS + 0.1)
    assert fence.fenced_volumes == (1, 2, 8)
    run_for(fence, clock, FENCE_SECONDS)
    assert fence.is_fenced(2)


def test_a_volume_without_a_mirror_here_stays_fenced(fence, clock):
    """The node serves nothing of it, and knows nothing of its absence."""
    assert not fence.lift(3, serial=fence.serial)
    run_for(fence, clock, FENCE_SECONDS + 1)
    assert fence.is_fenced(3)
    assert not fence.knows_absence(3)
    assert fence.fenced_volumes == (1, 2, 8)
