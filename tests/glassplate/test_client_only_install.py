"""The install without extras: the client and the command line work without server packages.

Each test runs in a process of its own in which those packages cannot be imported.
"""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from glassplate.cli.main import SECTIONS
from runtime.server_extra import INSTALL_COMMAND, SERVER_MODULES

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_SERVER_PACKAGES = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({sorted(SERVER_MODULES)!r}))
"""
SERVER_COMMANDS = (["up"], ["proxy-config", "nginx"], ["drill", "node-killed"])
CLIENT_COMMANDS = [
    command.name
    for section in SECTIONS
    for command in section.commands
    if command.name not in {"up", "proxy-config", "drill", "regenerate"}
]
SERVICES = (
    ["storagenode", "--node", "east-1"],
    ["storagemaster", "--master", "east-master"],
    ["imageworker", "--colo", "east"],
)


def run_without(code, *arguments, cwd=None):
    """Run code with the server packages blocked."""
    command = [sys.executable, "-c", WITHOUT_SERVER_PACKAGES + code, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd or ROOT
    )


def run_module(module, *arguments, cwd=None):
    """Run `python -m module` with the server packages blocked."""
    code = f"sys.path.insert(0, {str(ROOT)!r}); sys.argv[0] = {module!r}\n"
    code += f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return run_without(code, *arguments, cwd=cwd)


def test_the_client_is_built_without_server_packages():
    """Both clients open and close, and no module of the services' own packages is missing."""
    done = run_without(
        "import asyncio, glassplate, glassplate.blocking\n"
        "async def main():\n"
        "    async with glassplate.Client('http://127.0.0.1:9', token='x'):\n"
        "        pass\n"
        "asyncio.run(main())\n"
        "with glassplate.blocking.Client('http://127.0.0.1:9', token='x'):\n"
        "    pass\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["", *CLIENT_COMMANDS])
def test_a_client_command_needs_no_server_package(name):
    """The help of a command, which imports its module, is printed."""
    done = run_module("glassplate", *filter(None, [name]), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: " in done.stdout


@pytest.mark.parametrize("command", SERVER_COMMANDS, ids=" ".join)
def test_a_server_command_says_what_to_install(command, tmp_path):
    """Two lines instead of a traceback: the missing module, and the command to run."""
    done = run_module("glassplate", *command, cwd=tmp_path)
    assert done.returncode == 2
    missing, fix = done.stderr.splitlines()
    assert missing.startswith("glassplate: the server packages are not installed: no module ")
    assert fix == f"Run: {INSTALL_COMMAND}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", SERVICES, ids=lambda command: command[0])
def test_a_service_says_what_to_install(command, tmp_path):
    """Starting one from a base install ends with the same two lines."""
    module, *arguments = command
    done = run_module(module, "--config", "cluster.toml", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    missing, fix = done.stderr.splitlines()
    assert missing.startswith(f"{module}: the server packages are not installed: no module ")
    assert fix == f"Run: {INSTALL_COMMAND}"


def test_another_missing_module_keeps_its_traceback():
    """Installing the extra would not help if a module of the project itself is missing."""
    done = run_without(
        "from runtime.server_extra import needs_server_packages\n"
        "with needs_server_packages('x'):\n"
        "    import volumes.not_there\n"
    )
    assert "ModuleNotFoundError: No module named 'volumes.not_there'" in done.stderr


def test_the_list_of_modules_is_that_of_the_extra():
    """Every package of the extra is listed by its module, and no package of the base install is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    distributions = packages_distributions()
    listed = {d.lower() for module in SERVER_MODULES for d in distributions[module]}
    extra = {Requirement(line).name for line in project["optional-dependencies"]["server"]}
    base = {Requirement(line).name for line in project["dependencies"]}
    # botocore comes with boto3, and is imported by its own name.
    assert {name.replace("_", "-") for name in listed} - {"botocore"} == extra
    assert not extra & base
