"""Runs every test, in three processes side by side, because most tests wait for something.

`python -m tests [ARGUMENT ...]`; the arguments are pytest's, and go to all three. The first tells
its progress as ever. What the others have to say is shown when all are done.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
# These have all their servers in processes of their own. What minds to be late is in the first.
SERVING = (
    "deploy",
    "drill",
    "imageworker",
    "storagenode/bucket",
    "storagenode/disk/test_crash_points.py",
    "tiering",
)
# These only compute, by no clock, and are given what processor time the others leave.
COMPUTING = (
    "bench",
    "permission_urls",
    "planted",
    "simulation",
    "storagenode/disk/test_crash_states.py",
    "storagenode/disk/test_syscall_errors.py",
    "volumes",
)
LEAST_URGENT = 19


def main() -> int:
    """Run all; the exit status is that of the first process that did not end well."""
    serving, computing = ([str(HERE / name) for name in each] for each in (SERVING, COMPUTING))
    rest = [str(HERE), *(f"--ignore={path}" for path in (*serving, *computing))]
    with tempfile.TemporaryFile() as second, tempfile.TemporaryFile() as third:
        runs = [
            _begin(serving, ports="25000-29999", told=second),
            _begin(computing, ports="30000-32767", told=third, nice=LEAST_URGENT),
        ]
        try:
            runs.insert(0, _begin(rest, ports="10240-24999"))
            runs[0].wait()
        finally:
            # Who interrupts this has interrupted all of them.
            statuses = [run.wait() for run in runs]
            for name, told in (("second", second), ("third", third)):
                told.seek(0)
                sys.stdout.write(f"\nThe tests of the {name} process:\n{told.read().decode()}")
    return next((status for status in statuses if status), 0)


def _begin(
    paths: list[str], *, ports: str, told: IO[bytes] | None = None, nice: int = 0
) -> subprocess.Popen[bytes]:
    command = ["nice", f"-n{nice}", sys.executable, "-m", "pytest", "-q", *sys.argv[1:], *paths]
    environment = os.environ | {"GLASSPLATE_TEST_PORTS": ports}
    return subprocess.Popen(command, env=environment, stdout=told, stderr=told)


if __name__ == "__main__":
    sys.exit(main())
