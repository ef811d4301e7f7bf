"""Answers about whole volumes, kept in memory for as long as nothing has changed.

Idle volumes are compared all the time, and a look at a thousand directories takes milliseconds.
What this process changes is seen at once, and so is a folder that has disappeared. Only what
another program changes inside of a shard waits for its turn, see `Summaries.look_again`.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from storagenode.disk.filesystem import FileSystem
from storagenode.file_stat import FileStat
from volumes.photo_path import VolumeId

_Answer = TypeVar("_Answer")


class _State(NamedTuple):
    """The state of a volume, which every change by this process and of its folder replaces."""

    mark: object
    folder: FileStat | None


@dataclass(slots=True)
class _Kept:
    """The answers about a volume in one state, by question."""

    state: _State
    answers: dict[Hashable, Any] = field(default_factory=dict)


class VolumeMemory:
    """The answers about the volumes of one disk. All calls are thread-safe."""

    def __init__(self, file_system: FileSystem) -> None:
        self._file_system = file_system
        self._kept: dict[VolumeId, _Kept] = {}

    def answer(
        self, volume: VolumeId, question: Hashable, look: Callable[[], tuple[_Answer, bool]]
    ) -> _Answer:
        """Return the kept answer if nothing has changed since, or else look at the disk.

        `look` returns an answer, and True if it may be kept.
        """
        # Read before the look, so that a change during it makes the answer invalid.
        state = self._state_of(volume)
        kept = self._kept.get(volume)
        if kept is None or kept.state != state:
            kept = _Kept(state)
        elif question in kept.answers:
            return kept.answers[question]  # type: ignore[no-any-return]
        found, may_be_kept = look()
        if may_be_kept:
            kept.answers[question] = found
            self._kept[volume] = kept
        return found

    def volumes(self) -> list[VolumeId]:
        """Return the volumes with kept answers."""
        return list(self._kept)

    def forget(self, volume: VolumeId, shard: str) -> None:
        """Forget the answers about a volume, also what a look at a shard finds at this moment."""
        self._file_system.changes.note(f"{volume}/{shard}")

    def _state_of(self, volume: VolumeId) -> _State:
        mark = self._file_system.changes.mark_of(str(volume))
        try:
            return _State(mark, self._file_system.stat(str(volume)))
        except FileNotFoundError:
            return _State(mark, None)
