"""Runs every test, in two processes side by side, because most tests wait for something.

`python -m tests [ARGUMENT ...]`; the arguments are pytest's, and go to both processes. The first
tells its progress as ever. What the second has to say is shown when both are done.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
# Both take the same while. Here is what only computes, and what has all its servers in processes of
# their own; what minds most to be late is in the first.
SECOND = (
    "bench",
    "cold",
    "deploy",
    "drill",
    "imageworker/test_child.py",
    "imageworker/test_fuzz_decoders.py",
    "imageworker/test_good_photos.py",
    "imageworker/test_hostile_files.py",
    "imageworker/test_quality.py",
    "permission_urls",
    "planted",
    "simulation",
    "storagenode/test_bucket_faults.py",
    "storagenode/test_bucket_node.py",
    "storagenode/test_bucket_store_contract.py",
    "storagenode/test_crash_points.py",
    "storagenode/test_crash_states.py",
    "storagenode/test_syscall_errors.py",
    "volumes",
)


def main() -> int:
    """Run all; the exit status is that of the first process, or else of the second."""
    apart = [str(HERE / name) for name in SECOND]
    with tempfile.TemporaryFile() as told:
        second = _begin(apart, ports="21504-32767", stdout=told, stderr=told)
        try:
            first = _begin(
                [str(HERE), *(f"--ignore={path}" for path in apart)], ports="10240-21503"
            )
            first.wait()
        finally:
            # Who interrupts this has interrupted all three.
            status = second.wait()
            told.seek(0)
            sys.stdout.write(f"\nThe tests of the second process:\n{told.read().decode()}")
    return first.returncode or status


def _begin(paths: list[str], *, ports: str, **streams: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", "-q", *sys.argv[1:], *paths]
    return subprocess.Popen(command, env=os.environ | {"GLASSPLATE_TEST_PORTS": ports}, **streams)


if __name__ == "__main__":
    sys.exit(main())
