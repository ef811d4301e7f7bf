"""How far a move is: shards done, bytes moved and time left, where somebody watches."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich import filesize
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from glassplate.cli.views.consoles import stderr_console


class ShardProgress:
    """One bar, which every shard moves on."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task
        self._bytes = 0

    def end(self, moved_bytes: int) -> None:
        """Count one more shard."""
        self._bytes += moved_bytes
        moved = filesize.decimal(self._bytes)
        self._progress.update(self._task, advance=1, moved=f"moved: {moved}")


@contextmanager
def shard_progress(shards_total: int) -> Iterator[ShardProgress]:
    """A bar for as long as the block lasts."""
    console = stderr_console()
    columns = (TextColumn("shards:"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        TextColumn("{task.fields[moved]}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield ShardProgress(progress, progress.add_task("", total=shards_total, moved=""))
