"""What machine a bench ran on: processor, kernel and versions, and nothing that names the host."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("aiohttp", "uvloop", "pillow", "rq")
_SERVERS = {"nginx": ("nginx", "-v"), "varnish": ("varnishd", "-V")}
_VERSION = re.compile(r"\d+(?:\.\d+)+")
# Where Debian keeps servers, which a user's PATH leaves out.
_SERVER_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])


def describe_machine() -> dict[str, str]:
    """The machine in words, by what each is about."""
    return {
        "cpu": _cpu_model(),
        "cores": f"{len(os.sched_getaffinity(0))} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"Python {platform.python_version()}",
        **{name: f"{name} {found}" for name in _PACKAGES if (found := _package_version(name))},
        **{name: f"{name} {found}" for name in _SERVERS if (found := _server_version(name))},
    }


def _cpu_model() -> str:
    """The name the processor gives itself, or that of its kind where it gives none."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return " ".join(value.split())
    return platform.machine()


def _package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _server_version(name: str) -> str | None:
    program, flag = _SERVERS[name]
    path = shutil.which(program, path=_SERVER_PATH)
    if path is None:
        return None
    # nginx says it on stdout or stderr according to its version.
    said = subprocess.run([path, flag], capture_output=True, text=True, check=False, timeout=10)
    match = _VERSION.search(said.stdout + said.stderr)
    return match[0] if match else None
