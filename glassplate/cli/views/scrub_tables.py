"""How far scrubs are, as a table and as progress bars."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich import filesize
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from glassplate.cli.views.consoles import stderr_console

Document = Mapping[str, Any]

HOUR_SECONDS = 3600


def scrubs_table(nodes: Sequence[Document], *, now_seconds: float) -> Table:
    """One row a node: the pass under way, or the last one if none is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Colo", "Node", "Through", "Files", "Read", "Corrupt", "No digest", "Last whole"):
        table.add_column(name, overflow="fold")
    for node in nodes:
        table.add_row(
            node["colo"],
            node["node"],
            f"{percent_through(node)} %",
            str(node["files"]),
            filesize.decimal(node["bytes"]),
            str(len(node["corrupt"])),
            str(node["unverified"]),
            age(node["completed_seconds"], now_seconds=now_seconds),
        )
    return table


def percent_through(node: Document) -> int:
    """How much of its shards a pass is through with; all of them if there are none."""
    total = node["shards_total"]
    return int(100 * node["shards"] / total) if total else 100


def age(completed_seconds: float, *, now_seconds: float) -> str:
    """How long ago the last whole pass ended.

    >>> age(1000.0, now_seconds=8200.0)
    '2 h ago'
    """
    if not completed_seconds:
        return "none since its start"
    seconds = max(0.0, now_seconds - completed_seconds)
    if seconds < HOUR_SECONDS:
        return f"{int(seconds / 60)} min ago"
    return f"{int(seconds / HOUR_SECONDS)} h ago"


class ScrubProgress:
    """A bar for each node that is waited for, where somebody watches."""

    def __init__(self) -> None:
        console = stderr_console()
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description:<32}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[read]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
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

    def show(self, nodes: Sequence[Document], *, waiting: Sequence[str]) -> None:
        """Move the bars to where the nodes are; those that are not waited for have gone."""
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
