"""Runs the whole test suite in three processes side by side, because most tests wait.

`python -m tests [ARGUMENT ...]` passes the arguments to pytest in all three. The first process
prints its progress. The output of the other two follows at the end.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
# The servers of these tests are separate processes. Timing-sensitive tests are in the first group.
SERVING = (
    "deploy",
    "drill",
    "imageworker",
    "storagenode/bucket",
    "storagenode/disk/test_crash_points.py",
    "tiering",
)
# These tests only compute, and get the processor time that the others leave.
COMPUTING = (
    "bench",
    "mutants",
    "permission_urls",
    "photos",
    "planted",
    "simulation",
    "storagenode/disk/test_crash_states.py",
    "storagenode/disk/test_syscall_errors.py",
    "volumes",
)
LEAST_URGENT = 19


def main() -> int:
    """Run all; return the exit status of the first process that failed."""
    serving, computing = ([str(HERE / name) for name in each] for each in (SERVING, COMPUTING))
    rest = [str(HERE), *(f"--ignore={path}" for path in (*serving, *computing))]
    with tempfile.TemporaryFile() as second, tempfile.TemporaryFile() as third:
        runs = [
            _begin(serving, ports="25000-29999", output=second),
            _begin(computing, ports="30000-32767", output=third, nice=LEAST_URGENT),
        ]
        try:
            runs.insert(0, _begin(rest, ports="10240-24999"))
            runs[0].wait()
        finally:
            # An interrupt reaches all processes.
            statuses = [run.wait() for run in runs]
            for name, output in (("second", second), ("third", third)):
                output.seek(0)
                sys.stdout.write(f"\nThe tests of the {name} process:\n{output.read().decode()}")
    return next((status for status in statuses if status), 0)


def _begin(
    paths: list[str], *, ports: str, output: IO[bytes] | None = None, nice: int = 0
) -> subprocess.Popen[bytes]:
    command = ["nice", f"-n{nice}", sys.executable, "-m", "pytest", "-q", *sys.argv[1:], *paths]
    environment = os.environ | {"GLASSPLATE_TEST_PORTS": ports}
    return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


if __name__ == "__main__":
    sys.exit(main())
