"""The wheel: it has every module, template and type marker of the project, and nothing else."""

import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest


@pytest.fixture(name="setuptools_config", scope="module")
def _setuptools_config(root):
    """Return the setuptools section of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]


@pytest.fixture(name="packages", scope="module")
def _packages(setuptools_config):
    """Return the top-level packages."""
    return [name.rstrip("*") for name in setuptools_config["packages"]["find"]["include"]]


@pytest.fixture(name="wheel_files", scope="module")
def _wheel_files(root, packages, tmp_path_factory):
    """Build a wheel from a copy of the packages; return the names of its files."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(root / name, source)
    for package in packages:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / package, source / package, ignore=ignore)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(out), str(source)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    [wheel] = out.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_has_all_code_and_data_and_no_more(root, packages, wheel_files):
    """Every file that git has of the packages is in it, except READMEs and shell scripts."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *packages]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    tracked = {name for name in listed.split("\0") if (root / name).is_file()}
    left_out = {name for name in tracked if name.endswith(("README.md", ".sh"))}
    assert wheel_files == tracked - left_out


def test_every_package_is_typed(packages, wheel_files):
    """A program that imports any of them is checked against its annotations (PEP 561)."""
    assert {f"{package}/py.typed" for package in packages} <= wheel_files


def test_every_entry_of_package_data_exists(root, packages, setuptools_config):
    """A pattern that matches nothing is a file that is missing, or an entry that is stale."""
    for package, patterns in setuptools_config["package-data"].items():
        folders = packages if package == "*" else [package.replace(".", "/")]
        for folder in folders:
            for pattern in patterns:
                assert any((root / folder).glob(pattern)), f"{folder}/{pattern}"
