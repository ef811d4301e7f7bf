"""Runs the whole test suite in six processes side by side, because most tests wait.

`python -m tests [ARGUMENT ...]` passes the arguments to pytest in all of them. The first process
prints its progress. The output of the others follows at the end. A test that fails is run again
alone, because a busy machine breaks the time limits of whole clusters; both results are printed.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
CACHES = HERE.parent / ".pytest_cache"
LATER = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Tests of one process: their paths below `tests`, and the ports that they may take."""

    paths: tuple[str, ...]
    ports: str
    nice: int = 0


GROUPS = (
    # The servers of these tests are separate processes.
    Group(paths=("deploy", "drill", "storagenode/bucket", "tiering"), ports="23000-26499"),
    Group(paths=("imageworker", "storagenode/disk/test_crash_points.py"), ports="26500-29999"),
    # These tests start whole clusters and edges, and wait for them.
    Group(paths=("console", "journey", "probes", "proxy_config"), ports="18000-22999"),
    # The cluster of these tests is in their process.
    Group(paths=("storagemaster",), ports="14000-17999"),
    # These tests only compute. The tests that wait for servers go first.
    Group(
        paths=(
            "bench",
            "capacity",
            "mutants",
            "permission_urls",
            "photos",
            "planted",
            "simulation",
            "storagenode/disk/test_crash_states.py",
            "storagenode/disk/test_syscall_errors.py",
            "volumes",
        ),
        ports="30000-32767",
        nice=LATER,
    ),
)
PORTS_OF_ALL_OTHERS = "10240-13999"


def main() -> int:
    """Run all; return the exit status of the first process that failed."""
    with ExitStack() as open_files:
        outputs = [open_files.enter_context(tempfile.TemporaryFile()) for _ in GROUPS]
        runs = [
            _begin(_absolute(group.paths), ports=group.ports, nice=group.nice, output=output)
            for group, output in zip(GROUPS, outputs, strict=True)
        ]
        others = [f"--ignore={path}" for group in GROUPS for path in _absolute(group.paths)]
        try:
            runs.insert(0, _begin([str(HERE), *others], ports=PORTS_OF_ALL_OTHERS))
            runs[0].wait()
        finally:
            # An interrupt reaches all processes.
            statuses = [run.wait() for run in runs]
            for group, output in zip(GROUPS, outputs, strict=True):
                output.seek(0)
                heading = f"\nThe tests of {', '.join(group.paths)}:\n"
                sys.stdout.write(heading + output.read().decode())
    return max(
        (_run_failed_again(ports) for ports, status in _by_ports(statuses) if status), default=0
    )


def _by_ports(statuses: Sequence[int]) -> list[tuple[str, int]]:
    """Return the ports of each process, which name its cache, with its exit status."""
    return list(zip([PORTS_OF_ALL_OTHERS, *(g.ports for g in GROUPS)], statuses, strict=True))


def _run_failed_again(ports: str) -> int:
    """Run the failed tests of a process again, without others beside them; return the status."""
    sys.stdout.write("\nThe failed tests again, alone:\n")
    sys.stdout.flush()
    again = ["--last-failed", "--last-failed-no-failures=none", str(HERE)]
    return _begin(again, ports=ports).wait()


def _absolute(paths: Sequence[str]) -> list[str]:
    return [str(HERE / path) for path in paths]


def _begin(
    paths: Sequence[str], *, ports: str, output: IO[bytes] | None = None, nice: int = 0
) -> subprocess.Popen[bytes]:
    command = ["nice", f"-n{nice}", sys.executable, "-m", "pytest", "-q", *sys.argv[1:], *paths]
    command += ["-o", f"cache_dir={CACHES / ports}"]
    environment = os.environ | {"GLASSPLATE_TEST_PORTS": ports}
    return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


if __name__ == "__main__":
    sys.exit(main())
