"""Figures: pairs measured in turns, ratios that are better when larger, floors that are kept."""

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
    """Runs that return numbers from a list, and note whose turn it was."""

    def __init__(self, name, values, turns):
        self.name = name
        self.values = iter(values)
        self.turns = turns

    def __call__(self):
        """One run."""
        self.turns.append(self.name)
        return next(self.values)


def figure(*, ratio=0.9, floor=0.8):
    """A figure with its runs close together."""
    return Figure("hits", floor, ratio, 5, ratio - 0.05, ratio + 0.05, {"ours": 9.0})


@pytest.fixture(name="console")
def _console():
    return Console(file=io.StringIO(), width=120)


def test_runs_are_interleaved_and_the_first_pairs_forgotten():
    """Ours and theirs take turns, and what warms up does not count."""
    turns = []
    ours = Recorded("ours", [1, 80, 90, 100], turns)
    theirs = Recorded("theirs", [1000, 100, 100, 100], turns)
    found = compare("hits", 0.8, ours, theirs, runs=3)
    assert turns == ["ours", "theirs"] * 4
    assert (found.ratio, found.minimum, found.maximum, found.runs) == (0.9, 0.8, 1.0, 3)
    assert found.detail == {"ours": 90, "theirs": 100, "unit": "rate"}


def test_ratio_is_the_median_of_pairs_and_not_of_sides():
    """A machine that slows down slows both of a pair, which leaves its ratio as it is."""
    found = summarize("hits", 1, [(100, 50), (10, 5), (1, 4)])
    assert found.ratio == 2


def test_seconds_are_turned_so_that_larger_is_better():
    """Half of their time is twice as good."""
    found = compare("time", 1, lambda: 2.0, lambda: 4.0, higher_is_better=False)
    assert found.ratio == 2
    assert found.runs == 5


def test_awaited_runs_are_compared_one_at_a_time():
    """The same for coroutines, of which no two run at once."""
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
def test_what_is_no_rate_is_refused(value):
    """A run that measured nothing must not become a splendid ratio."""
    with pytest.raises(ValueError, match="no rate"):
        compare("hits", 1, lambda: 1, lambda: value)


def test_figure_without_runs_is_refused():
    """Nothing measured is no figure."""
    with pytest.raises(ValueError, match="no runs"):
        summarize("hits", 1, [])


def test_median_at_its_floor_holds():
    """The floor itself is good enough, and anything under it is not."""
    assert figure(ratio=0.8, floor=0.8).holds
    assert not figure(ratio=0.7999, floor=0.8).holds


def test_report_writes_figures_and_passes(tmp_path, console):
    """The result file has every figure with its floor and the machine it was measured on."""
    assert report("edge", [figure()], results=tmp_path / "new", console=console) == 0
    (record,) = json.loads((tmp_path / "new" / "edge.json").read_text())
    assert record.pop("machine") == describe_machine()
    assert record == {
        "figure": "hits",
        "ratio": 0.9,
        "floor": 0.8,
        "runs": 5,
        "min": pytest.approx(0.85),
        "max": pytest.approx(0.95),
        "detail": {"ours": 9.0},
    }


def test_report_fails_where_one_median_is_under_its_floor(tmp_path, console):
    """One figure under its floor fails the bench, and the table says which."""
    figures = [figure(), figure(ratio=0.5)]
    assert report("edge", figures, results=tmp_path, console=console) == 1
    lines = console.file.getvalue().splitlines()
    assert any("0.900" in line and "holds" in line for line in lines)
    assert any("0.500" in line and "under its floor" in line for line in lines)


def test_report_without_figures_is_refused(tmp_path, console):
    """A bench that measured nothing does not pass."""
    with pytest.raises(ValueError, match="proves nothing"):
        report("edge", [], results=tmp_path, console=console)


@pytest.mark.parametrize("greatest", [1.2, 60.0])
def test_chart_is_a_picture_that_grows_with_its_figures(tmp_path, console, greatest):
    """Close ratios and far ones are drawn, one row each."""
    heights = []
    for count in (1, 6):
        figures = [*[figure()] * (count - 1), figure(ratio=greatest)]
        report("edge", figures, results=tmp_path, console=console)
        with Image.open(tmp_path / "edge.png") as picture:
            picture.load()
            heights.append(picture.height)
    assert heights[0] < heights[1]


def test_machine_is_described_without_naming_the_host():
    """The processor, its cores, the kernel and Python are told; the host's name is not."""
    machine = describe_machine()
    assert {"cpu", "cores", "kernel", "python", "pillow"} <= machine.keys()
    assert all(machine.values())
    assert socket.gethostname() not in machine.values()
