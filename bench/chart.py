"""Chart of ratios as horizontal bars, each with its floor and its range of runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure as Picture
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PASSES = "#6fb3bd"
FAILS = "#e07a6f"
INK = "#22303a"
FAINT = "#8795a0"

_ROW_INCHES = 0.52
_FRAME_INCHES = 2.2
_BAR_HEIGHT = 0.56
# Above this ratio of the longest bar to the shortest, the axis is logarithmic.
_SPREAD_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of a chart: a ratio, the floor it must reach, and the range of its runs."""

    label: str
    value: float
    floor: float
    low: float
    high: float


def draw_bars(path: Path, *, title: str, bars: Sequence[Bar], footnote: str) -> None:
    """Write the chart as a PNG, with the first bar on top."""
    height = _FRAME_INCHES + _ROW_INCHES * len(bars)
    with mpl.rc_context({"font.size": 10, "text.color": INK, "axes.labelcolor": INK}):
        picture = Picture(figsize=(10, height), dpi=144)
        picture.set_layout_engine("constrained", w_pad=0.15, h_pad=0.12)
        axes = picture.subplots()
        start = _set_scale(axes, bars)
        for row, bar in enumerate(bars):
            _draw_bar(axes, row, bar, start=start)
        _decorate(axes, bars)
        picture.suptitle(title, x=0.016, ha="left", fontsize=14, fontweight="bold")
        picture.supxlabel(fill(footnote, 150), fontsize=7.5, color=FAINT)
        picture.savefig(path)


def _set_scale(axes: "Axes", bars: Sequence[Bar]) -> float:
    """Fit the axis to the bars; return where they begin."""
    low = min(1, *(min(bar.low, bar.floor) for bar in bars))
    high = max(1, *(max(bar.high, bar.floor) for bar in bars))
    if high / low <= _SPREAD_MAX:
        axes.set_xlim(0, high * 1.04)
        return 0
    axes.set_xscale("log")
    axes.set_xlim(low / 1.2, high * 1.2)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    # A logarithmic axis has no zero; 1 is equal to the baseline.
    return 1


def _draw_bar(axes: "Axes", row: int, bar: Bar, *, start: float) -> None:
    color = PASSES if bar.value >= bar.floor else FAILS
    axes.barh(row, bar.value - start, left=start, height=_BAR_HEIGHT, color=color, zorder=2)
    axes.errorbar(
        bar.value,
        row,
        xerr=[[bar.value - bar.low], [bar.high - bar.value]],
        color=INK,
        capsize=4,
        elinewidth=1.2,
        zorder=4,
    )
    reach = _BAR_HEIGHT / 2 + 0.1
    axes.vlines(bar.floor, row - reach, row + reach, color=INK, linewidth=2.4, zorder=3)
    for offset, text, weight in (
        (10, f"{bar.value:.3f}", "bold"),
        (62, f"{bar.floor:g}", "normal"),
    ):
        axes.annotate(
            text,
            (1, row),
            xycoords=axes.get_yaxis_transform(),
            xytext=(offset, 0),
            textcoords="offset points",
            verticalalignment="center",
            fontweight=weight,
        )


def _decorate(axes: "Axes", bars: Sequence[Bar]) -> None:
    axes.set_yticks(range(len(bars)), [fill(bar.label, 38) for bar in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlabel("ratio to the baseline: 1 is equal, larger is better")
    axes.axvline(1, color=FAINT, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    axes.tick_params(length=0, colors=INK)
    axes.grid(axis="x", color="#e4e9ec", linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    for offset, text in ((10, "ratio"), (62, "floor")):
        axes.annotate(
            text,
            (1, 1),
            xycoords="axes fraction",
            xytext=(offset, 4),
            textcoords="offset points",
            color=FAINT,
        )
    axes.legend(
        handles=[
            Patch(color=PASSES, label="median, passes"),
            Patch(color=FAILS, label="median, below its floor"),
            Line2D([], [], color=INK, linewidth=2.4, label="floor"),
            Line2D([], [], color=INK, linewidth=1.2, label="range of the runs"),
        ],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        frameon=False,
        fontsize=8.5,
        borderaxespad=0.2,
    )
