"""Figures: interleaved runs, ratios, floors, and their report."""

import asyncio
import io
import json
import socket

import pytest
from PIL import Image
from rich.console import Console

from bench.figures import Figure, compare, compare_async, report, summarize
from bench.machine import describe_machine


class Recorded:
    """Runs that return numbers from a list, and record their order."""

    def __init__(self, name, values, turns):
        self.name = name
        self.values = iter(values)
        self.turns = turns

    def __call__(self):
        """Return the result of one run."""
        self.turns.append(self.name)
        return next(self.values)


def figure(*, ratio=0.9, floor=0.8):
    """Return a figure with a small range."""
    return Figure("hits", floor, ratio, 5, ratio - 0.05, ratio + 0.05, {"measured": 9.0})


@pytest.fixture(name="console")
def _console():
    return Console(file=io.StringIO(), width=120)


def test_runs_are_interleaved_and_the_first_pairs_forgotten():
    """Runs alternate, and the warmup does not count."""
    turns = []
    measured = Recorded("measured", [1, 80, 90, 100], turns)
    baseline = Recorded("baseline", [1000, 100, 100, 100], turns)
    found = compare("hits", 0.8, measured, baseline, runs=3)
    assert turns == ["measured", "baseline"] * 4
    assert (found.ratio, found.minimum, found.maximum, found.runs) == (0.9, 0.8, 1.0, 3)
    assert found.detail == {
        "measured": 90,
        "baseline": 100,
        "baseline_min": 100,
        "baseline_max": 100,
        "unit": "rate",
    }


def test_ratio_is_the_median_of_pairs_and_not_of_sides():
    """A figure is the median of the ratios of pairs, so that a slow machine affects both sides."""
    found = summarize("hits", 1, [(100, 50), (10, 5), (1, 4)])
    assert found.ratio == 2


def test_seconds_are_inverted_so_that_larger_is_better():
    """Half the seconds of the baseline give a ratio of 2."""
    found = compare("time", 1, lambda: 2.0, lambda: 4.0, higher_is_better=False)
    assert found.ratio == 2
    assert found.runs == 5


def test_awaited_runs_are_compared_one_at_a_time():
    """Coroutines run one at a time."""
    running = []

    async def run():
        running.append(1)
        await asyncio.sleep(0)
        assert len(running) == 1
        running.pop()
        return 3.0

    found = asyncio.run(compare_async("hits", 1, run, run, runs=2))
    assert (found.ratio, found.runs) == (1, 2)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_result_that_is_not_positive_is_rejected(value):
    """Zero, a negative value, and not a number raise ValueError."""
    with pytest.raises(ValueError, match="positive number"):
        compare("hits", 1, lambda: 1, lambda: value)


def test_figure_without_runs_is_rejected():
    """A figure needs at least one pair."""
    with pytest.raises(ValueError, match="no runs"):
        summarize("hits", 1, [])


def test_median_at_its_floor_passes():
    """A ratio equal to the floor passes, and a lower one fails."""
    assert figure(ratio=0.8, floor=0.8).passes
    assert not figure(ratio=0.7999, floor=0.8).passes


def test_report_writes_figures_and_passes(tmp_path, console):
    """The result file has every figure with its floor and the description of the machine."""
    assert (
        report("edge", [figure()], results=tmp_path / "new", console=console, is_optimized=True)
        == 0
    )
    (record,) = json.loads((tmp_path / "new" / "edge.json").read_text())
    assert record.pop("machine") == describe_machine()
    assert record == {
        "figure": "hits",
        "ratio": 0.9,
        "floor": 0.8,
        "runs": 5,
        "min": pytest.approx(0.85),
        "max": pytest.approx(0.95),
        "detail": {"measured": 9.0},
    }


def test_report_fails_if_one_median_is_below_its_floor(tmp_path, console):
    """The exit status is 1, and the table shows the figure that failed."""
    figures = [figure(), figure(ratio=0.5)]
    assert report("edge", figures, results=tmp_path, console=console, is_optimized=True) == 1
    lines = console.file.getvalue().splitlines()
    assert any("0.900" in line and "passes" in line for line in lines)
    assert any("0.500" in line and "below its floor" in line for line in lines)


def test_figures_of_an_unoptimized_python_are_no_results(tmp_path, console):
    """They are printed and marked, and nothing is written."""
    status = report("edge", [figure()], results=tmp_path, console=console, is_optimized=False)
    assert status == 2
    assert list(tmp_path.iterdir()) == []
    assert "Not a result" in console.file.getvalue()


def test_report_shows_processor_time_and_the_spread_of_the_baseline(tmp_path, console):
    """A ratio is as steady as its baseline, and a change of the code moves processor time."""
    measured = summarize("ingest", 0.4, [(50, 100), (60, 90), (40, 130)])
    measured.detail["processor_ms"] = {"storagenode": 0.531, "sum": 0.812}
    report("journey", [measured], results=tmp_path, console=console, is_optimized=True)
    printed = console.file.getvalue()
    assert "100 (90-130)" in printed
    assert "0.531" in printed
    assert "0.812" in printed


def test_report_without_figures_is_rejected(tmp_path, console):
    """A benchmark without figures raises ValueError."""
    with pytest.raises(ValueError, match="no figures"):
        report("edge", [], results=tmp_path, console=console, is_optimized=True)


@pytest.mark.parametrize("greatest", [1.2, 60.0])
def test_chart_is_a_picture_that_grows_with_its_figures(tmp_path, console, greatest):
    """The chart has one row per figure, on a linear or a logarithmic axis."""
    heights = []
    for count in (1, 6):
        figures = [*[figure()] * (count - 1), figure(ratio=greatest)]
        report("edge", figures, results=tmp_path, console=console, is_optimized=True)
        with Image.open(tmp_path / "edge.png") as picture:
            picture.load()
            heights.append(picture.height)
    assert heights[0] < heights[1]


def test_machine_is_described_without_naming_the_host():
    """The description has processor, cores, kernel, and Python, but not the host name."""
    machine = describe_machine()
    assert {"cpu", "cores", "kernel", "python", "pillow"} <= machine.keys()
    assert all(machine.values())
    assert socket.gethostname() not in machine.values()
