"""The parts of the suite that look for planted bugs."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.planted.planted_bug import PlantedBug
from tests.simulation.simulation import simulate
from tests.storagenode.disk.crash_exploration import explore, prepared
from tests.storagenode.disk.crash_scenarios import SCENARIOS

PLANTED = "GLASSPLATE_PLANTED_BUG"
"""Names the bug that a test process of its own is to plant in itself."""

_FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class CrashStates:
    """Layer A: every state that a crash can leave, of one scenario."""

    scenario: str

    @property
    def name(self) -> str:
        """The part, in words."""
        return f"crash states of “{self.scenario}”"

    def find(self, bug: PlantedBug) -> str:
        """The first promise that is broken."""
        scenario = next(each for each in SCENARIOS if each.name == self.scenario)
        base = prepared(scenario)
        with pytest.MonkeyPatch.context() as patch:
            bug.plant(patch)
            violations = explore(scenario, base=base, violations_max=1).violations
        return violations[0].partition(": ")[2] if violations else ""


@dataclass(frozen=True)
class Simulation:
    """Layer B: histories of one seed after the other, until one breaks a promise."""

    rule: str
    """The number of the promise that is broken."""
    seeds_max: int = 300
    first_seed: int = 1
    """Where a rare case is known to come up."""

    @property
    def name(self) -> str:
        """The part, in words."""
        return f"simulation, {self.rule}"

    def find(self, bug: PlantedBug) -> str:
        """The first violation of the rule, and how many seeds that took."""
        with pytest.MonkeyPatch.context() as patch:
            bug.plant(patch)
            for count in range(self.seeds_max):
                seed = self.first_seed + count
                for violation in simulate(seed).violations:
                    if violation.startswith(f"{self.rule}:"):
                        return f"seed {seed} (of {count + 1}): {violation}"
        return ""


@dataclass(frozen=True)
class Tests:
    """Tests of one file, in a process of their own in which the bug is planted."""

    __test__ = False

    path: str

    @property
    def name(self) -> str:
        """The part, in words."""
        return self.path

    def find(self, bug: PlantedBug) -> str:
        """The first test that fails."""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.planted.pytest_plugin"]
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", self.path],
            env={**os.environ, PLANTED: bug.name},
            capture_output=True,
            text=True,
            check=False,
        )
        failed = _FAILED.search(done.stdout)
        # Only a failed test counts: not a file that could not be collected.
        return failed[1] if done.returncode == pytest.ExitCode.TESTS_FAILED and failed else ""
