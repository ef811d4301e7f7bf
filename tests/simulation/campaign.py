"""Many histories on all cores, and their summary."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tests.simulation.simulation import Outcome, simulate

SEEDS_PER_CHUNK = 20


@dataclass(slots=True)
class Tally:
    """Totals of a campaign."""

    histories: int = 0
    messages: int = 0
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0
    longest_heal_seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Add a history."""
        self.histories += 1
        self.messages += outcome.messages
        self.virtual_seconds += outcome.virtual_seconds
        self.cpu_seconds += outcome.cpu_seconds
        self.longest_heal_seconds = max(self.longest_heal_seconds, outcome.healed_seconds)
        self.faults.update(outcome.faults)
        if outcome.violations:
            self.failed.append(outcome)

    def summary(self) -> str:
        """Return a summary of a few lines."""
        per_history = 1000 * self.cpu_seconds / max(1, self.histories)
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return (
            f"{self.histories} histories, {len(self.failed)} with violations\n"
            f"{self.messages} messages, {self.virtual_seconds / 3600:.1f} virtual hours, "
            f"{per_history:.1f} ms of CPU each\n"
            f"converged within {self.longest_heal_seconds:.0f} virtual seconds of the last fault\n"
            f"faults: {kinds}"
        )


def outcomes(seeds: Iterable[int], *, processes: int | None = None) -> Iterator[Outcome]:
    """Yield the outcome of each seed as it ends, with the log only of failed ones."""
    # A forked child would inherit locks that threads of the test process hold.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes or os.cpu_count()) as pool:
        yield from pool.imap_unordered(_outcome, seeds, SEEDS_PER_CHUNK)


def replay(seed: int) -> str:
    """Return the command that runs a seed again."""
    return f"make simulate SEED={seed}"


def _outcome(seed: int) -> Outcome:
    found = simulate(seed)
    return found if found.violations else replace(found, lines=())
