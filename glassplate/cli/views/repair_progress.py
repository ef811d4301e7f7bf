"""How far a repair is: volumes done, bytes copied and time left, where somebody watches."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich import filesize
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from glassplate.cli.views.consoles import stderr_console

Document = Mapping[str, Any]


class RepairProgress:
    """One bar, which every volume moves by as many bytes and steps as its plan had."""

    def __init__(self, plans: Sequence[Document]) -> None:
        console = stderr_console()
        self._weights = {plan["volume"]: _weight(plan) for plan in plans}
        self._bytes_total = sum(plan["copy_bytes"] for plan in plans)
        self._bytes_done = 0
        self._volumes_done = 0
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[copied]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=sum(self._weights.values()), copied="")
        self._show()

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

    def end(self, repaired: Document) -> None:
        """Count one more volume."""
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


def _weight(plan: Document) -> int:
    """How much work a plan is: a step without bytes takes time as well."""
    return int(plan["copy_bytes"]) + 100_000 * (1 + len(plan["steps"]))
