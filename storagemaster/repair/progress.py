"""Progress of the repair of volumes, one after the other, and the time left by its own rate."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from storagemaster.repair.steps import Step
from storagemaster.repair.tasks import Task


@dataclass(slots=True)
class _VolumeProgress:
    """Progress of the present volume. Shards without a plan count as those before them."""

    steps_planned: int = 0
    bytes_planned: int = 0
    shards_planned: int = 0
    shards_left: int = 0
    steps: int = 0
    bytes: int = 0

    @property
    def steps_left(self) -> int:
        return self.steps_planned - self.steps + self._in_shards_left(self.steps_planned)

    @property
    def bytes_left(self) -> int:
        return self.bytes_planned - self.bytes + self._in_shards_left(self.bytes_planned)

    def _in_shards_left(self, planned: int) -> int:
        return planned * self.shards_left // max(self.shards_planned, 1)


@dataclass(slots=True)
class RepairProgress:
    """Progress since no volume waited for its repair."""

    volumes_left: int = 0
    waiting_bytes: int = 0
    """The bytes that mirrors lack of the volumes after the present one."""
    _started_seconds: float = 0.0
    _steps: int = 0
    _bytes: int = 0
    _volume: _VolumeProgress = field(default_factory=_VolumeProgress)

    @property
    def steps_left(self) -> int:
        """Steps left of the present volume; estimated for its shards without a plan."""
        return self._volume.steps_left

    @property
    def bytes_left(self) -> int:
        """Bytes left to copy of all volumes; estimated for what is not planned yet."""
        return self._volume.bytes_left + self.waiting_bytes

    def begin_volume(
        self, *, now_seconds: float, volumes_left: int = 1, waiting_bytes: int = 0
    ) -> None:
        """Begin a volume; `volumes_left` counts it."""
        if not self.volumes_left:
            self._steps = self._bytes = 0
            self._started_seconds = now_seconds
        self.volumes_left, self.waiting_bytes = volumes_left, waiting_bytes
        self._volume = _VolumeProgress()

    def plan(self, steps: Sequence[Step], *, shards: int = 1, shards_left: int = 0) -> None:
        """Add planned steps of the present volume."""
        self._volume.steps_planned += len(steps)
        self._volume.bytes_planned += sum(step.size_bytes for step in steps)
        self._volume.shards_planned += shards
        self._volume.shards_left = shards_left

    def count(self, task: Task) -> None:
        """Count a task that succeeded or failed."""
        self._steps += len(task.steps)
        self._bytes += task.size_bytes
        self._volume.steps += len(task.steps)
        self._volume.bytes += task.size_bytes

    def end_volume(self) -> None:
        """End the present volume."""
        self._volume = _VolumeProgress()
        self.volumes_left = max(self.volumes_left - 1, 0)

    def seconds_left(self, *, now_seconds: float) -> float | None:
        """Return the remaining seconds at the rate so far, or None before the first step ends."""
        if not (self.steps_left or self.bytes_left):
            return 0.0
        if not self._steps:
            return None
        by_bytes = self.bytes_left / self._bytes if self._bytes else 0.0
        share_left = max(by_bytes, self.steps_left / self._steps)
        return (now_seconds - self._started_seconds) * share_left
