"""Figures: ratios of a measured rate to a baseline, each with a floor.

A larger ratio is always better, and 1 is equal to the baseline. Runs alternate between both, so
that a machine that slows down affects both. A figure is the median of the ratios of the pairs, with
the minimum and the maximum.
"""

import json
import math
import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.chart import Bar, draw_bars
from bench.machine import describe_machine, is_python_optimized

# Pairs of runs before the ones that count; their results are discarded.
_WARMUP_PAIRS = 1

RESULTS = Path(__file__).parent / "results"
UNOPTIMIZED = (
    "this Python is built without optimization, so that it takes a third more time; "
    "use Debian's: make clean, then make PYTHON=/usr/bin/python3"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """Ratio of measured to baseline: the median of `runs` pairs, and their range."""

    name: str
    floor: float
    ratio: float
    runs: int
    minimum: float
    maximum: float
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """True if the median reaches its floor."""
        return self.ratio >= self.floor

    def as_json(self) -> dict[str, Any]:
        """Return the figure's entry in a result file."""
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
    measured: Callable[[], float],
    baseline: Callable[[], float],
    *,
    runs: int = 5,
    higher_is_better: bool = True,
) -> Figure:
    """Run the measured code and the baseline in turns.

    Args:
        name: Name of the figure in the table.
        floor: Lowest acceptable ratio.
        measured: One run of Glassplate: a rate, or seconds if `higher_is_better` is false.
        baseline: One run of the baseline, in the same unit.
        runs: Number of pairs that count.
        higher_is_better: True if the runs return rates, False if they return seconds.

    Raises:
        ValueError: A run returned zero, a negative value, or not a number.
    """
    pairs = [(measured(), baseline()) for _ in range(_WARMUP_PAIRS + runs)]
    return summarize(name, floor, pairs[_WARMUP_PAIRS:], higher_is_better=higher_is_better)


async def compare_async(
    name: str,
    floor: float,
    measured: Callable[[], Awaitable[float]],
    baseline: Callable[[], Awaitable[float]],
    *,
    runs: int = 5,
    higher_is_better: bool = True,
) -> Figure:
    """Do the same as `compare` with coroutines, one at a time."""
    pairs = [(await measured(), await baseline()) for _ in range(_WARMUP_PAIRS + runs)]
    return summarize(name, floor, pairs[_WARMUP_PAIRS:], higher_is_better=higher_is_better)


def summarize(
    name: str,
    floor: float,
    pairs: Sequence[tuple[float, float]],
    *,
    higher_is_better: bool = True,
) -> Figure:
    """Return the figure for pairs of (measured, baseline).

    Raises:
        ValueError: `pairs` is empty, or has zero, a negative value, or not a number.
    """
    if not pairs:
        raise ValueError(f"{name}: no runs were measured")
    for value in (value for pair in pairs for value in pair):
        if not math.isfinite(value) or value <= 0:
            raise ValueError(f"{name}: a run returned {value}: must be a positive number")
    ratios = [
        measured / baseline if higher_is_better else baseline / measured
        for measured, baseline in pairs
    ]
    return Figure(
        name=name,
        floor=floor,
        ratio=statistics.median(ratios),
        runs=len(ratios),
        minimum=min(ratios),
        maximum=max(ratios),
        detail={
            "measured": statistics.median(measured for measured, _ in pairs),
            "baseline": statistics.median(baseline for _, baseline in pairs),
            "baseline_min": min(baseline for _, baseline in pairs),
            "baseline_max": max(baseline for _, baseline in pairs),
            "unit": "rate" if higher_is_better else "seconds",
        },
    )


def report(
    name: str,
    figures: Sequence[Figure],
    *,
    results: Path = RESULTS,
    console: Console | None = None,
    is_optimized: bool | None = None,
) -> int:
    """Write `NAME.json` and `NAME.png`, and print the tables.

    Figures of a Python that is not `is_optimized` are printed and marked, and nothing is written.

    Returns:
        The exit status: 0 if every median reaches its floor, otherwise 1. It is 2 without results.

    Raises:
        ValueError: `figures` is empty.
    """
    if not figures:
        raise ValueError(f"{name}: the benchmark has no figures")
    machine = describe_machine()
    machine_line = ", ".join(f"{value}" for value in machine.values())
    console = console or Console(file=sys.stdout)
    console.print(_table(name, figures))
    if any("processor_ms" in figure.detail for figure in figures):
        console.print(_processor_table(figures))
    console.print(machine_line, style="dim", highlight=False)
    if not (is_python_optimized() if is_optimized is None else is_optimized):
        console.print(f"[bold red]Not a result[/]: {UNOPTIMIZED}", highlight=False)
        return 2
    results.mkdir(parents=True, exist_ok=True)
    records = [figure.as_json() | {"machine": machine} for figure in figures]
    (results / f"{name}.json").write_text(json.dumps(records, indent=2) + "\n")
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
    return 0 if all(figure.passes for figure in figures) else 1


def _table(name: str, figures: Sequence[Figure]) -> Table:
    runs = sorted({figure.runs for figure in figures})
    table = Table(
        title=f"{name}: ratio to the baseline, larger is better",
        caption=f"median of {' or '.join(map(str, runs))} interleaved runs",
    )
    table.add_column("figure")
    for heading in ("ratio", "floor", "min", "max"):
        table.add_column(heading, justify="right")
    table.add_column("baseline")
    table.add_column("verdict")
    for figure in figures:
        verdict = "[green]passes[/]" if figure.passes else "[bold red]below its floor[/]"
        numbers = (figure.ratio, figure.floor, figure.minimum, figure.maximum)
        baseline = _spread(figure.detail)
        table.add_row(figure.name, *(f"{number:.3f}" for number in numbers), baseline, verdict)
    return table


def _spread(detail: Mapping[str, Any]) -> str:
    """Return the median of the baseline and its range: a ratio is as steady as its yardstick."""
    if "baseline_min" not in detail:
        return ""
    return f"{detail['baseline']:.4g} ({detail['baseline_min']:.4g}-{detail['baseline_max']:.4g})"


def _processor_table(figures: Sequence[Figure]) -> Table:
    """Return the processor time of each process, which a change of the code moves."""
    table = Table(title="processor milliseconds for each photo, user and system")
    measured = [figure for figure in figures if "processor_ms" in figure.detail]
    spent = {figure.name: figure.detail["processor_ms"] for figure in measured}
    processes = list(dict.fromkeys(name for each in spent.values() for name in each))
    table.add_column("figure")
    for process in processes:
        table.add_column(process, justify="right")
    for name, milliseconds in spent.items():
        table.add_row(name, *(f"{milliseconds.get(process, 0):.3f}" for process in processes))
    return table
