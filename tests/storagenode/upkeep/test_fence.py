"""The fence: a node that was away sends nothing until it has heard what is gone, or too long."""

import pytest

from storagenode.upkeep.fence import FENCE_SECONDS_MAX, STALL_SECONDS, Fence
from tests.storagenode.fake_clock import FakeClock


@pytest.fixture(name="clock")
def _clock():
    return FakeClock(100.0)


@pytest.fixture(name="fence")
def _fence(clock):
    return Fence([1, 2], clock=clock)


def go_on(fence, clock, seconds):
    """Let time go by for a node that does not stand still."""
    for _ in range(round(seconds * 2)):
        clock.advance(0.5)
        fence.tick()


def test_a_node_that_starts_holds_back_all_its_volumes(fence):
    """What it has may have been deleted while it was away."""
    assert fence.fenced_volumes == (1, 2)
    assert fence.is_fenced(1)
    assert fence.is_fenced(2)


def test_a_fence_is_lifted_volume_by_volume(fence):
    """The other one is still held back."""
    assert fence.lift(1, serial=fence.serial)
    assert fence.fenced_volumes == (2,)


def test_a_fence_that_nobody_lifts_falls(fence, clock):
    """Photos must not wait for a colo that may never return."""
    go_on(fence, clock, FENCE_SECONDS_MAX)
    assert fence.is_fenced(1)
    go_on(fence, clock, 1)
    assert not fence.is_fenced(1)


def test_a_node_that_stood_still_is_fenced_before_its_next_read(fence, clock):
    """Deletes may have gone past it; the read itself notices."""
    for volume in fence.fenced_volumes:
        fence.lift(volume, serial=fence.serial)
    clock.advance(STALL_SECONDS + 0.1)
    assert fence.is_fenced(1)
    assert fence.fenced_volumes == (1, 2)


def test_a_node_that_is_only_busy_is_not_fenced(fence, clock):
    """A second or two is no absence."""
    for volume in fence.fenced_volumes:
        fence.lift(volume, serial=fence.serial)
    clock.advance(STALL_SECONDS - 0.1)
    assert fence.fenced_volumes == ()


def test_what_was_heard_before_the_last_absence_lifts_nothing(fence, clock):
    """A storagemaster may have asked the others before the node stood still."""
    serial = fence.serial
    clock.advance(STALL_SECONDS + 0.1)
    assert not fence.lift(1, serial=serial)
    assert fence.is_fenced(1)


def test_a_fence_that_fell_rises_again_after_the_next_absence(fence, clock):
    """And is held as long."""
    go_on(fence, clock, FENCE_SECONDS_MAX + 1)
    assert fence.fenced_volumes == ()
    clock.advance(STALL_SECONDS + 0.1)
    assert fence.fenced_volumes == (1, 2)
    go_on(fence, clock, FENCE_SECONDS_MAX)
    assert fence.is_fenced(2)


def test_a_volume_that_is_not_here_is_not_held_back(fence):
    """There is nothing of it to send."""
    assert not fence.is_fenced(3)
    assert fence.lift(3, serial=fence.serial)
