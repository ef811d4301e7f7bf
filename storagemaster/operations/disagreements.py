"""Processes whose map, keys, or TLS mode have differed from the storagemaster's for a while.

A change reaches all processes within seconds, so a difference that ends soon is not reported.
"""

from collections.abc import Mapping
from typing import NamedTuple

from storagenode.protocol.agreement import Agreed

GRACE_SECONDS = 5.0


class Process(NamedTuple):
    """A process of the cluster: its kind, such as `node`, and its id."""

    kind: str
    id: str


class Disagreements:
    """The differences of all processes, and the time since each began."""

    def __init__(self) -> None:
        self._since: dict[tuple[Process, str], float] = {}

    def observe(
        self, now_seconds: float, own: Agreed, found: Mapping[Process, Agreed]
    ) -> dict[Process, list[str]]:
        """Return the fields in which each process has differed for longer than a change takes."""
        different = {
            (process, field)
            for process, theirs in found.items()
            for field in own.differences(theirs)
        }
        self._since = {each: self._since.get(each, now_seconds) for each in different}
        lasting: dict[Process, list[str]] = {process: [] for process in found}
        for (process, field), since in self._since.items():
            if now_seconds - since >= GRACE_SECONDS:
                lasting[process].append(field)
        return {process: sorted(fields) for process, fields in lasting.items()}
