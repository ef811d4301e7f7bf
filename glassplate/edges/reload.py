"""Having a running edge read its files again, with no request lost, and no restart."""

import json
import subprocess
import time
from collections.abc import Callable, Iterable

RELOAD_SECONDS_MAX = 30
VARNISHADM_PROGRAM = "/usr/bin/varnishadm"

_OURS = "edge_"


class ReloadFailed(Exception):
    """The edge did not take its files: it is not running, or says why."""


def reload_nginx(command: Iterable[str]) -> None:
    """Signal the nginx that a command runs.

    Raises:
        ReloadFailed: There is none.
    """
    _run([*command, "-s", "reload"])


def reload_varnish(work_dir: str, main_file: str) -> None:
    """Have the Varnish of a working folder compile a file and use it; what it used is thrown away.

    Raises:
        ReloadFailed: There is none, or it refused the file and goes on with what it had.
    """
    admin = [VARNISHADM_PROGRAM, "-n", work_dir]
    former = _loaded(_run([*admin, "vcl.list", "-j"]))
    name = f"{_OURS}{time.time_ns()}"
    _run([*admin, "vcl.load", name, main_file])
    _run([*admin, "vcl.use", name])
    for old in former:
        _run([*admin, "vcl.discard", old])


def reloading_nginx(command: Callable[[str], list[str]]) -> Callable[[str], None]:
    """Reloads the nginx that a command runs from the folder it is given."""
    return lambda folder: reload_nginx(command(folder))


def reloading_varnish(work_dir: str, main_file: str) -> Callable[[str], None]:
    """Reloads the Varnish of a working folder from the folder it is given."""
    return lambda folder: reload_varnish(work_dir, f"{folder}/{main_file}")


def _loaded(listing: str) -> list[str]:
    """The names of what Varnish was started with, and of what it was reloaded with since."""
    names = [entry["name"] for entry in json.loads(listing) if isinstance(entry, dict)]
    return [name for name in names if name == "boot" or name.startswith(_OURS)]


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # its arguments are ours
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=RELOAD_SECONDS_MAX,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReloadFailed(str(error)) from error
    if done.returncode:
        raise ReloadFailed((done.stderr or done.stdout).strip())
    return done.stdout
