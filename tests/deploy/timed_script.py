"""Running a shell script with fake programs, and when it printed which line."""

import itertools
import subprocess
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class TimedRun:
    """The result of a script: its exit status, and its lines with the second of each."""

    status: int
    lines: list[tuple[float, str]]
    seconds: float

    @property
    def text(self):
        """Everything that was printed, to stdout and stderr."""
        return "\n".join(line for _, line in self.lines)

    @property
    def longest_silence_seconds(self):
        """The longest time without a line, from the start to the end."""
        times = [0.0, *(seconds for seconds, _ in self.lines), self.seconds]
        return max(after - before for before, after in itertools.pairwise(times))

    def seconds_until(self, words):
        """Return when a line with these words was printed."""
        return next(seconds for seconds, line in self.lines if words in line)


def run_timed(command, environment):
    """Run a script to its end."""
    started = time.monotonic()
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        lines = [(time.monotonic() - started, line.rstrip()) for line in process.stdout]
    return TimedRun(process.returncode, lines, time.monotonic() - started)


def make_program(path, script):
    """Write an executable shell script that records its arguments."""
    path.write_text(f'#!/bin/sh\necho "$*" >>"$0.calls"\n{script}\n')
    path.chmod(0o755)


def calls_of(program):
    """Return the arguments of each call of a fake program."""
    return program.with_name(f"{program.name}.calls").read_text().splitlines()
