"""Processor time of the measured processes, which moves with the code and not with the disk."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from glassplate.local.processes import SupervisedProcess

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Position of `utime` in /proc/PID/stat after the name of the program, see proc(5).
_USER_TICKS = 11


@dataclass(frozen=True, slots=True)
class ProcessorTimes:
    """Seconds in user and system mode of each group of processes, up to one moment."""

    seconds: Mapping[str, float]

    def milliseconds_since(self, earlier: "ProcessorTimes", *, photos: int) -> dict[str, float]:
        """Return the milliseconds for each photo of the processes that ran at both moments."""
        return {
            name: (seconds - earlier.seconds[name]) * 1000 / photos
            for name, seconds in self.seconds.items()
            if name in earlier.seconds
        }


def processor_times(processes: Iterable[SupervisedProcess]) -> ProcessorTimes:
    """Return the processor times of running processes. All storage nodes are one group."""
    seconds: dict[str, float] = {}
    for process in processes:
        if process.pid is not None:
            name = _group_of(process.plan.argv, process.plan.name)
            seconds[name] = seconds.get(name, 0.0) + _seconds_of(process.pid)
    return ProcessorTimes(seconds)


def _group_of(argv: Iterable[str], name: str) -> str:
    return next((each for each in ("storagenode", "storagemaster") if each in argv), name)


def _seconds_of(pid: int) -> float:
    """Return the user and system time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_USER_TICKS]) + int(fields[_USER_TICKS + 1])) / _TICKS_PER_SECOND
