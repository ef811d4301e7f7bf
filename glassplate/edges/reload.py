"""Reloads of running edges, without a restart and without losing a request."""

import json
import re
import subprocess
import time
from collections.abc import Iterable

RELOAD_SECONDS_MAX = 30
VARNISHADM_PROGRAM = "/usr/bin/varnishadm"

_NAME_PREFIX = "edge_"
# nginx writes the time and its process id, which make the same reason a new one.
_OF_ONE_MOMENT = re.compile(r"[0-9/]{10} [0-9:]{8} (?=\[)|[0-9]+#[0-9]+: ")


class ReloadFailed(Exception):
    """An edge that is not running, or that rejected its files."""


def reload_nginx(command: Iterable[str]) -> None:
    """Send the reload signal to the nginx that runs with this command.

    Raises:
        ReloadFailed: It is not running.
    """
    _run([*command, "-s", "reload"])


def reload_varnish(work_dir: str, main_file: str) -> None:
    """Make the Varnish of a working folder compile and use a file, and discard the old VCLs.

    Raises:
        ReloadFailed: It is not running, or rejected the file. It keeps its VCL.
    """
    admin = [VARNISHADM_PROGRAM, "-n", work_dir]
    former = _loaded(_run([*admin, "vcl.list", "-j"]))
    name = f"{_NAME_PREFIX}{time.time_ns()}"
    _run([*admin, "vcl.load", name, main_file])
    _run([*admin, "vcl.use", name])
    for old in former:
        _run([*admin, "vcl.discard", old])


def _loaded(listing: str) -> list[str]:
    """Return the names of the initial VCL and of the VCLs from earlier reloads.

    A VCL that was discarded is listed until its last request has ended. Its name is unknown then.
    """
    return [
        entry["name"]
        for entry in json.loads(listing)
        if isinstance(entry, dict)
        and entry["status"] != "discarded"
        and (entry["name"] == "boot" or entry["name"].startswith(_NAME_PREFIX))
    ]


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # the arguments come from this program
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
        # varnishadm prints the reason to stdout, and that it failed to stderr.
        reason = " ".join(f"{done.stdout} {done.stderr}".split())
        raise ReloadFailed(_OF_ONE_MOMENT.sub("", reason))
    return done.stdout
