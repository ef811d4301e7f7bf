"""Counts of a module's mutants: caught, equivalent, survived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.mutants.campaign import NOT_RUN, Result
from tests.mutants.tree import SURVIVED

CAUGHT_SHARE_MIN = 0.95

Equivalents = Mapping[str, Mapping[str, str]]
"""The reason by change, by module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Counts of one module, or of all."""

    module: str
    mutants: int
    caught: int
    equivalent: int
    not_run: int
    seconds: float
    survivors: list[Result] = field(default_factory=list)
    wrong_equivalents: list[str] = field(default_factory=list)
    """Listed equivalents that a test caught, or that the module no longer has."""

    @property
    def caught_share(self) -> float:
        """The share of caught mutants among all that ran and are not equivalent.

        It is 0 before any ran.
        """
        judged = self.caught + len(self.survivors)
        return self.caught / judged if judged else float(not self.not_run)

    def line(self) -> str:
        """Return the counts as a line of a table."""
        return (
            f"{self.module:<48} {self.mutants:4} mutants {self.caught:4} caught"
            f" {self.equivalent:3} equivalent {len(self.survivors):3} survived"
            f" {100 * self.caught_share:5.1f} % {self.seconds:6.0f} s"
        )

    @classmethod
    def total(cls, summaries: Sequence["Summary"]) -> "Summary":
        """Return the sum of several summaries."""
        return cls(
            module="all",
            mutants=sum(each.mutants for each in summaries),
            caught=sum(each.caught for each in summaries),
            equivalent=sum(each.equivalent for each in summaries),
            not_run=sum(each.not_run for each in summaries),
            seconds=sum(each.seconds for each in summaries),
            survivors=[result for each in summaries for result in each.survivors],
            wrong_equivalents=[wrong for each in summaries for wrong in each.wrong_equivalents],
        )


def summarize(results: Sequence[Result], equivalents: Equivalents) -> Summary:
    """Count the mutants of one module."""
    module = results[0].module
    listed = equivalents.get(module, {})
    survived = [result for result in results if result.outcome == SURVIVED]
    ran = {result.change for result in results if result.outcome != NOT_RUN}
    unchecked = {result.change for result in results} - ran
    surviving = {result.change for result in survived}
    return Summary(
        module=module,
        mutants=len(results),
        caught=sum(result.outcome not in {SURVIVED, NOT_RUN} for result in results),
        equivalent=len(surviving & listed.keys()),
        not_run=sum(result.outcome == NOT_RUN for result in results),
        seconds=sum(result.seconds for result in results),
        survivors=[result for result in survived if result.change not in listed],
        wrong_equivalents=[
            f"{module}  {change}" for change in listed if change not in surviving | unchecked
        ],
    )
