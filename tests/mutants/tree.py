"""Copies of the working tree in which tests run against a changed module."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

CAUGHT, TIMED_OUT, SURVIVED = "caught", "timed out", "survived"
BASELINE_SECONDS_MAX = 600.0

_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class TestsFailed(Exception):
    """The tests of a module fail without a mutant, so they prove nothing."""

    __test__ = False


class Tree:
    """A copy of the working tree, with its own ports."""

    def __init__(self, root: Path, folder: Path, ports: range) -> None:
        self._folder = folder
        own = {"PYTHONPATH": str(folder), "GLASSPLATE_TEST_PORTS": f"{ports[0]}-{ports[-1]}"}
        self._environment = os.environ | own
        listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            if (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)

    def run_unchanged(self, tests: Sequence[str]) -> float:
        """Run tests without a mutant, which also compiles the tree; return their duration.

        Raises:
            TestsFailed: A test failed.
        """
        started = time.monotonic()
        status, output = self._run(tests, self._environment, limit_seconds=BASELINE_SECONDS_MAX)
        if status != 0:
            raise TestsFailed(f"tests fail without a mutant; fix them first:\n{output[-3000:]}")
        return time.monotonic() - started

    def run_mutant(
        self, module: str, source: str, tests: Sequence[str], *, limit_seconds: float
    ) -> tuple[str, str]:
        """Return the outcome of the tests with this source of a module, and the failed test."""
        path = self._folder / module
        original = path.read_text()
        path.write_text(source)
        # Compiled code is valid for a size and a second, which two mutants can have in common.
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            compiled.unlink()
        environment = self._environment | {"PYTHONDONTWRITEBYTECODE": "1"}
        try:
            status, output = self._run(tests, environment, limit_seconds=limit_seconds)
        finally:
            path.write_text(original)
        if status is None:
            return TIMED_OUT, ""
        failed = _FAILED.search(output)
        return (CAUGHT, failed[1] if failed else "") if status else (SURVIVED, "")

    def _run(
        self, tests: Sequence[str], environment: dict[str, str], *, limit_seconds: float
    ) -> tuple[int | None, str]:
        command = ["nice", "-n19", sys.executable, "-m", "pytest", "-q", "-x", "-p"]
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                [*command, "no:cacheprovider", *tests],
                cwd=self._folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status: int | None = process.wait(timeout=limit_seconds)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _kill_group(process)
            output.seek(0)
            return status, output.read()


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill the tests, and the servers that they left running."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
