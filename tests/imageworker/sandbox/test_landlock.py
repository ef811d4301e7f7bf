"""Landlock alone denies the file system, also where the system-call filter does not."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imageworker.recipe import DEFAULT_RECIPE
from imageworker.sandbox.landlock import handled_access
from imageworker.sandbox.sandbox import enter_sandbox

ATTEMPTS = {
    "read": "open(sys.argv[1]).read()",
    "write": "open(sys.argv[1], 'w')",
    "create": "open(sys.argv[1] + '-new', 'w')",
    "truncate": "os.truncate(sys.argv[1], 0)",
    "remove": "os.unlink(sys.argv[1])",
    "rename": "os.rename(sys.argv[1], sys.argv[1] + '-new')",
    "link": "os.link(sys.argv[1], sys.argv[1] + '-new')",
    "symlink": "os.symlink(sys.argv[1], sys.argv[1] + '-new')",
    "mkdir": "os.mkdir(sys.argv[1] + '-new')",
    "mkfifo": "os.mkfifo(sys.argv[1] + '-new')",
    "list": "os.listdir('/')",
}
PROGRAM = """
import os, sys
from imageworker.sandbox.landlock import deny_file_system
assert deny_file_system()
try:
    {attempt}
except PermissionError:
    print("denied")
"""


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_process_under_landlock_cannot(tmp_path: Path, attempt: str) -> None:
    """Each kind of access by path fails, although the process owns the file."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"a photo")
    program = PROGRAM.format(attempt=ATTEMPTS[attempt])
    ran = subprocess.run(
        [sys.executable, "-c", program, str(photo)], capture_output=True, check=True
    )
    assert ran.stdout == b"denied\n"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [
        ("photo.jpg", b"a photo")
    ]


def test_a_newer_kernel_denies_no_less() -> None:
    """Each ABI version handles what the one before it does, and no kernel handles nothing."""
    masks = [handled_access(abi) for abi in range(12)]
    assert masks[0] == 0
    assert all(later & earlier == earlier for earlier, later in itertools.pairwise(masks))


class NoFilter:
    """A system-call filter that allows every call."""

    def install(self) -> bool:
        """Install nothing."""
        return False


def test_a_decoder_is_under_landlock_besides_its_filter(tmp_path: Path) -> None:
    """Without the filter, it still removes no photo."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"a photo")
    child = os.fork()
    if not child:
        status = 2
        try:
            enter_sandbox(DEFAULT_RECIPE.limits, NoFilter())  # type: ignore[arg-type]
            photo.unlink()
            status = 1
        except PermissionError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert photo.read_bytes() == b"a photo"
