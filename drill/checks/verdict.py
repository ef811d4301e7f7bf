"""Verdict of a checker: each rule with the number of its checks and its violations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drill.checks.final_state import FinalState
from drill.checks.photo_index import PhotoIndex
from drill.checks.stalls import Stall

GONE_SECONDS_MAX = 5.0
"""Limit, in seconds, for an edge that received the purge to serve a deleted photo."""
GONE_AFTER_HEAL_SECONDS_MAX = 60.0
"""Limit after the last fault, in seconds, for an edge that missed the purge."""
REPAIR_RATIO_MAX = 3.0
"""Limit of repair traffic, as a multiple of the missing bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Bounds and conditions of one run."""

    began_ns: int
    """Time of the first fault."""
    healed_ns: int
    """Time at which the last fault was removed."""
    converged_seconds: float | None
    """Seconds from `healed_ns` or the end of the load until the mirrors were equal, or None."""
    converge_seconds_max: float
    unaffected_edges: frozenset[str] = frozenset()
    """Edges that can reach a copy of every photo despite the faults: their reads must succeed."""
    read_success_min: float = 0.99
    colo_of: Mapping[str, str] = field(default_factory=dict)
    """Colos of edges and storagemasters if the faults partition the colos; otherwise empty."""
    stalls: Sequence[Stall] = ()
    """Stalls of the machine during the run."""
    quarantined_max: int = 0
    """Number of files that the faults damaged."""
    missing_bytes: int = 0
    """Bytes that mirrors and workers lacked when the load ended."""
    moved_bytes: int = 0
    """Bytes that the nodes sent from then on."""
    listing_bytes: int = 0
    """Bytes that the comparison of mirrors takes in that time without any repair."""
    copies_watched: bool = False
    """True if the map changed."""
    shortages: Mapping[str, str] = field(default_factory=dict)
    """The originals with too few copies while the map changed: what was seen, by path."""


@dataclass(frozen=True, slots=True)
class Case:
    """Input of the rules: a history, a final state, and the criteria."""

    index: PhotoIndex
    state: FinalState
    criteria: Criteria


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise."""

    rule: str
    what: str
    photo: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: {self.photo + ' ' if self.photo else ''}{self.what}"


@dataclass(slots=True)
class Finding:
    """Result of one rule."""

    rule: str
    promise: str
    checked: int = 0
    violations: list[Violation] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """True if the rule has no violation."""
        return not self.violations

    def count(self, things: int = 1) -> None:
        """Count checks. A rule without any check proves nothing."""
        self.checked += things

    def add_violation(self, what: str, photo: str = "") -> None:
        """Record a violation."""
        self.violations.append(Violation(self.rule, what, photo))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Results of all rules."""

    findings: tuple[Finding, ...]

    @property
    def held(self) -> bool:
        """True if no rule has a violation."""
        return all(finding.held for finding in self.findings)

    @property
    def violations(self) -> list[Violation]:
        """The violations of all rules."""
        return [each for finding in self.findings for each in finding.violations]
