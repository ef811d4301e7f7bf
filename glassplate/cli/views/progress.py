"""Progress on stderr: bars at a terminal, and nothing elsewhere, except for lines of a start."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Self

import click
from rich import filesize
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from glassplate.cli.views.output import Document, escape_unprintable, stderr_console
from runtime.tasks_beside import run_beside

NAME_CHARACTERS_MAX = 32
SILENT_SECONDS_MAX = 3.0

OnProgress = Callable[[int, int], None]
"""Receives the transferred bytes and the total."""

OnStep = Callable[[int, int, str], None]
"""Receives the number of finished steps, the total, and the current step."""


class _Bars:
    """Progress bars while the block runs. They are removed at its end."""

    def __init__(self, *columns: ProgressColumn) -> None:
        console = stderr_console()
        self._progress = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )

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


class TransferProgress(_Bars):
    """A bar for each transfer, and one for the sum of several."""

    def __init__(self, bytes_total: int, *, transfers: int) -> None:
        super().__init__(
            TextColumn("{task.description:<32}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._all: TaskID | None = None
        if transfers > 1:
            self._all = self._progress.add_task(f"{transfers} photos", total=bytes_total)
        self._done: dict[TaskID, int] = {}

    def start(self, name: str, bytes_total: int | None) -> tuple[TaskID, OnProgress]:
        """Add a bar for a transfer. Return its id and the callback that moves it."""
        name = escape_unprintable(name)
        if len(name) > NAME_CHARACTERS_MAX:
            name = f"…{name[-(NAME_CHARACTERS_MAX - 1) :]}"
        task = self._progress.add_task(name, total=bytes_total)

        def on_progress(done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total)
            self._done[task] = done
            if self._all is not None:
                self._progress.update(self._all, completed=sum(self._done.values()))

        return task, on_progress

    def end(self, task: TaskID) -> None:
        """Hide the bar of a transfer."""
        self._progress.update(task, visible=False)


class ImportProgress(_Bars):
    """A bar for the bytes of an import, with its rate and the time left."""

    def __init__(self, photos_total: int, bytes_total: int) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._photos_total = photos_total
        self._photos = -1
        self._task = self._progress.add_task("", total=bytes_total)
        self.end()

    def sent(self, more_bytes: int) -> None:
        """Count sent bytes. A retry takes back the bytes of the attempt before."""
        self._progress.update(self._task, advance=more_bytes)

    def end(self) -> None:
        """Count a photo."""
        self._photos += 1
        description = f"photos: {self._photos} of {self._photos_total}"
        self._progress.update(self._task, description=description)


class RepairProgress(_Bars):
    """A bar for repairs. Each volume moves it by the bytes and steps of its plan."""

    def __init__(self, plans: Sequence[Document]) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[copied]}", markup=False),
            TimeRemainingColumn(),
        )
        self._weights = {plan["volume"]: _weight(plan) for plan in plans}
        self._bytes_total = sum(plan["copy_bytes"] for plan in plans)
        self._bytes_done = 0
        self._volumes_done = 0
        self._task = self._progress.add_task("", total=sum(self._weights.values()), copied="")
        self._show()

    def end(self, repaired: Document) -> None:
        """Count a repaired volume."""
        self._bytes_done += repaired["copied_bytes"]
        self._volumes_done += 1
        self._progress.advance(self._task, self._weights[repaired["volume"]])
        self._show()

    def _show(self) -> None:
        done, total = filesize.decimal(self._bytes_done), filesize.decimal(self._bytes_total)
        self._progress.update(
            self._task,
            description=f"volumes: {self._volumes_done} of {len(self._weights)}",
            copied=f"copied: {done} of {total}",
        )


class CountProgress(_Bars):
    """A bar for a number of shards or photos, with the moved bytes if there are any."""

    def __init__(self, what: str, total: int) -> None:
        super().__init__(
            TextColumn(f"{what}:"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[moved]}", markup=False),
        )
        self._task = self._progress.add_task("", total=total, moved="")
        self._bytes = 0

    def end(self, moved_bytes: int = 0) -> None:
        """Count a finished one."""
        self._bytes += moved_bytes
        moved = f"moved: {filesize.decimal(self._bytes)}" if self._bytes else ""
        self._progress.update(self._task, advance=1, moved=moved)


class ScrubProgress(_Bars):
    """A bar for each node whose scrub pass is running."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description:<32}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[read]}", markup=False),
            TimeRemainingColumn(),
        )
        self._tasks: dict[str, TaskID] = {}

    def show(self, nodes: Sequence[Document], *, waiting: Sequence[str]) -> None:
        """Move the bars, and hide the bar of each node that is not in `waiting`."""
        for node in nodes:
            id_ = node["node"]
            if id_ not in self._tasks:
                self._tasks[id_] = self._progress.add_task(id_, total=None, read="")
            self._progress.update(
                self._tasks[id_],
                total=node["shards_total"] or None,
                completed=node["shards"],
                read=f"{filesize.decimal(node['bytes'])} read, {len(node['corrupt'])} corrupt",
                visible=id_ in waiting,
            )


@contextlib.asynccontextmanager
async def reported_steps(console: Console) -> AsyncIterator[OnStep]:
    """Report steps as a bar at a terminal, and as lines elsewhere.

    Without a terminal, a long step adds a line every few seconds.
    """
    if console.is_terminal:
        one_line = Column(width=NAME_CHARACTERS_MAX, no_wrap=True, overflow="ellipsis")
        with Progress(
            TextColumn("{task.description}", markup=False, table_column=one_line),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        ) as progress:
            task = progress.add_task("", total=None)

            def show(done: int, total: int, step: str) -> None:
                progress.update(task, completed=done, total=total or None, description=step)

            yield show
        return
    lines = _Lines()
    async with run_beside(lines.keep_alive()):
        yield lines.show


class _Lines:
    """Progress as plain lines: one for each step, and more during long steps."""

    def __init__(self) -> None:
        self._began = self._shown = time.monotonic()

    def show(self, done: int, total: int, step: str) -> None:
        """Print a step."""
        count = f" ({done} of {total})" if total else ""
        click.echo(f"{step}{count}", err=True)
        self._began = self._shown = time.monotonic()

    async def keep_alive(self) -> None:
        """Print the duration of the current step at intervals, until cancelled."""
        while True:
            await asyncio.sleep(SILENT_SECONDS_MAX / 10)
            now = time.monotonic()
            if now - self._shown >= SILENT_SECONDS_MAX:
                click.echo(f"  still running after {now - self._began:.0f} s", err=True)
                self._shown = now


def _weight(plan: Document) -> int:
    """Return the work of a plan. A step without bytes also takes time."""
    return int(plan["copy_bytes"]) + 100_000 * (1 + len(plan["steps"]))
