"""The lock files: they pin everything that pyproject.toml requires, with hashes and no host."""

import re
import tomllib

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = ("server", "dev", "optional")
# The contents of each lock, as extras and dependency groups of pyproject.toml.
EXTRAS = {"server": ["server"], "dev": ["dev", "compose"], "optional": ["heic", "simd"]}
GROUPS = {"server": ["build"], "dev": ["build"], "optional": ["install"]}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture(name="pyproject", scope="module")
def _pyproject(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(name="locks", scope="module")
def _locks(root):
    """Return the text of every lock file by its name."""
    return {name: (root / "requirements" / f"{name}.lock").read_text() for name in LOCKS}


def pins_of(text):
    """Yield the pins of a lock, as requirements with their hashes."""
    for entry in text.replace("\\\n", " ").splitlines():
        if entry and not entry.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", entry.strip())
            yield Requirement(requirement), hashes


def environment(python):
    """Return the environment for markers: Linux, with this Python."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
    }


def applies(marker, where):
    """Return True if the marker is None or holds in this environment."""
    return marker is None or Marker(str(marker)).evaluate(where)


def pinned_on(text, where):
    """Return the version of every package that a lock installs in this environment."""
    found = {}
    for pin, _ in pins_of(text):
        if applies(pin.marker, where):
            name = canonicalize_name(pin.name)
            assert name not in found, f"{name} has two pins on {where}"
            [specifier] = pin.specifier
            assert specifier.operator == "=="
            found[name] = specifier.version
    return found


def wanted_by(pyproject, lock):
    """Return the requirements that a lock covers, including extras named by other extras."""
    project = pyproject["project"]
    optional = project["optional-dependencies"]
    lines = [] if lock == "optional" else list(project["dependencies"])
    lines += [line for group in GROUPS[lock] for line in pyproject["dependency-groups"][group]]
    extras = list(EXTRAS[lock])
    for extra in extras:
        for line in optional[extra]:
            requirement = Requirement(line)
            if requirement.name == project["name"]:
                extras.extend(requirement.extras)
            else:
                lines.append(line)
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_has_a_pin_that_meets_its_bound(pyproject, locks, lock, python):
    """`make lock` was run after the last change of pyproject.toml, for every Python."""
    where = environment(python)
    pinned = pinned_on(locks[lock], where)
    for requirement in wanted_by(pyproject, lock):
        if applies(requirement.marker, where):
            version = pinned.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement.name} has no pin; run make lock"
            assert requirement.specifier.contains(version), f"{requirement}; run make lock"


def test_no_extra_is_without_a_lock(pyproject):
    """Each is in one of them, except what only one bench compares Glassplate with."""
    # Other extras include these three.
    named = {extra for extras in EXTRAS.values() for extra in extras} | {"cli", "django", "drill"}
    assert named == set(pyproject["project"]["optional-dependencies"]) - {"bench"}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(locks, lock):
    """An archive that is not the one that was locked is not installed."""
    for pin, hashes in pins_of(locks[lock]):
        assert hashes, pin.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes)


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_a_host(locks, lock):
    """Packages come from the index that the machine is configured for."""
    assert "://" not in locks[lock]
    assert "index-url" not in locks[lock]


@pytest.mark.parametrize("python", PYTHONS)
def test_tests_run_with_the_packages_that_are_deployed(locks, python):
    """dev.lock has every pin of server.lock, in the same version."""
    server = pinned_on(locks["server"], environment(python))
    dev = pinned_on(locks["dev"], environment(python))
    assert server.items() <= dev.items()


def test_the_project_is_built_with_a_locked_setuptools(pyproject):
    """The group that the locks pin equals the build requirements."""
    assert pyproject["dependency-groups"]["build"] == pyproject["build-system"]["requires"]
