"""Installs without some extras: the client alone, and the command line without server packages.

Each test runs in a process of its own in which the packages of the extras cannot be imported.
"""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from glassplate.cli.main import SECTIONS
from runtime.extras import EXTRA_MODULES, install_command

ROOT = Path(__file__).resolve().parents[2]
SERVER_COMMANDS = (
    ["up"],
    ["certs", "list"],
    ["proxy-config", "nginx"],
    ["drill", "node-killed"],
)
CLIENT_COMMANDS = [
    command.name
    for section in SECTIONS
    for command in section.commands
    if command.name not in {"up", "certs", "proxy-config", "drill", "regenerate"}
]
SERVICES = (
    ["storagenode", "--node", "east-1"],
    ["storagemaster", "--master", "east-master"],
    ["imageworker", "--colo", "east"],
)


def run_without(code, *arguments, extras=("server",), cwd=None):
    """Run code with the packages of some extras blocked."""
    blocked = sorted(module for extra in extras for module in EXTRA_MODULES[extra])
    before = f"import runpy, sys\nsys.modules.update(dict.fromkeys({blocked!r}))\n"
    command = [sys.executable, "-c", before + code, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd or ROOT
    )


def run_module(module, *arguments, extras=("server",), cwd=None):
    """Run `python -m module` with the packages of some extras blocked."""
    code = f"sys.path.insert(0, {str(ROOT)!r}); sys.argv[0] = {module!r}\n"
    code += f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return run_without(code, *arguments, extras=extras, cwd=cwd)


def test_the_client_needs_no_extra():
    """Both clients open and close, and no module of the services' own packages is missing."""
    done = run_without(
        "import asyncio, glassplate, glassplate.blocking\n"
        "async def main():\n"
        "    async with glassplate.Client('http://127.0.0.1:9', token='x'):\n"
        "        pass\n"
        "asyncio.run(main())\n"
        "with glassplate.blocking.Client('http://127.0.0.1:9', token='x'):\n"
        "    pass\n",
        extras=EXTRA_MODULES,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_line_without_its_extra_says_what_to_install():
    """Two lines instead of a traceback."""
    done = run_module("glassplate", "put", "cat.jpg", extras=EXTRA_MODULES)
    assert done.returncode == 2
    missing, fix = done.stderr.splitlines()
    assert missing == "glassplate: the cli packages are not installed: no module click"
    assert fix == "Run: pip install 'glassplate[cli]'"


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
    assert fix == f"Run: {install_command('server')}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", SERVICES, ids=lambda command: command[0])
def test_a_service_says_what_to_install(command, tmp_path):
    """Starting one from a base install ends with the same two lines."""
    module, *arguments = command
    done = run_module(module, "--config", "cluster.toml", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    missing, fix = done.stderr.splitlines()
    assert missing.startswith(f"{module}: the server packages are not installed: no module ")
    assert fix == f"Run: {install_command('server')}"


def test_another_missing_module_keeps_its_traceback():
    """Installing the extra would not help if a module of the project itself is missing."""
    done = run_without(
        "from runtime.extras import needs_packages\n"
        "with needs_packages('x'):\n"
        "    import volumes.not_there\n"
    )
    assert "ModuleNotFoundError: No module named 'volumes.not_there'" in done.stderr


@pytest.mark.parametrize("extra", EXTRA_MODULES)
def test_the_list_of_modules_is_that_of_the_extra(extra):
    """Every package of the extra is listed by its module, and no package of the base install is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    distributions = packages_distributions()
    listed = {d.lower() for module in EXTRA_MODULES[extra] for d in distributions[module]}
    packages = {Requirement(line).name for line in project["optional-dependencies"][extra]}
    base = {Requirement(line).name for line in project["dependencies"]}
    # botocore comes with boto3, and is imported by its own name. One extra can include another.
    found = {name.replace("_", "-") for name in listed} - {"botocore"}
    assert found == packages - {"glassplate"}
    assert not packages & base
