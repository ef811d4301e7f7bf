"""Drills at a terminal: progress, results, and violations."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from drill.load.samples import SAMPLE_SECONDS, Sample
from drill.run import Drill
from drill.scenarios.scenario import Scenario

VIOLATIONS_SHOWN = 5


class LiveDrills:
    """The live display while drills run."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        not_run: Mapping[str, str],
        *,
        seed: int,
        clock: Callable[[], float],
    ) -> None:
        self._total = len(scenarios) - len(not_run)
        self._not_run = not_run
        self._seed = seed
        self._clock = clock
        self._begun = clock()
        self._finished: list[Drill] = []
        self._current = ""
        self._samples: list[Sample] = []

    def update(self, scenario: Scenario, what: str, samples: list[Sample]) -> None:
        """Record the progress of the current drill."""
        self._current = f"{scenario.name}: {what}"
        self._samples = samples

    def end(self, drill: Drill) -> None:
        """Record a finished drill."""
        self._finished.append(drill)

    def render(self) -> Group:
        """Return the current display."""
        took = self._clock() - self._begun
        left = (
            took / len(self._finished) * (self._total - len(self._finished))
            if self._finished
            else 0
        )
        number = min(len(self._finished) + 1, self._total)
        title = (
            f"drill {number} of {self._total}, seed {self._seed}, "
            f"{took:.0f} s{f', about {left:.0f} s left' if left else ''}"
        )
        table = table_of_drills(self._finished, self._not_run)
        return Group(table, Text(title), Text(self._describe_load()))

    def line(self, drill: Drill) -> str:
        """Return one line about a drill, for output without a terminal."""
        verdict = "held" if drill.passed else f"BROKEN {broken_rules(drill)}"
        return f"{drill.scenario.name}: {verdict}, {drill.seconds:.0f} s"

    def _describe_load(self) -> str:
        if not self._samples:
            return self._current
        last = self._samples[-1]
        return (
            f"{self._current}; reads {last.reads_ok / SAMPLE_SECONDS:.0f} a second, "
            f"{last.reads_failed} failed; writes {last.writes_ok / SAMPLE_SECONDS:.0f} a second, "
            f"{last.writes_failed} failed; nodes up {_or_unknown(last.nodes_up)}, "
            f"hints {_or_unknown(last.pending_hints)}, jobs {_or_unknown(last.jobs)}"
        )


def table_of_drills(drills: Sequence[Drill], not_run: Mapping[str, str]) -> Table:
    """Return a table with one row per drill."""
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario", no_wrap=True)
    table.add_column("verdict")
    for title in ("faults proven", "operations", "converged after", "took"):
        table.add_column(title, justify="right")
    table.add_column("broken rules")
    for drill in drills:
        proofs = drill.evidence.proofs
        converged = drill.criteria.converged_seconds if drill.criteria else None
        table.add_row(
            drill.scenario.name,
            Text("held", "green") if drill.passed else Text("broken", "red"),
            f"{sum(proof.fired for proof in proofs)} of {len(proofs)}",
            str(len(drill.operations)),
            "never" if converged is None else f"{converged:.1f} s",
            f"{drill.seconds:.0f} s",
            broken_rules(drill),
        )
    for name, reason in not_run.items():
        table.add_row(name, Text("not run", "red"), "", "", "", "", reason)
    return table


def broken_rules(drill: Drill) -> str:
    """Return the rules that a drill broke, or the reason for the lack of a verdict."""
    if drill.verdict is None:
        return "the drill did not finish"
    rules = [finding.rule for finding in drill.verdict.findings if not finding.held]
    return " ".join([*rules, *(["a fault did not fire"] if not drill.evidence.is_complete else [])])


def violations_of(drills: Sequence[Drill]) -> Iterator[str]:
    """Yield the violations and the missing evidence, one line each."""
    for drill in drills:
        if drill.failure_reason:
            yield f"{drill.scenario.name}: {drill.failure_reason.strip().splitlines()[-1]}"
        for what in drill.evidence.missing():
            yield f"{drill.scenario.name}: not observed: {what}"
        found = drill.verdict.violations if drill.verdict else []
        for violation in found[:VIOLATIONS_SHOWN]:
            yield f"{drill.scenario.name}: {violation}"
        if len(found) > VIOLATIONS_SHOWN:
            yield f"{drill.scenario.name}: and {len(found) - VIOLATIONS_SHOWN} more"


def _or_unknown(value: int | None) -> str:
    return "unknown" if value is None else str(value)
