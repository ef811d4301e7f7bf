"""Findings of checks, and the exit status that they lead to."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Result of a check, the worst last."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARN = "warn"
    FAIL = "fail"


EXIT_OF_VERDICT = {Verdict.OK: 0, Verdict.UNKNOWN: 0, Verdict.WARN: 1, Verdict.FAIL: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    id: str
    """Stable name of the check and its subject, such as `node-reachable/east-1`."""
    what: str
    verdict: Verdict
    found: str = ""
    do: str = ""
    """The remedy; empty if all is well."""


def ok(id_: str, what: str, found: str = "") -> Finding:
    """Return a finding that needs no act."""
    return Finding(id_, what, Verdict.OK, found)


def unknown(id_: str, what: str, found: str, do: str = "") -> Finding:
    """Return a finding of a check that could not be made from here."""
    return Finding(id_, what, Verdict.UNKNOWN, found, do)


def warn(id_: str, what: str, found: str, do: str) -> Finding:
    """Return a finding that an operator should act on."""
    return Finding(id_, what, Verdict.WARN, found, do)


def fail(id_: str, what: str, found: str, do: str) -> Finding:
    """Return a finding that breaks a promise of the cluster."""
    return Finding(id_, what, Verdict.FAIL, found, do)


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 0 if all is well, 1 for a warning, and 2 for a failure."""
    return max((EXIT_OF_VERDICT[finding.verdict] for finding in findings), default=0)
