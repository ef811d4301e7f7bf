"""Timeline of a drill as an SVG: faults, load, errors, pending work, and convergence.

The page needs no script and no other file.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from drill.load.samples import SAMPLE_SECONDS, Sample
from drill.run import CONVERGING, Drill

WIDTH = 960
LEFT = 150
RIGHT = 20
TRACK_HEIGHT = 64
TRACK_GAP = 18
FAULT_HEIGHT = 20
AXIS_HEIGHT = 26
TICKS_MAX = 12

GOOD, BAD, HINTS, JOBS, NODES, FAULT, REST = (
    "#3b7dd8",
    "#d03b3b",
    "#c77d11",
    "#7a5bc4",
    "#2a8a57",
    "#f0c7c2",
    "#cfe6d8",
)


@dataclass(frozen=True, slots=True)
class _Series:
    color: str
    name: str
    value: Callable[[Sample], int | None]


_TRACKS: tuple[tuple[str, tuple[_Series, ...]], ...] = (
    (
        "reads a second",
        (
            _Series(GOOD, "succeeded", lambda s: s.reads_ok),
            _Series(BAD, "failed", lambda s: s.reads_failed),
        ),
    ),
    (
        "writes a second",
        (
            _Series(GOOD, "acknowledged", lambda s: s.writes_ok),
            _Series(BAD, "no response", lambda s: s.writes_failed),
        ),
    ),
    (
        "pending work",
        (
            _Series(HINTS, "pending hints", lambda s: s.pending_hints),
            _Series(JOBS, "jobs", lambda s: s.jobs),
        ),
    ),
    ("nodes up", (_Series(NODES, "nodes", lambda s: s.nodes_up),)),
)
_PER_SECOND = {"reads a second", "writes a second"}


def render_timeline(drill: Drill) -> str:
    """Return the SVG of one drill."""
    ends = [sample.second for sample in drill.samples] + [
        interval.ended for interval in drill.intervals
    ]
    seconds = max([1.0, *ends])
    faults = [interval for interval in drill.intervals if interval.what != CONVERGING]
    top = 8 + FAULT_HEIGHT * (len(faults) + 1)
    height = top + len(_TRACKS) * (TRACK_HEIGHT + TRACK_GAP) + AXIS_HEIGHT

    def x(second: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * second / seconds

    parts = [
        (
            f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="Timeline of {escape(drill.scenario.name)}">'
        )
    ]
    rest = [interval for interval in drill.intervals if interval.what == CONVERGING]
    for number, interval in enumerate([*faults, *rest]):
        begun, ended = x(interval.begun), x(interval.ended)
        color = REST if interval.what == CONVERGING else FAULT
        parts += _band(interval.what, begun, ended, 6 + number * FAULT_HEIGHT, color)
        parts.append(
            f'<rect x="{begun:.1f}" y="{top}" height="{height - top - AXIS_HEIGHT}" '
            f'width="{max(1.0, ended - begun):.1f}" fill="{color}" opacity=".28"/>'
        )
    for number, (title, series) in enumerate(_TRACKS):
        track_top = top + TRACK_GAP + number * (TRACK_HEIGHT + TRACK_GAP)
        parts += _track(title, series, drill.samples, x, track_top)
    parts += _axis(seconds, x, height)
    return "\n".join([*parts, "</svg>"])


def _band(what: str, begun: float, ended: float, y: float, color: str) -> Iterable[str]:
    width = max(2.0, ended - begun)
    yield (
        f'<rect x="{begun:.1f}" y="{y}" width="{width:.1f}" height="{FAULT_HEIGHT - 5}" '
        f'rx="3" fill="{color}"/>'
    )
    # A label near the right edge is drawn to the left of its band.
    anchor, at = ("start", begun + 4) if begun < WIDTH * 0.55 else ("end", begun - 4)
    yield f'<text x="{at:.1f}" y="{y + 11}" text-anchor="{anchor}">{escape(what)}</text>'


def _track(
    title: str,
    series: Sequence[_Series],
    samples: Sequence[Sample],
    x: Callable[[float], float],
    top: float,
) -> Iterable[str]:
    scale = 1 / SAMPLE_SECONDS if title in _PER_SECOND else 1.0
    values = [v * scale for s in samples for each in series if (v := each.value(s)) is not None]
    most = max([1.0, *values])
    bottom = top + TRACK_HEIGHT
    yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}" class="base"/>'
    yield f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end" class="title">{title}</text>'
    yield f'<text x="{LEFT - 8}" y="{bottom}" text-anchor="end">0 to {most:.0f}</text>'
    for number, each in enumerate(series):
        yield (
            f'<text x="{LEFT - 8}" y="{top + 27 + 13 * number}" text-anchor="end" '
            f'fill="{each.color}">{each.name}</text>'
        )
        for points in _runs(each, samples, scale / most, x, bottom):
            yield f'<polyline points="{points}" stroke="{each.color}"/>'


def _runs(
    series: _Series,
    samples: Sequence[Sample],
    scale: float,
    x: Callable[[float], float],
    bottom: float,
) -> Iterable[str]:
    """Yield the lines of a series, interrupted at samples without a value."""
    points: list[str] = []
    for sample in samples:
        value = series.value(sample)
        if value is not None:
            y = bottom - TRACK_HEIGHT * value * scale
            points.append(f"{x(sample.second):.1f},{y:.1f}")
        elif points:
            yield " ".join(points)
            points = []
    if points:
        yield " ".join(points)


def _axis(seconds: float, x: Callable[[float], float], height: float) -> Iterable[str]:
    step = next(s for s in (1, 2, 5, 10, 20, 30, 60, 120, 600, 3600) if seconds / s <= TICKS_MAX)
    for tick in range(0, int(seconds) + 1, step):
        yield (
            f'<text x="{x(tick):.1f}" y="{height - 8}" text-anchor="middle">{tick}'
            f"{' s' if tick == 0 else ''}</text>"
        )
