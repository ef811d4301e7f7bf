"""The history of the used space of a disk, and the rate at which it fills."""

from types import SimpleNamespace

import pytest

from storagenode.protocol.errors import StoreNotWritable
from storagenode.upkeep.space_history import SpaceHistory

HOUR_SECONDS = 3600
START = 1_700_000_000
GIGABYTE = 1_000_000_000
TOTAL = 1000 * GIGABYTE


class DiskOfSpace:
    """A store with nothing but its space and one saved file."""

    is_local = True

    def __init__(self):
        self.used, self.saved, self.writable, self.saves = 0, b"", True, 0

    def space(self):
        """Return the space."""
        return SimpleNamespace(free_bytes=TOTAL - self.used, total_bytes=TOTAL)

    def load_state(self, _):
        """Return the saved file."""
        return self.saved

    def save_state(self, _, data):
        """Save the file, or fail as a suspect disk does."""
        if not self.writable:
            raise StoreNotWritable("suspect")
        self.saved, self.saves = data, self.saves + 1


def filled(disk, used_by_hour):
    """Return the rate after these used gigabytes at these hours, each by a new process."""
    rate = None
    for hour, gigabytes in used_by_hour.items():
        disk.used = int(gigabytes * GIGABYTE)
        history = SpaceHistory(disk, now_seconds=lambda: START + hour * HOUR_SECONDS)  # noqa: B023
        history.record()
        rate = history.filled_bytes_per_day()
    return rate


@pytest.mark.parametrize(
    ("used_by_hour", "gigabytes_per_day"),
    [
        ({0: 100, 24: 110, 48: 120}, 10),
        ({0: 100, 24: 110, 48: 80}, -10),
        ({0: 100, 168: 170}, 10),
        ({0: 0, 100: 500, 124: 510, 148: 520, 269: 570.4166}, 10),
        ({0: 100, 24: 100}, 0),
    ],
)
def test_the_rate_is_the_slope_of_the_last_week(used_by_hour, gigabytes_per_day):
    """Every sample counts; space that became free is a negative rate."""
    rate = filled(DiskOfSpace(), used_by_hour)
    assert rate == pytest.approx(gigabytes_per_day * GIGABYTE, rel=0.001)


@pytest.mark.parametrize("used_by_hour", [{}, {0: 100}, {0: 100, 23.9: 120}])
def test_less_than_a_day_is_no_rate(used_by_hour):
    """It would be that of one import, or of a night."""
    assert filled(DiskOfSpace(), used_by_hour) is None


def test_a_sample_is_saved_once_an_hour():
    """And only a week of them is kept."""
    disk = DiskOfSpace()
    filled(disk, {0: 1, 0.5: 2, 0.9: 3, 1: 4, 400: 5})
    assert disk.saves == 3
    assert disk.saved == f"{START + 400 * HOUR_SECONDS} {5 * GIGABYTE}\n".encode()


@pytest.mark.parametrize("saved", [b"\xff\x00", b"12", b"1 2 3\n", b"9999999999 5\n"])
def test_a_damaged_or_future_history_begins_again(saved):
    """It is a hint, and nothing depends on it."""
    disk = DiskOfSpace()
    disk.saved = saved
    assert filled(disk, {0: 100, 24: 110}) == pytest.approx(10 * GIGABYTE)


def test_a_disk_that_takes_no_writes_keeps_its_history_in_memory():
    """The node continues, and a restart begins again."""
    disk = DiskOfSpace()
    disk.writable = False
    now = [START]
    history = SpaceHistory(disk, now_seconds=lambda: now[0])
    for hour in range(30):
        now[0], disk.used = START + hour * HOUR_SECONDS, hour * GIGABYTE
        history.record()
    assert history.filled_bytes_per_day() == pytest.approx(24 * GIGABYTE)
    assert disk.saved == b""
