"""Drills at a terminal: the one that runs, those that are over, and what was not as promised."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from drill.load.samples import SAMPLE_SECONDS, Sample
from drill.run import Drill
from drill.scenarios.scenario import Scenario

VIOLATIONS_SHOWN = 5


class LiveDrills:
    """What is shown while drills run."""

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
        self._over: list[Drill] = []
        self._now = ""
        self._samples: list[Sample] = []

    def update(self, scenario: Scenario, what: str, samples: list[Sample]) -> None:
        """Note what the running drill is at."""
        self._now = f"{scenario.name}: {what}"
        self._samples = samples

    def end(self, drill: Drill) -> None:
        """Note that a drill is over."""
        self._over.append(drill)

    def render(self) -> Group:
        """The table as it is now."""
        took = self._clock() - self._begun
        left = took / len(self._over) * (self._total - len(self._over)) if self._over else 0
        title = (
            f"drill {min(len(self._over) + 1, self._total)} of {self._total}, seed {self._seed}, "
            f"{took:.0f} s{f', about {left:.0f} s left' if left else ''}"
        )
        return Group(table_of_drills(self._over, self._not_run), Text(title), Text(self._present()))

    def line(self, drill: Drill) -> str:
        """One line for where there is no terminal."""
        verdict = "held" if drill.passed else f"BROKEN {broken_rules(drill)}"
        return f"{drill.scenario.name}: {verdict}, {drill.seconds:.0f} s"

    def _present(self) -> str:
        if not self._samples:
            return self._now
        last = self._samples[-1]
        return (
            f"{self._now}; reads {last.reads_ok / SAMPLE_SECONDS:.0f} a second, "
            f"{last.reads_failed} failed; writes {last.writes_ok / SAMPLE_SECONDS:.0f} a second, "
            f"{last.writes_failed} failed; nodes up {_or_unknown(last.nodes_up)}, "
            f"owed {_or_unknown(last.pending_hints)}, jobs {_or_unknown(last.jobs)}"
        )


def table_of_drills(drills: Sequence[Drill], not_run: Mapping[str, str]) -> Table:
    """A row a drill."""
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario", no_wrap=True)
    table.add_column("verdict")
    for title in ("faults proven", "operations", "at rest after", "took"):
        table.add_column(title, justify="right")
    table.add_column("broken rules")
    for drill in drills:
        proofs = drill.evidence.proofs
        rest = drill.criteria.converged_seconds if drill.criteria else None
        table.add_row(
            drill.scenario.name,
            Text("held", "green") if drill.passed else Text("broken", "red"),
            f"{sum(proof.fired for proof in proofs)} of {len(proofs)}",
            str(len(drill.operations)),
            "not" if rest is None else f"{rest:.1f} s",
            f"{drill.seconds:.0f} s",
            broken_rules(drill),
        )
    for name, reason in not_run.items():
        table.add_row(name, Text("not run", "red"), "", "", "", "", reason)
    return table


def broken_rules(drill: Drill) -> str:
    """The rules that a drill broke, or why it has no verdict."""
    if drill.verdict is None:
        return "the drill broke off"
    rules = [finding.rule for finding in drill.verdict.findings if not finding.held]
    return " ".join([*rules, *(["a fault did not fire"] if not drill.evidence.is_complete else [])])


def violations_of(drills: Sequence[Drill]) -> Iterator[str]:
    """What was not as promised, in lines."""
    for drill in drills:
        if drill.failure_reason:
            yield f"{drill.scenario.name}: {drill.failure_reason.strip().splitlines()[-1]}"
        for what in drill.evidence.missing():
            yield f"{drill.scenario.name}: not seen: {what}"
        found = drill.verdict.violations if drill.verdict else []
        for violation in found[:VIOLATIONS_SHOWN]:
            yield f"{drill.scenario.name}: {violation}"
        if len(found) > VIOLATIONS_SHOWN:
            yield f"{drill.scenario.name}: and {len(found) - VIOLATIONS_SHOWN} more"


def _or_unknown(value: int | None) -> str:
    return "unknown" if value is None else str(value)
