"""The wheel, installed alone with the packages that it needs, in a virtual environment of its own.

Packages are linked from the environment of the tests, as far as the wheel's metadata requires them,
so that no index is needed.
"""

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from email.parser import HeaderParser
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.glassplate.application_files import export_application

ROOT = Path(__file__).resolve().parents[2]
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE")
PACKAGES = (
    *("volumes", "permission_urls", "runtime", "storagenode", "storagemaster", "imageworker"),
    *("proxy_config", "capacity", "glassplate", "drill"),
)
PROGRAM = """
import json, sys, urllib.request
from datetime import timedelta
from glassplate import blocking

with blocking.Client.from_application(sys.argv[1]) as client:
    photo = open(sys.argv[2], "rb").read()
    receipt = client.put(sys.argv[2])
    url = client.url(receipt.reference, "o", ext=receipt.format, expires=timedelta(hours=1))
    print(json.dumps({
        "is_equal": client.get(receipt.reference) == photo == urllib.request.urlopen(url).read(),
        "ticket": client.ticket(ref="order-7"),
        "modules": sorted(name for name in sys.modules if name.split(".")[0] in sys.argv[3:]),
    }))
"""


@pytest.fixture(name="wheel", scope="module")
def _wheel(tmp_path_factory):
    """Build the wheel from a copy of the sources."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--no-index", "--wheel-dir", out, source], check=True)
    (wheel,) = out.iterdir()
    return wheel


@pytest.fixture(name="python", scope="module")
def _python(wheel, tmp_path_factory):
    """Install the wheel and what it requires without an extra; return the interpreter."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in required_by(wheel):
        files = distribution(name).files
        for top in {file.parts[0] for file in files if file.parts[0] not in {"..", "__pycache__"}}:
            (packages / top).symlink_to(distribution(name).locate_file(top))
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps"]
    subprocess.run([*pip, "--no-index", wheel], check=True)
    return python


def metadata_of(wheel):
    """Return the metadata of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def required_by(wheel):
    """Return the names of all packages that a wheel requires without an extra."""
    found, waiting = set(), metadata_of(wheel).get_all("Requires-Dist")
    while waiting:
        requirement = Requirement(waiting.pop())
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        name = canonicalize_name(requirement.name)
        if applies and name not in found:
            found.add(name)
            waiting += distribution(name).requires or ()
    return found


def test_the_wheel_requires_two_packages(wheel):
    """Everything else that it brings is needed by aiohttp."""
    own = {
        Requirement(line).name
        for line in metadata_of(wheel).get_all("Requires-Dist")
        if "extra ==" not in line
    }
    assert own == {"aiohttp", "itsdangerous"}
    assert len(required_by(wheel)) <= 12


def test_the_wheel_alone_puts_gets_and_signs(cluster, python, photo_file, tmp_path):
    """The client loads no module of a server but the documents of the storagemaster."""
    file = export_application(cluster, tmp_path)
    done = subprocess.run(
        [python, "-I", "-c", PROGRAM, file, photo_file, *PACKAGES],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["is_equal"]
    assert result["ticket"].startswith("gt1.")
    own = {
        name
        for name in result["modules"]
        if name.split(".")[0] not in {"glassplate", "permission_urls", "volumes"}
    }
    documents = {"wire", "known_wire", "upload_wire"}
    assert own == {"storagemaster", *(f"storagemaster.{name}" for name in documents)}


def test_the_command_of_the_wheel_says_which_extra_it_needs(python):
    """The exit status is 2."""
    done = subprocess.run(
        [python.with_name("glassplate"), "put"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'glassplate[cli]'" in done.stderr
