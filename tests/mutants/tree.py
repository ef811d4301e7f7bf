"""Copies of the working tree in which tests run against a changed module."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WARM_PROCESS = Path(__file__).with_name("warm_process.py")
CAUGHT, TIMED_OUT, SURVIVED = "caught", "timed out", "survived"
BASELINE_SECONDS_MAX = 900.0
# An endless loop must end, and tests that only wait longer must not.
LIMIT_SECONDS_MIN = 10.0
LIMIT_FACTOR = 4
# What runs outside tests counts for all of them.
OUTSIDE_TESTS = ""

_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class TestsFailed(Exception):
    """The tests of a module fail without a mutant, so they prove nothing."""

    __test__ = False


@dataclass(frozen=True, slots=True)
class Baseline:
    """A run of the tests without a mutant."""

    seconds: dict[str, float]
    """Duration of each test."""
    reached: dict[str, frozenset[int]]
    """The lines of the module that each test reaches, or the fixtures of a test file."""

    def tests_for(self, lines: range | None) -> list[str]:
        """Return the tests that reach a line, the quickest file first; None is all tests."""
        chosen = [test for test in self.seconds if self._reaches(test, lines)]
        files: dict[str, float] = {}
        for test in chosen:
            file = test.partition("::")[0]
            files[file] = files.get(file, 0.0) + self.seconds[test]
        return sorted(chosen, key=lambda test: files[test.partition("::")[0]])

    def _reaches(self, test: str, lines: range | None) -> bool:
        keys = (test, test.partition("::")[0], OUTSIDE_TESTS)
        return lines is None or any(
            line in lines for key in keys for line in self.reached.get(key, ())
        )


class Tree:
    """A copy of the working tree, with its own ports."""

    def __init__(self, root: Path, folder: Path, ports: range) -> None:
        self.folder = folder
        temporary = folder / "tmp"
        temporary.mkdir(parents=True)
        temporary.chmod(0o1777)
        self.environment = os.environ | {
            "PYTHONPATH": str(folder),
            "TMPDIR": str(temporary),
            "GLASSPLATE_TEST_PORTS": f"{ports[0]}-{ports[-1]}",
        }
        listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            if (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)

    @contextlib.contextmanager
    def mutated(self, module: str, source: str) -> Iterator[None]:
        """Give a module another source until the block exits."""
        path = self.folder / module
        original = path.read_text()
        # Compiled code is valid for a size and a second, which two mutants can have in common.
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            compiled.unlink()
        path.write_text(source)
        try:
            yield
        finally:
            path.write_text(original)


class WarmTests:
    """The tests of a module, in a process that has imported what they need.

    Raises:
        TestsFailed: A test fails without a mutant.
    """

    def __init__(self, tree: Tree, module: str, tests: Sequence[str]) -> None:
        self._tree, self._module, self._tests = tree, module, tests
        self._process = subprocess.Popen(
            (sys.executable, "-P", str(WARM_PROCESS), module),
            cwd=tree.folder,
            env=tree.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.baseline = self._run_unchanged()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def run_mutant(self, source: str, ids: Sequence[str]) -> tuple[str, str]:
        """Return the outcome of tests with this source of the module, and the failed test."""
        if not ids:
            return SURVIVED, ""
        usual = sum(self.baseline.seconds[test] for test in ids)
        limit = max(LIMIT_SECONDS_MIN, LIMIT_FACTOR * usual)
        files = list(dict.fromkeys(test.partition("::")[0] for test in ids))
        skipped = list(self.baseline.seconds.keys() - set(ids))
        with self._tree.mutated(self._module, source):
            response = self._request(tests=files, skipped=skipped, seconds_max=limit)
        if response["status"] is None:
            return TIMED_OUT, ""
        if response["status"] == 0:
            return SURVIVED, ""
        failed = _FAILED.search(response["output"])
        return CAUGHT, failed[1] if failed else ""

    def _run_unchanged(self) -> Baseline:
        response = self._request(
            tests=list(self._tests), seconds_max=BASELINE_SECONDS_MAX, is_baseline=True
        )
        if response["status"] != 0:
            output = response["output"][-3000:]
            raise TestsFailed(f"tests fail without a mutant; fix them first:\n{output}")
        reached = {key: frozenset(lines) for key, lines in response["reached"].items()}
        return Baseline(response["seconds"], reached)

    def _request(
        self,
        *,
        tests: Sequence[str],
        seconds_max: float,
        skipped: Sequence[str] = (),
        is_baseline: bool = False,
    ) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        request = {
            "tests": tests,
            "skipped": skipped,
            "seconds_max": seconds_max,
            "is_baseline": is_baseline,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        response: dict[str, Any] = json.loads(self._process.stdout.readline())
        return response
