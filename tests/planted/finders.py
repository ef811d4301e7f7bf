"""The parts of the suite that find planted bugs."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.planted.planted_bug import PlantedBug
from tests.simulation.simulation import simulate
from tests.storagenode.disk.batch_scenarios import SCENARIOS
from tests.storagenode.disk.crash_exploration import explore, prepared

PLANTED = "GLASSPLATE_PLANTED_BUG"
"""Environment variable with the name of the bug that a test process plants in itself."""

_FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class CrashStates:
    """Layer A: every state that a crash can leave in one scenario."""

    scenario: str

    @property
    def name(self) -> str:
        """Name of the part."""
        return f"crash states of “{self.scenario}”"

    def find(self, bug: PlantedBug) -> str:
        """Return the first violation, or an empty string."""
        scenario = next(each for each in SCENARIOS if each.name == self.scenario)
        base = prepared(scenario)
        with pytest.MonkeyPatch.context() as patch:
            bug.plant(patch)
            violations = explore(scenario, base=base, violations_max=1).violations
        return violations[0].partition(": ")[2] if violations else ""


@dataclass(frozen=True)
class Simulation:
    """Layer B: simulated histories, seed by seed, until one violates a rule."""

    rule: str
    """The violated rule."""
    seeds_max: int = 300
    first_seed: int = 1
    """The first seed, for a bug that few seeds find."""

    @property
    def name(self) -> str:
        """Name of the part."""
        return f"simulation, {self.rule}"

    def find(self, bug: PlantedBug) -> str:
        """Return the first violation of the rule with its seed, or an empty string."""
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
    """Tests of one file, in a process with the bug."""

    __test__ = False

    path: str

    @property
    def name(self) -> str:
        """Name of the part."""
        return self.path

    def find(self, bug: PlantedBug) -> str:
        """Return the first failed test, or an empty string."""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.planted.pytest_plugin"]
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", self.path],
            env={**os.environ, PLANTED: bug.name},
            capture_output=True,
            text=True,
            check=False,
        )
        failed = _FAILED.search(done.stdout)
        # An error during collection does not count.
        return failed[1] if done.returncode == pytest.ExitCode.TESTS_FAILED and failed else ""
