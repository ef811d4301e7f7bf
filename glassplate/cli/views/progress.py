"""Progress bars on stderr, where somebody watches; nothing elsewhere."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from glassplate.cli.views.consoles import stderr_console

NAME_CHARACTERS_MAX = 32

OnProgress = Callable[[int, int], None]
"""Hears how many bytes of how many have gone over."""


class TransferProgress:
    """A bar for each transfer under way, and one for all of them if there are several."""

    def __init__(self, bytes_total: int, *, transfers: int) -> None:
        console = stderr_console()
        self._progress = Progress(
            TextColumn("{task.description:<32}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all: TaskID | None = None
        if transfers > 1:
            self._all = self._progress.add_task(f"{transfers} photos", total=bytes_total)
        self._done: dict[TaskID, int] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def start(self, name: str, bytes_total: int | None) -> tuple[TaskID, OnProgress]:
        """Show one more transfer; what it calls as bytes go over."""
        task = self._progress.add_task(_short(name), total=bytes_total)

        def on_progress(done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total)
            self._done[task] = done
            if self._all is not None:
                self._progress.update(self._all, completed=sum(self._done.values()))

        return task, on_progress

    def end(self, task: TaskID) -> None:
        """Show a transfer no longer."""
        self._progress.update(task, visible=False)


def _short(name: str) -> str:
    if len(name) <= NAME_CHARACTERS_MAX:
        return name
    return f"…{name[-(NAME_CHARACTERS_MAX - 1) :]}"
