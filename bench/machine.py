"""Description of the machine: processor, kernel, and versions, without the host name."""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("aiohttp", "uvloop", "pillow", "rq")
_SERVERS = {"nginx": ("nginx", "-v"), "varnish": ("varnishd", "-V")}
_VERSION = re.compile(r"\d+(?:\.\d+)+")
# Directories of Debian's servers, which are not in a user's PATH.
_SERVER_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])


def describe_machine() -> dict[str, str]:
    """Return the properties of the machine, by name."""
    return {
        "cpu": _cpu_model(),
        "cores": f"{len(os.sched_getaffinity(0))} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"Python {platform.python_version()}, {'' if is_python_optimized() else 'not '}"
        "optimized",
        **{name: f"{name} {found}" for name in _PACKAGES if (found := _package_version(name))},
        **{name: f"{name} {found}" for name in _SERVERS if (found := _server_version(name))},
    }


def is_python_optimized() -> bool:
    """Return True if this Python was built with profile-guided optimization, as far as it tells.

    Debian and its like build in steps that `CONFIG_ARGS` does not list, and install below `/usr`.
    """
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return sys.base_prefix == "/usr" or "--enable-optimizations" in arguments


def _cpu_model() -> str:
    """Return the model name of the processor, or its architecture."""
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
    # The servers print their version to stdout or stderr.
    done = subprocess.run([path, flag], capture_output=True, text=True, check=False, timeout=10)
    match = _VERSION.search(done.stdout + done.stderr)
    return match[0] if match else None
