"""What a checker says of a drill: each rule with how much it looked at, and what broke it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drill.checks.final_state import FinalState
from drill.checks.photo_index import PhotoIndex
from drill.checks.stalls import Stall

GONE_SECONDS_MAX = 5.0
"""Seconds after the last fault for which an edge that missed the purge may serve the photo."""
GONE_AFTER_HEAL_SECONDS_MAX = 60.0
"""The same, for one that could not be told until its links healed."""
REPAIR_RATIO_MAX = 3.0
"""How many times what was missing a repair may move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What a cluster was held to in one drill."""

    began_ns: int
    """When the first fault was injected."""
    healed_ns: int
    """When the last one was taken back."""
    converged_seconds: float | None
    """How long after that, or after the load's end, the mirrors were equal; None: not in time."""
    converge_seconds_max: float
    unaffected_edges: frozenset[str] = frozenset()
    """Edges that the faults leave a way to a copy of every photo: reads there must succeed."""
    read_success_min: float = 0.99
    colo_of: Mapping[str, str] = field(default_factory=dict)
    """Of edges and storagemasters, where the faults keep the colos apart; else nothing."""
    stalls: Sequence[Stall] = ()
    """When the machine had no time for the drill."""
    quarantined_max: int = 0
    """How many files the drill itself made corrupt."""
    missing_bytes: int = 0
    """What the mirrors lacked, and what workers had to fetch, when repair had the cluster alone."""
    moved_bytes: int = 0
    """What the nodes sent from then on."""
    listing_bytes: int = 0
    """What comparing the mirrors takes in that time, with nothing to repair."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: what the load saw, and what the cluster holds in the end."""

    index: PhotoIndex
    state: FinalState
    terms: Criteria


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise that was not kept."""

    rule: str
    what: str
    photo: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: {self.photo + ' ' if self.photo else ''}{self.what}"


@dataclass(slots=True)
class Finding:
    """One rule: what it says, at how many things it looked, and what broke it."""

    rule: str
    promise: str
    checked: int = 0
    violations: list[Violation] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether nothing broke it."""
        return not self.violations

    def count(self, things: int = 1) -> None:
        """Count what is looked at: a rule that looked at nothing has proved nothing."""
        self.checked += things

    def add_violation(self, what: str, photo: str = "") -> None:
        """Note what broke it."""
        self.violations.append(Violation(self.rule, what, photo))


@dataclass(frozen=True, slots=True)
class Verdict:
    """All rules of one drill."""

    findings: tuple[Finding, ...]

    @property
    def held(self) -> bool:
        """Whether every promise was kept."""
        return all(finding.held for finding in self.findings)

    @property
    def violations(self) -> list[Violation]:
        """Everything that was not as promised."""
        return [each for finding in self.findings for each in finding.violations]
