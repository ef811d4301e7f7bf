"""Figures: ratios of ours to theirs, measured in turns, each with a floor it must not fall under.

A ratio is always turned so that larger is better and 1 is as good as theirs. Runs are interleaved
(ours, theirs, ours, theirs, ...), so that a machine which slows down slows both; the figure is the
median of the ratios of the pairs, and the least and the greatest are told with it.
"""

import json
import math
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.chart import Bar, draw_bars
from bench.machine import describe_machine

# Run before those that count, and discarded.
_WARMUP_PAIRS = 1

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio of ours to theirs: the median of `runs` pairs, and between what they lay."""

    name: str
    floor: float
    ratio: float
    runs: int
    minimum: float
    maximum: float
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether the median is at its floor or above."""
        return self.ratio >= self.floor

    def as_json(self) -> dict[str, Any]:
        """The figure as it stands in a result file."""
        return {
            "figure": self.name,
            "ratio": self.ratio,
            "floor": self.floor,
            "runs": self.runs,
            "min": self.minimum,
            "max": self.maximum,
            "detail": self.detail,
        }


def compare(
    name: str,
    floor: float,
    a: Callable[[], float],
    b: Callable[[], float],
    *,
    runs: int = 5,
    higher_is_better: bool = True,
) -> Figure:
    """Runs ours (`a`) and theirs (`b`) in turns.

    Args:
        name: What is measured, as a reader of the table should see it.
        floor: The least ratio that is acceptable.
        a: One run of ours, as a rate, or as seconds where `higher_is_better` is false.
        b: One run of theirs, in the same unit.
        runs: How many pairs count.
        higher_is_better: Whether the runs return rates rather than times.

    Raises:
        ValueError: A run returned what is no rate: zero, less, or not a number.
    """
    pairs = [(a(), b()) for _ in range(_WARMUP_PAIRS + runs)]
    return summarize(name, floor, pairs[_WARMUP_PAIRS:], higher_is_better=higher_is_better)


async def compare_async(
    name: str,
    floor: float,
    a: Callable[[], Awaitable[float]],
    b: Callable[[], Awaitable[float]],
    *,
    runs: int = 5,
    higher_is_better: bool = True,
) -> Figure:
    """What `compare` does, for runs that are awaited; never two at once."""
    pairs = [(await a(), await b()) for _ in range(_WARMUP_PAIRS + runs)]
    return summarize(name, floor, pairs[_WARMUP_PAIRS:], higher_is_better=higher_is_better)


def summarize(
    name: str,
    floor: float,
    pairs: Sequence[tuple[float, float]],
    *,
    higher_is_better: bool = True,
) -> Figure:
    """The figure of pairs of (ours, theirs) that were measured already.

    Raises:
        ValueError: There are no pairs, or a number in them is zero, less, or not a number.
    """
    if not pairs:
        raise ValueError(f"{name}: no runs were measured")
    for value in (value for pair in pairs for value in pair):
        if not math.isfinite(value) or value <= 0:
            raise ValueError(f"{name}: a run returned {value}, which is no rate and no time")
    ratios = [ours / theirs if higher_is_better else theirs / ours for ours, theirs in pairs]
    return Figure(
        name=name,
        floor=floor,
        ratio=statistics.median(ratios),
        runs=len(ratios),
        minimum=min(ratios),
        maximum=max(ratios),
        detail={
            "ours": statistics.median(ours for ours, _ in pairs),
            "theirs": statistics.median(theirs for _, theirs in pairs),
            "unit": "rate" if higher_is_better else "seconds",
        },
    )


def report(
    name: str,
    figures: Sequence[Figure],
    *,
    results: Path = RESULTS,
    console: Console | None = None,
) -> int:
    """Writes `NAME.json` and `NAME.png`, prints the table, and says how the bench should exit.

    Returns:
        0 where every median is at its floor or above, else 1.

    Raises:
        ValueError: There are no figures.
    """
    if not figures:
        raise ValueError(f"{name}: a bench without figures proves nothing")
    machine = describe_machine()
    results.mkdir(parents=True, exist_ok=True)
    records = [figure.as_json() | {"machine": machine} for figure in figures]
    (results / f"{name}.json").write_text(json.dumps(records, indent=2) + "\n")
    machine_line = ", ".join(f"{value}" for value in machine.values())
    bars = [
        Bar(
            label=figure.name,
            value=figure.ratio,
            floor=figure.floor,
            low=figure.minimum,
            high=figure.maximum,
        )
        for figure in figures
    ]
    draw_bars(results / f"{name}.png", title=name, bars=bars, footnote=machine_line)
    console = console or Console(file=sys.stdout)
    console.print(_table(name, figures))
    console.print(machine_line, style="dim", highlight=False)
    return 0 if all(figure.holds for figure in figures) else 1


def _table(name: str, figures: Sequence[Figure]) -> Table:
    runs = sorted({figure.runs for figure in figures})
    table = Table(
        title=f"{name}: ours to theirs, larger is better",
        caption=f"median of {' or '.join(map(str, runs))} interleaved runs",
    )
    table.add_column("figure")
    for heading in ("ratio", "floor", "least", "greatest"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for figure in figures:
        verdict = "[green]holds[/]" if figure.holds else "[bold red]under its floor[/]"
        numbers = (figure.ratio, figure.floor, figure.minimum, figure.maximum)
        table.add_row(figure.name, *(f"{number:.3f}" for number in numbers), verdict)
    return table
